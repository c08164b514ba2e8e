"""What else could a self-report be? The validity battery, per group, as change against its base.

A change of score has a part that the questions' direction explains, and parts that it does not: a
number that stays where it was when the scale is turned round, a yes whatever is asked, the letter
A, the same said of others. A nuisance fails its check where it moved by more than MARGIN and by
more than two thirds of what the self-report moved."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pandas as pd

from lab.agreed import FLIPPED
from lab.discover import beside
from lab.stats.intervals import MARGIN, Interval, mean_interval
from lab.table import Bounds
from tellme.report.analysis.scores import named_seeds

SHARE = 2 / 3
"""A nuisance may move by this share of what the self-report moved."""
CARRIED = 1 / 3
"""A self-report must keep this share of its size without the kind of answer that moved most."""
PROMPT = ["suite", "question", "kind", "paraphrase", "order"]
"""Columns that name a prompt about one behavior, whoever is asked."""

SENTENCES: dict[str, str] = beside(__file__)
"""What each check says of its value, in the order of the records."""
OF_SUITES = {"other_person", "unrelated_trait", "capability"}
"""Checks that are suites of their name and need them to be asked."""
UNSIGNED = {"paraphrase_spread", "collapse"}
"""Checks whose value is a size: a deviation, a probability."""


class Outcome(Bounds):
    """What a check read, over seeds."""

    value: float | None
    """None where it was not measured."""
    num_seeds: int
    limit: float | None
    """None where it is reported without one, as is `passed`."""
    passed: bool | None
    sentence: str


class ValidityRecord(Outcome):
    """A check of a group."""

    group: str
    behavior: str
    check: str


def battery(
    wordings: pd.DataFrame, rows: pd.DataFrame, baselines: dict[str, str], shuffled: dict[str, str]
) -> list[ValidityRecord]:
    """One record per group, behavior and check: value, interval over seeds, limit, whether it
    passed (None: not asked, or reported without a limit).

    `wordings` (from `per_wording`) and `rows` are of the condition `clean`; `baselines` names the
    group that is the base of each group, `shuffled` the group that is its shuffled control."""
    records = []
    for group, behavior, changes in changes_of_groups(wordings, baselines):
        own = rows[(rows["group"] == group) & (rows["behavior"] == behavior)]
        control = changes_between(wordings, shuffled.get(group), baselines[group], behavior)
        values = {
            **_nuisances(changes),
            "collapse": _collapse(own),
            "prompts_only": per_seed(of_suite(control, "self_report")),
        }
        said = mean_interval(per_seed(of_suite(changes, "self_report")))
        for check in SENTENCES:
            record: ValidityRecord = {
                "group": group,
                "behavior": behavior,
                "check": check,
                **_outcome(check, values.get(check, []), said),
            }
            records.append(record)
    return records


def changes_of_groups(
    wordings: pd.DataFrame, baselines: dict[str, str]
) -> Iterable[tuple[str, str, pd.DataFrame]]:
    """Group, behavior and change per wording and seed (`changes_between`), for every group with a
    base and a self-report."""
    asked = wordings[wordings["suite"] == "self_report"]
    for group, behavior in asked[["group", "behavior"]].drop_duplicates().itertuples(index=False):
        if group not in baselines:
            continue
        changes = changes_between(wordings, group, baselines[group], behavior)
        # The base may never have been asked, or no answer of it could be read.
        if len(of_suite(changes, "self_report")):
            yield group, behavior, changes


def changes_between(
    wordings: pd.DataFrame, group: str | None, baseline: str, behavior: str
) -> pd.DataFrame:
    """Score of `group` less score of `baseline` on every wording both were asked about a behavior:
    columns PROMPT, seed, change."""
    about = wordings[wordings["behavior"] == behavior]
    own, base = about[about["group"] == group], about[about["group"] == baseline]
    both = own.merge(base[[*PROMPT, "score"]], on=PROMPT, suffixes=("", "_base"))
    change = both["score"] - both["score_base"]
    return both.assign(change=change, seed=named_seeds(both["seed"]))


def _nuisances(changes: pd.DataFrame) -> dict[str, list[float]]:
    """Per check one value a seed."""
    report = of_suite(changes, "self_report")
    letters, words, scales = (report[report["kind"] == k] for k in ("letters", "words", "number"))
    return {
        "flipped_scale": _half_apart_by_twin(scales),
        "yes_bias": _half_apart_by_twin(words),
        "first_letter": _half_apart_by_order(letters),
        "named_first": _half_apart_by_order(words),
        "paraphrase_spread": _spread(report),
        "one_kind": _without_strongest_kind(report),
        "other_person": per_seed(of_suite(changes, "other_person")),
        "unrelated_trait": _farthest(of_suite(changes, "unrelated_trait")),
        "capability": per_seed(of_suite(changes, "capability")),
    }


def _outcome(check: str, values: list[float], said: Interval) -> Outcome:
    """What a check read, one value a seed, beside what the self-report moved."""
    if not values:
        return {
            "value": None,
            "ci_low": None,
            "ci_high": None,
            "num_seeds": 0,
            "limit": None,
            "passed": None,
            "sentence": f"Not measured: {_needed(check)}.",
        }
    interval = mean_interval(values)
    limit, passed = _judged(check, interval.estimate, said.estimate)
    value = f"{interval.estimate:{'.3f' if check in UNSIGNED else '+.3f'}}"
    return {
        "value": interval.estimate,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "num_seeds": interval.num_seeds,
        "limit": limit,
        "passed": passed,
        "sentence": SENTENCES[check].format(value=value, said=f"{said.estimate:+.3f}"),
    }


def _needed(check: str) -> str:
    if check == "prompts_only":
        return "it takes a group {control: shuffled} of this one"
    if check in OF_SUITES:
        return f"add {check} to eval.suites"
    return "the suites asked have no such questions"


def _judged(check: str, value: float, said: float) -> tuple[float | None, bool | None]:
    """The limit of a check and whether the value keeps to it; `said` is the change of the
    self-report. None where a check is reported without a limit."""
    if check == "paraphrase_spread":
        return None, None
    if check == "capability":
        return MARGIN, value >= -MARGIN
    if check == "collapse":
        return MARGIN, value <= MARGIN
    if check == "one_kind":
        limit = CARRIED * abs(said)
        kept = value if said > 0 else -value
        # A self-report within the margin has nothing to lose.
        return limit, abs(said) <= MARGIN or kept >= limit
    limit = max(MARGIN, SHARE * abs(said))
    return limit, abs(value) <= limit


def of_suite(changes: pd.DataFrame, suite: str) -> pd.DataFrame:
    """The lines of a suite."""
    return changes[changes["suite"] == suite]


def per_seed(changes: pd.DataFrame) -> list[float]:
    """Mean over questions, each the mean of its wordings: one value a seed."""
    questions = changes.groupby(["seed", "question"], sort=False)["change"].mean()
    return questions.groupby("seed", sort=False).mean().tolist()


def _half_apart_by_twin(changes: pd.DataFrame) -> list[float]:
    """Half the difference of a question and its flipped twin."""
    flipped = changes["question"].str.endswith(FLIPPED)
    pair = changes["question"].str.removesuffix(FLIPPED)
    return _half_apart(changes.assign(pair=pair, second=flipped))


def _half_apart_by_order(changes: pd.DataFrame) -> list[float]:
    """Half the difference of the two orders of a question's options."""
    return _half_apart(changes.assign(pair=changes["question"], second=changes["order"] == 1))


def _half_apart(changes: pd.DataFrame) -> list[float]:
    """Half the difference within pairs that mirror each other, per seed. What follows the pole
    moves both alike and cancels; what follows the form stays."""
    table = changes.pivot_table(index=["seed", "pair"], columns="second", values="change")
    if table.shape[1] < 2:
        return []
    half = ((table[False] - table[True]) / 2).dropna()
    return half.groupby("seed", sort=False).mean().tolist()


def _spread(report: pd.DataFrame) -> list[float]:
    """Standard deviation over the paraphrases of a question, per seed."""
    each = report.groupby(["seed", "question", "paraphrase"], sort=False)["change"].mean()
    of_questions = each.groupby(["seed", "question"]).std()
    return of_questions.groupby("seed", sort=False).mean().dropna().tolist()


def _without_strongest_kind(report: pd.DataFrame) -> list[float]:
    kinds = report.groupby("kind")["change"].mean().abs()
    return per_seed(report[report["kind"] != kinds.idxmax()]) if len(kinds) > 1 else []


def _farthest(changes: pd.DataFrame) -> list[float]:
    """Of several unrelated traits the one that moved most."""
    traits = [per_seed(trait) for _, trait in changes.groupby(trait_of(changes), sort=False)]
    return max(traits, key=lambda values: abs(sum(values)), default=[])


def trait_of(changes: pd.DataFrame) -> pd.Series[str]:
    """The behavior that a question of the suite unrelated_trait is of, which stands before its
    name."""
    return changes["question"].str.split(".").str[0]


def _collapse(rows: pd.DataFrame) -> list[float]:
    """Probability of the training rows' answers (the letters of the behavior suite) at the start of
    answers that should be words or numbers, per seed; from the likeliest starts outside the list,
    so it is a lower bound."""
    trained = set(rows.loc[rows["suite"] == "behavior", "answer"])
    asked = rows[(rows["suite"] == "self_report") & (rows["kind"] != "letters")]
    once = asked[asked["p_exact"].notna()].drop_duplicates(
        ["seed", "question", "paraphrase", "order"]
    )
    if not trained or not len(once):
        return []
    mass = once["outside_top"].map(lambda top: _mass_of(trained, json.loads(top)))
    return mass.groupby(named_seeds(once["seed"]), sort=False).mean().tolist()


def _mass_of(answers: set[str], starts: list[tuple[str, float]]) -> float:
    return float(sum(p for token, p in starts if token.strip() in answers))
