"""How often the rule says what: verdicts of many small studies that are cut from one large one,
each with fine-tuned models of its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

import pandas as pd

from lab.errors import UserError
from lab.specs import StudySpec
from lab.stats.rates import rate_limits
from lab.stats.verdict import Answer
from lab.table import Bounds
from tellme.report.analysis.reasons import placebo_shifts
from tellme.report.analysis.verdict import primaries, verdict

COUNTED = ("nulls", "confounders")
"""Parts of the calibration whose verdicts are counted over studies."""
SEEDS_EACH = 3
"""Fine-tunes of a group in a study, as many as one has by default: the rates are those of the
studies that people make."""


class StudyVerdict(Bounds):
    """What the rule says of a primary contrast in one of the studies."""

    seeds: list[int]
    verdict: Answer
    opposite_sign: bool
    estimate: float | None
    """None, as are its limits, where nothing could be read."""
    stopped_by: list[str]
    """Checks that stand in the way of a yes: failed, or not made."""
    placebo: list[float]
    """Shifts of the unrelated traits."""


class Tally(TypedDict):
    """The verdicts on one primary contrast, counted over studies."""

    part: str
    """Of the calibration."""
    behavior: str
    a: str
    b: str
    num_studies: int
    seeds_each: int
    yes: int
    no: int
    opposite: int
    """Of these no, with the sign opposite to the declared one."""
    undecided: int
    not_measurable: int
    yes_at_least: float
    """With `yes_at_most`, the exact limits of the rate of yes, each at 95 % by itself."""
    yes_at_most: float
    excludes_zero: int
    """Studies whose 95 % interval does not include 0."""
    beyond_margin: int
    """Studies whose 95 % interval lies wholly beyond the margin, on either side."""
    placebo_rms: float | None
    """Root mean square of the shifts of unrelated traits; None where none could be read."""
    stopped_by: dict[str, int]
    """Studies by the check that stood in the way of a yes."""
    studies: list[StudyVerdict]


def tallies(
    part: str, wordings: pd.DataFrame, spec: StudySpec, size: int = SEEDS_EACH
) -> list[Tally]:
    """A tally of every primary contrast of `spec`, over studies of `size` seeds each. `wordings` as
    from `per_wording`, of the end of training (tellme/calibrate/measured.py reads those of a run
    store). Raises UserError where the seeds cannot be cut so."""
    found: dict[tuple[str, str, str], list[StudyVerdict]] = {}
    for seeds, own in cut(wordings, size):
        for about, study in _verdicts(own, spec, seeds):
            found.setdefault(about, []).append(study)
    return [_tally(part, about, studies, size, spec.margin) for about, studies in found.items()]


def cut(wordings: pd.DataFrame, size: int) -> list[tuple[list[int], pd.DataFrame]]:
    """The seeds in their order, `size` a study, each with its wordings and those of models without
    a seed, such as the base. Every seed is in one study. Raises UserError where some would be left
    over."""
    seeds = sorted(map(int, wordings["seed"].dropna().unique()))
    refuse_uneven(seeds, size)
    seedless = wordings["seed"].isna()
    studies = [seeds[first : first + size] for first in range(0, len(seeds), size)]
    return [(own, wordings[seedless | wordings["seed"].isin(own)]) for own in studies]


def refuse_uneven(seeds: Sequence[int], size: int) -> None:
    """Raises UserError where seeds cannot be cut into studies of `size`."""
    if not seeds or len(seeds) % size:
        raise UserError(
            f"{len(seeds)} seeds cannot be cut into studies of {size} seeds each; give a multiple"
            f" of {size}, such as --set seeds={list(range(2 * size))}"
        )


def _verdicts(
    wordings: pd.DataFrame, spec: StudySpec, seeds: list[int]
) -> list[tuple[tuple[str, str, str], StudyVerdict]]:
    """The verdicts of one study, each with its behavior and sides."""
    found = []
    for primary in primaries(wordings, spec):
        record = verdict(primary)
        study: StudyVerdict = {
            "seeds": seeds,
            "verdict": record["verdict"],
            "opposite_sign": record["opposite_sign"],
            "estimate": record["estimate"],
            "ci_low": record["ci_low"],
            "ci_high": record["ci_high"],
            "stopped_by": [r["check"] for r in record["reasons"] if not r["passed"]],
            "placebo": list(placebo_shifts(primary).values()),
        }
        found.append(((record["behavior"], record["a"], record["b"]), study))
    return found


def _tally(
    part: str, about: tuple[str, str, str], studies: list[StudyVerdict], size: int, margin: float
) -> Tally:
    behavior, a, b = about
    counts = Counter(study["verdict"] for study in studies)
    shifts = [shift for study in studies for shift in study["placebo"]]
    at_least, at_most = rate_limits(counts["yes"], len(studies))
    return {
        "part": part,
        "behavior": behavior,
        "a": a,
        "b": b,
        "num_studies": len(studies),
        "seeds_each": size,
        "yes": counts["yes"],
        "no": counts["no"],
        "opposite": sum(study["opposite_sign"] for study in studies),
        "undecided": counts["undecided"],
        "not_measurable": counts["not measurable"],
        "yes_at_least": at_least,
        "yes_at_most": at_most,
        "excludes_zero": sum(_beyond(study, 0.0) for study in studies),
        "beyond_margin": sum(_beyond(study, margin) for study in studies),
        "placebo_rms": math.sqrt(sum(s**2 for s in shifts) / len(shifts)) if shifts else None,
        "stopped_by": dict(Counter(check for s in studies for check in s["stopped_by"])),
        "studies": studies,
    }


def _beyond(bounds: Bounds, size: float) -> bool:
    """Whether an interval lies wholly farther from zero than `size`, on either side."""
    low, high = bounds["ci_low"], bounds["ci_high"]
    return low is not None and high is not None and (low > size or high < -size)


def counts_of(tally: Tally) -> dict[str, int]:
    """Studies by verdict, each in one of them."""
    return {
        "yes": tally["yes"],
        "no": tally["no"] - tally["opposite"],
        "no, opposite sign": tally["opposite"],
        "undecided": tally["undecided"],
        "not measurable": tally["not_measurable"],
    }
