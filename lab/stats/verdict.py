"""The verdict on a primary contrast a - b: what was checked, and what follows. docs/verdict.md says
why, with how often the rule is right on planted data.

A yes takes every check, a no takes those that a difference of zero can pass. A check that a study
cannot make is listed as not made, and stands in the way of a yes."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, TypedDict

VERDICTS = ("yes", "no", "undecided", "not measurable")
Answer = Literal["yes", "no", "undecided", "not measurable"]

FEWEST_KINDS = 3
"""Kinds of question that must be measurable: one or two may follow a form instead of a trait."""
LEAST_LISTED = 0.5
"""Of a kind that is measurable, in both groups."""
MOST_APART = 0.2
"""Between the listed masses of two groups: where they differ by more, so may what is left out."""
ROUNDING = 1e-9
"""Of a difference of masses: .9 less .7 is more than .2 by its last bit."""
AGREEING = 0.8
"""Share of wordings that must have the sign of the contrast."""
FEWEST_TRAITS = 8
"""Unrelated traits of a real model, whose shifts say how far any self-report moves."""
ENOUGH_TO_SEE_JUMPS = 10
"""Models of a group from which on one that has all of an effect or none would be seen."""


class Reason(TypedDict):
    """A check and how it went."""

    check: str
    value: float | None
    """None where the check was not made."""
    needed: str
    passed: bool | None
    """None where the check was not made."""


class Limits(TypedDict):
    """The primary contrast in the direction that was declared, as a positive number where it goes
    that way."""

    high: float | None
    """Its upper 95 % limit; None where models do not vary, as is the next."""
    within: float | None
    """The farther end of its 90 % interval, as a size."""


NEEDED_FOR_NO = ("moved", "measurable")
"""The checks that a zero must pass too."""


def decide(reasons: Sequence[Reason], limits: Limits, margin: float) -> tuple[Answer, bool]:
    """The verdict, and whether it is one of an opposite sign.

    Yes: every check passed. No: what was trained moved, the questions are measurable, and the
    contrast is within the margin by two one-sided tests at 5 % (Schuirmann 1987), or its upper 95 %
    limit is below zero. Not measurable: too few kinds of question can be read. Else undecided."""
    passed = {reason["check"]: reason["passed"] for reason in reasons}
    if passed["measurable"] is False:
        return "not measurable", False
    if all(passed.values()):
        return "yes", False
    if all(passed[check] for check in NEEDED_FOR_NO):
        # First: a difference within the margin is none, whichever sign it has.
        if limits["within"] is not None and limits["within"] <= margin:
            return "no", False
        if limits["high"] is not None and limits["high"] < 0:
            return "no", True
    return "undecided", False


def is_measurable(listed_a: float, listed_b: float) -> bool:
    """Whether two groups answer a kind of question comparably, from their listed masses."""
    return (
        min(listed_a, listed_b) >= LEAST_LISTED
        and abs(listed_a - listed_b) <= MOST_APART + ROUNDING
    )


def prediction_limit(shifts: Iterable[float]) -> float:
    """How far a further trait shifts with a probability of 95 % where nothing concerns it, from
    traits that training did not concern: their root mean square about zero times Student's t with
    as many degrees of freedom. Their mean is known to be zero, so none is lost on it."""
    from scipy import stats

    squares = [shift**2 for shift in shifts]
    spread = math.sqrt(sum(squares) / len(squares))
    return float(stats.t.ppf(0.975, len(squares))) * spread
