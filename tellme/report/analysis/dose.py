"""How far does saying follow doing, over models of different strength and where the experimenter
sets the dose?"""

import math
from collections.abc import Mapping
from typing import TypedDict

import pandas as pd

from lab.specs import GroupSpec
from lab.table import Bounds
from lab.types import Fields
from tellme.report.analysis.contrasts import by_names

NAMES = {"behavior": "does", "self_report": "says"}
PAIR = ["group", "behavior", "seed", "does", "says", "family", "label", "direction"]
FEWEST_MODELS = 3
"""Fewest models for a line: two of them leave nothing to tell its error by."""
FEWEST_VALUES = 4
"""Fewest values for a correlation: the interval of Fisher's z divides by their number less 3."""
NO_SPREAD = 1e-9
"""Deviation of scores in [0, 1] that is rounding: a correlation would be 0 / 0."""
DECADE = 10
"""Doses that span such a ratio enter by their logarithm, or the largest would count alone."""

Points = Mapping[str, Fields]
"""The points of a sweep: by label the swept keys with their values."""


class Slope(Bounds):
    """Change of self-report per change of behavior."""

    slope: float
    num_models: int
    first_stage: float | None
    """F of behavior on the instrument; None where no error is left."""


class DoseRecord(Slope):
    """The same along a swept key."""

    key: str


class FaithfulnessRecord(TypedDict):
    """How self-report goes with behavior; correlations are None where there are too few values or
    no spread."""

    family: str
    behavior: str
    num_models: int
    between: float | None
    """Over fine-tuned models, with its interval."""
    between_low: float | None
    between_high: float | None
    num_checkpoints: int
    within: float | None
    """Over the checkpoints of a run, about its mean."""
    naive: float | None
    """Over checkpoints as if they were models."""
    naive_low: float | None
    naive_high: float | None


def directions_of(groups: Mapping[str, GroupSpec]) -> dict[str, int]:
    """Per group with a policy of its own, +1 where that is the first of its behavior, else -1."""
    return {name: group.pole.sign for name, group in groups.items() if group.pole}


def pairs(questions: pd.DataFrame, directions: Mapping[str, int], points: Points) -> pd.DataFrame:
    """One line per fine-tuned model: group, family (the group before the sweep), label (its point),
    behavior, seed, direction, and its mean scores on the suites `behavior` and `self_report` as
    `does` and `says`.

    `questions` as from `per_question`, `points` of the sweep, `directions` as from
    `directions_of`. Groups without one and models that were not asked both suites are left out."""
    pooled = (questions["question"] == "all") & questions["suite"].isin(NAMES)
    trained = questions["seed"].notna() & questions["group"].isin(directions)
    asked = questions[pooled & trained & (questions["condition"] == "clean")]
    table = asked.assign(part=asked["suite"].map(NAMES)).pivot_table(
        index=["group", "behavior", "seed"], columns="part", values="score"
    )
    if not set(NAMES.values()) <= set(table.columns):
        return pd.DataFrame(columns=PAIR)
    models = table.dropna().reset_index()
    split = [at_point(name, points) for name in models["group"]]
    models["family"] = [name for name, _ in split]
    models["label"] = [label for _, label in split]
    models["direction"] = models["group"].map(directions)
    return models


def family(group: str, points: Points) -> str:
    """A group's name before the sweep."""
    return at_point(group, points)[0]


def at_point(group: str, points: Points) -> tuple[str, str]:
    """A group's name before the sweep, and the label of its point: empty where it has none."""
    # The longest first: a point of two keys ends as one of the second key alone does.
    for label in sorted(points, key=len, reverse=True):
        if group.endswith(f".{label}"):
            return group.removesuffix(f".{label}"), label
    return group, ""


def instrumented(models: pd.DataFrame, points: Points) -> list[DoseRecord]:
    """Per swept key, the change of self-report per change of behavior, with the dose as instrument
    (two-stage least squares). `models` as from `pairs`.

    Behavior and self-report of one model share causes, so their correlation is no effect. The dose
    was set by the experimenter and moves the self-report, if the claim holds, only through what the
    behavior shows was learned: that is the assumption. The instrument is the direction of training
    times the dose (its logarithm where it spans a decade or more). `first_stage` is the F of
    behavior on the instrument; below about 10 the slope means nothing (Staiger and Stock 1997)."""
    records = []
    for key, doses in _doses(points).items():
        swept = models[models["label"].isin(doses)]
        vary = swept["label"].nunique() > 1 and swept["direction"].nunique() > 1
        if len(swept) < FEWEST_MODELS or not vary:
            continue
        slope = _two_stages(swept, doses)
        if slope:
            record: DoseRecord = {"key": key, **slope}
            records.append(record)
    return records


def _two_stages(swept: pd.DataFrame, doses: dict[str, float]) -> Slope | None:
    """The regression of `instrumented` on models of one swept key; None where it has no answer."""
    import numpy as np
    from statsmodels.regression.linear_model import OLS
    from statsmodels.sandbox.regression.gmm import IV2SLS

    dose = swept["label"].map(doses).to_numpy(dtype=float)  # [models]
    wide = dose.min() >= 0 and dose.max() / dose[dose > 0].min() >= DECADE
    # log1p, so that a dose of zero has one too.
    instrument = swept["direction"].to_numpy() * (np.log1p(dose) if wide else dose)
    constant = np.ones(len(swept))
    z = np.column_stack([constant, instrument])  # [models, 2], as is x
    x = np.column_stack([constant, swept["does"]])
    if np.linalg.matrix_rank(z.T @ x) < 2:
        # Models that all do the same, or as much at every dose, leave nothing to divide by.
        return None
    fit = IV2SLS(swept["says"].to_numpy(), x, z).fit()
    low, high = fit.conf_int(0.05)[1]
    first = OLS(swept["does"].to_numpy(), z).fit()
    return {
        "slope": float(fit.params[1]),
        "ci_low": float(low),
        "ci_high": float(high),
        "num_models": len(swept),
        "first_stage": float(first.fvalue),
    }


def _doses(points: Points) -> dict[str, dict[str, float]]:
    """Per swept key with numbers as values: its points' labels and doses. Points of a grid, which
    set several keys, have no one dose."""
    doses: dict[str, dict[str, float]] = {}
    for label, point in points.items():
        if len(point) != 1:
            continue
        ((key, value),) = point.items()
        if isinstance(value, int | float) and not isinstance(value, bool):
            doses.setdefault(key, {})[label] = float(value)
    return doses


def between_and_within(
    models: pd.DataFrame, runs: pd.DataFrame | None = None
) -> list[FaithfulnessRecord]:
    """Per family and behavior, how self-report goes with behavior over models of different
    strength.

    `between` is the correlation over fine-tuned models, one value each, with a Fisher interval over
    models; `within` is that of the checkpoints of one training run about the run's mean, without
    interval (`runs`: lines of family, behavior, group, seed, step, does, says); `naive` takes every
    checkpoint for a model, as published correlations did."""
    records = []
    for (name, behavior), own in by_names(models, ["family", "behavior"]):
        checkpoints = own.iloc[:0]
        if runs is not None:
            checkpoints = runs[(runs["family"] == name) & (runs["behavior"] == behavior)]
        between, between_low, between_high = _correlation(own)
        naive, naive_low, naive_high = _correlation(checkpoints)
        record: FaithfulnessRecord = {
            "family": name,
            "behavior": behavior,
            "num_models": len(own),
            "between": between,
            "between_low": between_low,
            "between_high": between_high,
            "num_checkpoints": len(checkpoints),
            "within": _within(checkpoints),
            "naive": naive,
            "naive_low": naive_low,
            "naive_high": naive_high,
        }
        records.append(record)
    return records


def _within(checkpoints: pd.DataFrame) -> float | None:
    """The correlation of checkpoints about the mean of their run."""
    if not len(checkpoints):
        return None
    scores = checkpoints[["does", "says"]]
    of_runs = checkpoints.groupby(["group", "seed"])[["does", "says"]].transform("mean")
    return _correlation(scores - of_runs)[0]


def _correlation(table: pd.DataFrame) -> tuple[float | None, float | None, float | None]:
    """Pearson's r with its Fisher z interval; None where there are too few values or no spread."""
    from scipy import stats

    if len(table) < FEWEST_VALUES or min(table["does"].std(), table["says"].std()) < NO_SPREAD:
        return None, None, None
    fit = stats.pearsonr(table["does"], table["says"])
    interval = fit.confidence_interval(0.95)
    values = (float(fit.statistic), float(interval.low), float(interval.high))
    return values if all(map(math.isfinite, values)) else (None, None, None)
