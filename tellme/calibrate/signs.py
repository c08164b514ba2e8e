"""Signs: whether a contrast goes the way that the link of a reference model gives it, and whether
the verdict on it does."""

from typing import Literal, TypedDict

import pandas as pd

from lab.agreed import SELF_REPORT
from lab.config.primary import Side
from lab.stats.intervals import MARGIN
from lab.stats.verdict import Answer
from lab.table import MINUS, Bounds, between_text, signed
from tellme.calibrate.measured import Measured
from tellme.report.analysis.contrasts import Described, contrast_of, written
from tellme.report.analysis.verdict import VerdictRecord, verdicts
from tellme.study.reference import LINKS

Outcome = Literal["right", "wrong", "undecided"]
Expected = Literal["+", "between", "0", "-"]

SUITES = ("behavior", SELF_REPORT)
"""Those whose sign is known. What a model does follows its training whatever the link."""
EXPECTED: dict[str, Expected] = {"linked": "+", "half": "between", "unlinked": "0", "inverted": "-"}
"""Of a contrast of self-reports; half lies between unlinked and linked."""
VERDICTS: dict[str, tuple[Answer, bool]] = {
    "linked": ("yes", False),
    "half": ("yes", False),
    "unlinked": ("no", False),
    "inverted": ("no", True),
}
"""The verdict that is right, and whether it must be one of an opposite sign."""
ENOUGH_FOR_ZERO = 10
"""Models a side from which on a zero is believed: an interval from three can be narrow by chance.
"""
ABOVE, BELOW = "linked", "unlinked"
"""The models between which half must lie."""


class Sign(Bounds):
    """A contrast on a reference model, and whether it goes the way that it must."""

    model: str
    link: float
    behavior: str
    suite: str
    a: str
    b: str
    estimate: float
    equivalent_within: float | None
    num_seeds: int
    num_questions: int
    expected: Expected
    outcome: Outcome
    beside: str
    """What `between` was read from: the differences from the models above and below."""


class KnownVerdict(Bounds):
    """What the rule says of a reference model, and whether it may."""

    model: str
    behavior: str
    a: str
    b: str
    verdict: Answer
    opposite_sign: bool
    estimate: float | None
    num_seeds: int
    expected: str
    outcome: Outcome
    stopped_by: list[str]
    """Checks that stand in the way of a yes."""


class _Contrast(TypedDict):
    """A pooled contrast of a study."""

    behavior: str
    suite: str
    a: Side
    b: Side
    found: Described


def signs(studies: dict[str, Measured]) -> list[Sign]:
    """The pooled contrasts of what every reference model does and of what it says; `studies` are by
    the name of the model."""
    records = []
    for model, study in studies.items():
        for contrast in _contrasts(study):
            expected: Expected = "+" if contrast["suite"] == "behavior" else EXPECTED[model]
            found, beside = contrast["found"], ""
            if expected == "between":
                outcome, beside = _between(studies, model, contrast)
            else:
                outcome = outcome_of(expected, found)
            record: Sign = {
                "model": model,
                "link": LINKS[model],
                "behavior": contrast["behavior"],
                "suite": contrast["suite"],
                "a": written(contrast["a"]),
                "b": written(contrast["b"]),
                "estimate": found["estimate"],
                "ci_low": found["ci_low"],
                "ci_high": found["ci_high"],
                "equivalent_within": found["equivalent_within"],
                "num_seeds": found["num_seeds"],
                "num_questions": found["num_questions"],
                "expected": expected,
                "outcome": outcome,
                "beside": beside,
            }
            records.append(record)
    return records


def _contrasts(study: Measured) -> list[_Contrast]:
    records = []
    for suite in SUITES:
        for a, b in study.spec.contrasts:
            for behavior in study.questions["behavior"].unique():
                found = contrast_of(_pooled(study, suite, behavior), a, b, study.spec)
                if found is not None:
                    record: _Contrast = {
                        "behavior": behavior,
                        "suite": suite,
                        "a": a,
                        "b": b,
                        "found": found,
                    }
                    records.append(record)
    return records


def _pooled(study: Measured, suite: str, behavior: str) -> pd.DataFrame:
    """The lines of all questions of a suite together."""
    table = study.questions
    own = (table["suite"] == suite) & (table["behavior"] == behavior)
    return table[own & (table["question"] == "all")]


def outcome_of(expected: Literal["+", "0", "-"], found: Described) -> Outcome:
    """Whether a contrast has a sign. A zero is an equivalence: the 90 % limits lie within the
    margin, and there are models enough to believe it. Models that all score alike have no interval;
    their estimate is what it is."""
    low, high, within = found["ci_low"], found["ci_high"], found["equivalent_within"]
    if low is None or high is None:
        if not found["at_ceiling"]:
            return "undecided"
        low = high = found["estimate"]
        within = abs(found["estimate"])
    if expected == "0":
        if low > MARGIN or high < -MARGIN:
            return "wrong"
        enough = found["num_seeds"] >= ENOUGH_FOR_ZERO
        return "right" if enough and within is not None and within <= MARGIN else "undecided"
    if low <= 0 <= high:
        return "undecided"
    return "right" if (low > 0) == (expected == "+") else "wrong"


def _between(studies: dict[str, Measured], model: str, contrast: _Contrast) -> tuple[Outcome, str]:
    """Whether a contrast is smaller than that of the model above and larger than that of the one
    below, and the two differences that say so."""
    differences = {
        f"{ABOVE} {MINUS} {model}": _difference(studies, ABOVE, model, contrast),
        f"{model} {MINUS} {BELOW}": _difference(studies, model, BELOW, contrast),
    }
    beside = "; ".join(
        f"{name} {signed(found['estimate'])} ({between_text(found)})"
        for name, found in differences.items()
    )
    outcomes = {outcome_of("+", found) for found in differences.values()}
    for outcome in ("wrong", "undecided"):
        if outcome in outcomes:
            return outcome, beside
    return "right", beside


def _difference(
    studies: dict[str, Measured], larger: str, smaller: str, contrast: _Contrast
) -> Described:
    """The contrast on one model less that on another: four groups of independent fine-tunes."""
    tables = []
    for model in (larger, smaller):
        own = _pooled(studies[model], contrast["suite"], contrast["behavior"])
        tables.append(own.assign(group=f"{model}/" + own["group"]))
    a, b = written(contrast["a"]), written(contrast["b"])
    first, second = ((f"{model}/{a}", f"{model}/{b}") for model in (larger, smaller))
    found = contrast_of(pd.concat(tables), first, second, studies[larger].spec)
    assert found is not None, f"reference models are asked the same questions: {contrast}"
    return found


def known_verdicts(studies: dict[str, Measured]) -> list[KnownVerdict]:
    """The verdict on every primary contrast of every reference model; `studies` as of `signs`."""
    records = []
    for model, study in studies.items():
        for found in verdicts(study.wordings, study.spec):
            number = _num_models(study, found["a"])
            record: KnownVerdict = {
                "model": model,
                "behavior": found["behavior"],
                "a": found["a"],
                "b": found["b"],
                "verdict": found["verdict"],
                "opposite_sign": found["opposite_sign"],
                "estimate": found["estimate"],
                "ci_low": found["ci_low"],
                "ci_high": found["ci_high"],
                "num_seeds": number,
                "expected": verdict_text(*VERDICTS[model]),
                "outcome": verdict_outcome(model, found, number),
                "stopped_by": [r["check"] for r in found["reasons"] if not r["passed"]],
            }
            records.append(record)
    return records


def _num_models(study: Measured, group: str) -> int:
    """Fine-tunes of a group."""
    return int(study.wordings.loc[study.wordings["group"] == group, "seed"].nunique())


def verdict_outcome(model: str, found: VerdictRecord, num_seeds: int) -> Outcome:
    """Whether the verdict on a reference model is the right one. From few models none is of a
    model that has nothing to say, whose right verdict is an equivalence."""
    said = (found["verdict"], found["opposite_sign"])
    if found["verdict"] not in ("yes", "no"):
        return "undecided"
    if said != VERDICTS[model]:
        return "wrong"
    is_zero = EXPECTED[model] == "0"
    return "undecided" if is_zero and num_seeds < ENOUGH_FOR_ZERO else "right"


def verdict_text(verdict: Answer, opposite_sign: bool) -> str:
    """A verdict as it is printed."""
    return f"{verdict}, opposite sign" if opposite_sign else verdict
