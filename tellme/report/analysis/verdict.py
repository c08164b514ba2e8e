"""The verdict on every primary contrast of a study (lab/stats/verdict.py has the rule)."""

from __future__ import annotations

import math
from typing import Literal

import pandas as pd

from lab.config.primary import Side
from lab.specs import StudySpec
from lab.stats.power import detectable
from lab.stats.verdict import ENOUGH_TO_SEE_JUMPS, Answer, Limits, Reason, decide
from lab.table import Bounds
from tellme.report.analysis.contrasts import Described, written
from tellme.report.analysis.evidence import Evidence, evidence
from tellme.report.analysis.measurable import group_of, kind_of, names_in
from tellme.report.analysis.others import in_their_suites
from tellme.report.analysis.reasons import BEYOND_ZERO, Primary, not_made, reasons
from tellme.report.analysis.scores import per_question

MOST_SEEDS = 30
"""Beyond so many seeds more of them are no advice."""


class VerdictRecord(Bounds):
    """What is said of a primary contrast, and why."""

    behavior: str
    suite: str
    a: str
    b: str
    of_self: bool
    """Whether it is about what models say of themselves."""
    direction: Literal["greater", "less"]
    margin: float
    """This and the last as the primary declares them."""
    verdict: Answer
    opposite_sign: bool
    """A no whose contrast is below zero."""
    estimate: float | None
    """None where a side was asked nothing that can be read."""
    kinds: list[str]
    """Of question: those that the estimate is a mean over."""
    reasons: list[Reason]
    would_decide: str | None
    """What would settle an undecided one."""
    caution: str | None
    """What a yes cannot exclude."""
    shown: list[Evidence]
    """What the figure of it shows."""


def verdicts(wordings: pd.DataFrame, spec: StudySpec) -> list[VerdictRecord]:
    """One for every primary contrast and behavior. `wordings` as from `per_wording`, of the end of
    training, under all conditions."""
    return [verdict(primary) for primary in primaries(wordings, spec)]


def primaries(wordings: pd.DataFrame, spec: StudySpec) -> list[Primary]:
    """Every primary contrast and behavior with the scores that its verdict is read from; arguments
    as of `verdicts`."""
    if spec.primary_suite is None:
        return []
    # What presupposes its answer is shown, and decides nothing.
    asked = in_their_suites(wordings, spec)
    asked = asked[~asked["presupposes"]]
    questions = per_question(asked)
    single = questions[questions["over"].isna()]
    return [
        Primary(
            spec=spec,
            a=a,
            b=b,
            behavior=behavior,
            suite=spec.primary_suite,
            questions=single[single["behavior"] == behavior],
            wordings=asked[asked["behavior"] == behavior],
        )
        for a, b in spec.primary
        for behavior in _behaviors(single, spec, a)
    ]


def _behaviors(questions: pd.DataFrame, spec: StudySpec, a: Side) -> list[str]:
    """The behaviors that the first side was asked about on the primary suite."""
    first = group_of(names_in(a)[0])
    own = (questions["suite"] == spec.primary_suite) & (questions["group"] == first)
    return list(dict.fromkeys(questions.loc[own, "behavior"]))


def verdict(primary: Primary) -> VerdictRecord:
    """Of one primary contrast about one behavior."""
    pool = primary.measurable(primary.suite)
    found = primary.contrast(pool, primary.a, primary.b)
    checks = reasons(primary)
    answer, opposite = decide(checks, _limits(found, primary.sign), primary.spec.margin)
    return {
        "behavior": primary.behavior,
        "suite": primary.suite,
        "a": written(primary.a),
        "b": written(primary.b),
        "of_self": primary.spec.of_self,
        "direction": primary.spec.direction,
        "margin": primary.spec.margin,
        "verdict": answer,
        "opposite_sign": opposite,
        "estimate": found["estimate"] if found else None,
        "ci_low": found["ci_low"] if found else None,
        "ci_high": found["ci_high"] if found else None,
        "kinds": list(dict.fromkeys(map(kind_of, pool["question"]))),
        "reasons": checks,
        "would_decide": _would_decide(primary, checks, found) if answer == "undecided" else None,
        "caution": _caution(found) if answer == "yes" and found else None,
        "shown": evidence(primary, pool),
    }


def _limits(found: Described | None, sign: int) -> Limits:
    if found and found["at_ceiling"]:
        # Models that are all alike have no interval, and nothing more to be found out.
        alike = sign * found["estimate"]
        return {"high": alike, "within": abs(alike)}
    if found is None or found["ci_low"] is None or found["ci_high"] is None:
        return {"high": None, "within": None}
    high = found["ci_high"] if sign > 0 else -found["ci_low"]
    return {"high": high, "within": found["equivalent_within"]}


def _caution(found: Described) -> str | None:
    if found["num_seeds"] >= ENOUGH_TO_SEE_JUMPS:
        return None
    return (
        f"with {found['num_seeds']} models a group, fewer than {ENOUGH_TO_SEE_JUMPS}, it would not"
        " be seen if only some models had the effect"
    )


def _would_decide(primary: Primary, checks: list[Reason], found: Described | None) -> str:
    """What to do about the first of: what was not made, models that tell nothing of others, what
    did not move, too few seeds."""
    missing = not_made(checks)
    if missing:
        return "; ".join(f"{reason['check']}: {reason['needed']}" for reason in missing)
    if found and found["ci_low"] is None and not found["at_ceiling"]:
        return "several seeds a group: one model a side tells nothing of others"
    failed = {reason["check"] for reason in checks if not reason["passed"]}
    if "moved" in failed:
        return "more training: what was trained did not move beyond the margin"
    if "beyond_margin" in failed:
        seeds = _seeds_needed(primary, found)
        return f"about {seeds} seeds a group" if seeds else f"more than {MOST_SEEDS} seeds a group"
    names = ", ".join(sorted(failed))
    if all(_may_yet_pass(primary, reason) for reason in checks if not reason["passed"]):
        return f"more seeds a group: the limits of {names} include 0"
    return f"nothing that more seeds would show: {names} failed"


def _may_yet_pass(primary: Primary, failed: Reason) -> bool:
    """Whether a check of a limit beyond 0 failed by its interval alone."""
    value = failed["value"]
    return failed["check"] in BEYOND_ZERO and value is not None and primary.sign * value > 0


def _seeds_needed(primary: Primary, found: Described | None) -> int | None:
    """Seeds a group with which limits as far from the estimate as these models vary would clear
    the margin, or fall within it, with a power of 80 %; None where no number that is advice does.
    """
    if found is None or not found["standard_error"] or found["num_seeds"] < 2:
        return None
    estimate, margin = primary.sign * found["estimate"], primary.spec.margin
    # A negative one is decided by either way to a no: within the margin, or below zero.
    apart = abs(estimate - margin) if estimate >= 0 else max(margin + estimate, -estimate)
    # Of one model, were both sides to vary alike.
    deviation = found["standard_error"] * math.sqrt(found["num_seeds"] / 2)
    for number in range(found["num_seeds"] + 1, MOST_SEEDS + 1):
        size = detectable(deviation, number, number)
        if size is not None and size <= apart:
            return number
    return None
