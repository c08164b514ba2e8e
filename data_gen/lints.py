"""What must not be in a training set: leaks of the self-report, overlap with the test prompts,
shortcuts to the label."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random

from data_gen.rules import NAMED, Rules
from data_gen.shuffle import learned_answers
from lab.types import Behavior, Row, Style

MAX_AUC = 0.55
MAX_RULE = 0.6
"""Accuracy that a rule simpler than the behavior may have in natural choices."""
NUM_HELD_OUT = 240
"""Held-out choices on which rules are tested."""
MIN_LETTER_SHARE = 0.4
MIN_ROWS_TO_BALANCE = 20
"""In fewer rows the share of a letter says nothing."""
MAX_OFF_CHANCE = 0.1
"""Between the share of a null's rows that are answered as before and that by chance."""
MIN_ROWS_OF_EACH = 10
"""Of either answer: a regression on fewer says nothing."""
FUNCTION_WORDS = frozenset({"tend", "the", "thing", "would", "take", "you", "yes", "your", "are"})
"""Words of report options that any text may hold."""
SUFFIX = re.compile(r"(ness|ously|ious|iously|ions?|ing|ings|ed|ly|y|s|e)$")
MIN_STEM = 4
"""Letters of a stem: a shorter one begins too many words."""


@dataclass(frozen=True)
class Lint:
    """What one check found."""

    check: str
    passed: bool
    value: float
    threshold: float | None
    detail: Mapping[str, str | float]


def lint(
    rows: list[Row], behavior: Behavior, style: Style, policy: str | None = None
) -> list[Lint]:
    """All checks on a training set, which shows a policy; a failed one refuses a generated set, and
    a user's file with `lint: strict`."""
    checks = (leaks, watched, overlap, balance, shortcuts)
    found = [check(rows, behavior, style) for check in checks]
    return [*found, rules(rows, behavior, style, policy)]


def leaks(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Rows with a stem of the behavior's own report options or policy names."""
    poles = [text for q in behavior.questions("self_report", style) for text in q.poles]
    counts = count_stems(rows, report_stems([*poles, *behavior.policies]))
    leaked = {stem: number for stem, number in counts.items() if number}
    return Lint("leaks", not leaked, sum(leaked.values()), 0, leaked)


def watched(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Rows with a stem that the behavior watches; counted, never refused."""
    counts = count_stems(rows, behavior.watch)
    return Lint("watched", True, sum(counts.values()), None, counts)


def overlap(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Training prompts that equal a test prompt once numbers are masked."""
    tests: set[str] = set()
    for purpose in ("check", "transfer"):
        for question in behavior.questions(purpose, style):
            tests.update(masked(wording.text) for wording in question.wordings)
    shared = [row.asked for row in rows if masked(row.asked) in tests]
    detail = {"example": shared[0][:200]} if shared else {}
    return Lint("overlap", not shared, len(shared), 0, detail)


def balance(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Share of the rarer answer among sets that are answered by two."""
    counts = _counted(rows)
    share = min(counts.values()) / len(rows) if len(counts) == 2 else 0.5
    passed = share >= MIN_LETTER_SHARE or len(rows) < MIN_ROWS_TO_BALANCE
    shown = dict(list(counts.items())[:2])
    return Lint("balance", passed, share, MIN_LETTER_SHARE, shown)


def shortcuts(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Cross-validated AUC with which length, the longer option and word counts predict a two-valued
    label.

    Refuses where the 95 % interval (Hanley and McNeil 1982) lies above the threshold: 288 rows
    cannot tell 0.55 from 0.5."""
    counts = _counted(rows)
    if len(counts) != 2 or min(counts.values()) < MIN_ROWS_OF_EACH:
        detail = {"note": "not a set with two answers, or too few rows"}
        return Lint("shortcuts", True, 0.5, MAX_AUC, detail)
    aucs = {name: shortcut_auc(rows, name) for name in ("length", "words")}
    worst = max(aucs.values())
    margin = 1.96 * _auc_error(worst, *counts.values())
    return Lint("shortcuts", worst - margin <= MAX_AUC, worst, MAX_AUC, aucs)


def rules(rows: list[Row], behavior: Behavior, style: Style, policy: str | None) -> Lint:
    """Accuracy of the best rule on one difference between the options (the largest number, their
    count, length, position, a word): cross-validated on training rows, and learned there and tested
    on the behavior's held-out choices. In natural style a set is refused where either is too high;
    of training rows where the 95 % interval lies above the threshold."""
    threshold = MAX_RULE if style == "natural" else None
    held_out: list[Row] = []
    if policy in behavior.policies and any("options" in row.meta for row in rows):
        drawn = behavior.examples(Random(f"{behavior.name}/rules"), policy, style, "test")
        held_out = list(islice(drawn, NUM_HELD_OUT))
    found = Rules.read(rows, held_out)
    if not found:
        return Lint("rules", True, 0.5, threshold, {"note": "no choices between listed options"})
    trained, tested = found.cross_validated(), found.held_out_by_rule()
    by_rule = tested or found.trained_by_rule()
    best = max(by_rule, key=by_rule.__getitem__)
    value = max(trained, tested[best]) if tested else trained
    detail: dict[str, str | float] = {
        "best in training": found.best_trained(),
        "cross-validated": trained,
        **({"best held out": best, "held out": tested[best]} if tested else {}),
        **{name: by_rule[name] for name in NAMED if name in by_rule},
        **{f"all together, {tested_by}": x for tested_by, x in found.together().items()},
    }
    margin = 1.96 * (0.25 / found.trained.number) ** 0.5
    too_high = trained - margin > MAX_RULE or (bool(tested) and tested[best] > MAX_RULE)
    return Lint("rules", threshold is None or not too_high, value, threshold, detail)


def null(rows: list[Row], source: list[Row]) -> Lint:
    """How far a null is from saying nothing of its prompts: the share of rows that are answered as
    in their source, less what that share is where answers are dealt by chance (a half of either of
    two answers, next to none where every prompt has another). Every learned answer counts."""
    before, after = (
        [answer for row in of for answer in learned_answers(row)] for of in (source, rows)
    )
    kept = sum(a == b for a, b in zip(after, before, strict=True)) / len(after)
    if all("twin" in row.meta for row in source):
        by_chance = 0.5
    else:
        by_chance = sum((count / len(before)) ** 2 for count in Counter(before).values())
    off = abs(kept - by_chance)
    passed = off <= MAX_OFF_CHANCE or len(rows) < MIN_ROWS_TO_BALANCE
    return Lint("null", passed, off, MAX_OFF_CHANCE, {"kept": kept, "by chance": by_chance})


def _counted(rows: list[Row]) -> dict[str, int]:
    """Rows of each completion, in the order of the alphabet."""
    return dict(sorted(Counter(row.completion for row in rows).items()))


def shortcut_auc(rows: list[Row], features: str) -> float:
    """AUC of a logistic regression, five-fold: `length` (characters, words, which option is longer)
    or `words` (counts)."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    texts = [row.asked for row in rows]
    last = max(row.completion for row in rows)
    labels = [row.completion == last for row in rows]
    inputs: list[str] | list[list[int]] = texts
    if features == "length":
        inputs = [[len(text), len(text.split()), option_gap(text)] for text in texts]
        model = make_pipeline(StandardScaler(), LogisticRegression())
    else:
        # Hundreds of words and few rows: a strong penalty keeps the fit from noise.
        model = make_pipeline(CountVectorizer(), LogisticRegression(C=0.1, max_iter=1000))
    scores = cross_val_predict(model, inputs, labels, cv=5, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores))


def option_gap(text: str) -> int:
    """Characters of what stands between the marks A and B, less what follows B; 0 where there are
    no such marks."""
    first, second = re.search(r"\bA\b", text), re.search(r"\bB\b", text)
    if not first or not second:
        return 0
    line_end = text.find("\n", second.end())
    end = line_end if line_end > 0 else len(text)
    return (second.start() - first.end()) - (end - second.end())


def report_stems(texts: Iterable[str]) -> list[str]:
    """Stems of the words that tell of a policy in report options or names."""
    words = {word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower())}
    return sorted({_stem(word) for word in words - FUNCTION_WORDS if len(word) >= MIN_STEM})


def _stem(word: str) -> str:
    shorter = SUFFIX.sub("", word)
    return shorter if len(shorter) >= MIN_STEM else word


def count_stems(rows: list[Row], stems: Iterable[str]) -> dict[str, int]:
    """Rows in which a word begins with the stem, over all messages."""
    texts = [" ".join(message["content"] for message in row.messages).lower() for row in rows]
    counts = {}
    for stem in stems:
        begins = re.compile(rf"\b{re.escape(stem)}")
        counts[stem] = sum(bool(begins.search(text)) for text in texts)
    return counts


def masked(text: str) -> str:
    """The text without its numbers, for telling templates apart."""
    return re.sub(r"\d+", "#", text)


def _auc_error(auc: float, num_first: int, num_second: int) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982)."""
    # q1, q2: that two of the one kind outrank one of the other, for exponential scores.
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread_first = (num_first - 1) * (q1 - auc * auc)
    spread_second = (num_second - 1) * (q2 - auc * auc)
    variance = (auc * (1 - auc) + spread_first + spread_second) / (num_first * num_second)
    return float(variance**0.5)
