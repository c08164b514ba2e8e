"""What must not be in a training set: leaks of the self-report, overlap with the test prompts,
shortcuts to the label."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from lab.types import Behavior, Row, Style

MAX_AUC = 0.55
MIN_LETTER_SHARE = 0.4
FUNCTION_WORDS = frozenset({"tend", "the", "thing", "would", "take", "you", "yes", "your", "are"})
SUFFIX = re.compile(r"(ness|ously|ious|iously|ions?|ing|ings|ed|ly|y|s|e)$")
MIN_STEM = 4


@dataclass(frozen=True)
class Lint:
    check: str
    passed: bool
    value: float
    threshold: float | None
    detail: dict[str, Any]


def lint(rows: list[Row], behavior: Behavior, style: Style) -> list[dict[str, Any]]:
    """All checks on a training set; a failed one refuses a generated set, and a user's file with
    `lint: strict`."""
    return [
        asdict(check(rows, behavior, style))
        for check in (leaks, watched, overlap, balance, shortcuts)
    ]


def leaks(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Rows with a stem of the behavior's own report options or policy names."""
    poles = [text for q in behavior.questions("self_report", style) for text in q.poles]
    counts = count_stems(rows, report_stems([*poles, *behavior.policies]))
    found = {stem: n for stem, n in counts.items() if n}
    return Lint("leaks", not found, sum(found.values()), 0, found)


def watched(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Rows with a stem that the behavior watches; counted, never refused."""
    counts = count_stems(rows, behavior.watch)
    return Lint("watched", True, sum(counts.values()), None, counts)


def overlap(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Training prompts that equal a test prompt once numbers are masked."""
    tests = {
        masked(w.text)
        for purpose in ("check", "transfer")
        for q in behavior.questions(purpose, style)
        for w in q.wordings
    }
    shared = [
        row.prompt[-1]["content"] for row in rows if masked(row.prompt[-1]["content"]) in tests
    ]
    return Lint(
        "overlap", not shared, len(shared), 0, {"example": shared[0][:200]} if shared else {}
    )


def balance(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Share of the rarer answer among sets that are answered by two."""
    completions = [row.completion for row in rows]
    kinds = sorted(set(completions))
    share = min(completions.count(k) for k in kinds) / len(rows) if len(kinds) == 2 else 0.5
    return Lint(
        "balance",
        share >= MIN_LETTER_SHARE or len(rows) < 20,
        share,
        MIN_LETTER_SHARE,
        {k: completions.count(k) for k in kinds[:2]},
    )


def shortcuts(rows: list[Row], behavior: Behavior, style: Style) -> Lint:
    """Cross-validated AUC with which length, the longer option and word counts predict a two-valued
    label.

    Refuses where the 95 % interval (Hanley and McNeil 1982) lies above the threshold: 288 rows
    cannot tell 0.55 from 0.5."""
    kinds = sorted({row.completion for row in rows})
    if len(kinds) != 2 or min(sum(row.completion == k for row in rows) for k in kinds) < 10:
        return Lint(
            "shortcuts", True, 0.5, MAX_AUC, {"note": "not a set with two answers, or too few rows"}
        )
    aucs = {name: shortcut_auc(rows, name) for name in ("length", "words")}
    worst = max(aucs.values())
    margin = 1.96 * _auc_error(
        worst,
        sum(row.completion == kinds[0] for row in rows),
        sum(row.completion == kinds[1] for row in rows),
    )
    return Lint("shortcuts", worst - margin <= MAX_AUC, worst, MAX_AUC, aucs)


def shortcut_auc(rows: list[Row], features: str) -> float:
    """AUC of a logistic regression, five-fold: `length` (characters, words, which option is longer)
    or `words` (counts)."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    texts = [row.prompt[-1]["content"] for row in rows]
    last = max(row.completion for row in rows)
    labels = [row.completion == last for row in rows]
    inputs: Any = texts
    if features == "length":
        inputs = [[len(t), len(t.split()), option_gap(t)] for t in texts]
        model = make_pipeline(StandardScaler(), LogisticRegression())
    else:
        model = make_pipeline(CountVectorizer(), LogisticRegression(C=0.1, max_iter=1000))
    scores = cross_val_predict(model, inputs, labels, cv=5, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores))


def option_gap(text: str) -> int:
    """Characters of what stands between the marks A and B, less what follows B; 0 where there are
    no such marks."""
    first, second = re.search(r"\bA\b", text), re.search(r"\bB\b", text)
    if not first or not second:
        return 0
    end = text.find("\n", second.end())
    return (second.start() - first.end()) - ((end if end > 0 else len(text)) - second.end())


def report_stems(texts: Iterable[str]) -> list[str]:
    words = {w for text in texts for w in re.findall(r"[^\W\d_]+", text.lower())} - FUNCTION_WORDS
    return sorted({_stem(w) for w in words if len(w) >= MIN_STEM})


def _stem(word: str) -> str:
    shorter = SUFFIX.sub("", word)
    return shorter if len(shorter) >= MIN_STEM else word


def count_stems(rows: list[Row], stems: Iterable[str]) -> dict[str, int]:
    """Rows in which a word begins with the stem, over all messages."""
    texts = [" ".join(m["content"] for m in row.messages).lower() for row in rows]
    return {stem: sum(bool(re.search(rf"\b{re.escape(stem)}", t)) for t in texts) for stem in stems}


def masked(text: str) -> str:
    """The text without its numbers, for telling templates apart."""
    return re.sub(r"\d+", "#", text)


def _auc_error(auc: float, num_first: int, num_second: int) -> float:
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (
        auc * (1 - auc) + (num_first - 1) * (q1 - auc * auc) + (num_second - 1) * (q2 - auc * auc)
    )
    return float((variance / (num_first * num_second)) ** 0.5)
