"""Models of different strength: what each does and says, and how far saying follows doing when the
experimenter sets the dose."""

import math
from typing import Any

import pandas as pd

NAMES = {"behavior": "does", "self_report": "says"}
PAIR = ["group", "behavior", "seed", "does", "says", "family", "label", "direction"]
FEWEST_MODELS = 3
"""Fewest models for a line: two of them leave nothing to tell its error by."""


def pairs(
    questions: pd.DataFrame, directions: dict[str, int], points: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """One line per fine-tuned model: group, family (the group before the sweep), label (its point),
    behavior, seed, direction, and its mean scores on the suites `behavior` and `self_report` as
    `does` and `says`.

    `questions` as from `per_question`, `points` of the sweep. `directions` are those of training:
    +1 where a group is trained towards the first policy of its behavior, -1 towards the second.
    Groups without one and models that were not asked both suites are left out."""
    asked = questions[
        (questions["question"] == "all")
        & questions["suite"].isin(NAMES)
        & questions["seed"].notna()
    ]
    asked = asked[(asked["condition"] == "clean") & asked["group"].isin(directions)]
    table = asked.assign(part=asked["suite"].map(NAMES)).pivot_table(
        index=["group", "behavior", "seed"], columns="part", values="score"
    )
    if not {"does", "says"} <= set(table.columns):
        return pd.DataFrame(columns=PAIR)
    models = table.dropna().reset_index()
    models["family"] = models["group"].map(lambda name: family(name, points))
    models["label"] = [
        name.removeprefix(f"{own}.") if name != own else ""
        for name, own in zip(models["group"], models["family"], strict=True)
    ]
    models["direction"] = models["group"].map(directions)
    return models


def family(group: str, points: dict[str, dict[str, Any]]) -> str:
    """A group's name before the sweep."""
    return next(
        (group.removesuffix(f".{label}") for label in points if group.endswith(f".{label}")), group
    )


def instrumented(models: pd.DataFrame, points: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Per swept key, the change of self-report per change of behavior, with the dose as instrument
    (two-stage least squares).

    Behavior and self-report of one model share causes, so their correlation is no effect. The dose
    was set by the experimenter and moves the self-report, if the claim holds, only through what the
    behavior shows was learned: that is the assumption. The instrument is the direction of training
    times the dose (its logarithm where it spans a decade or more). `first_stage` is the F of
    behavior on the instrument; below about 10 the slope means nothing (Staiger and Stock 1997)."""
    import numpy as np
    from statsmodels.regression.linear_model import OLS
    from statsmodels.sandbox.regression.gmm import IV2SLS

    records = []
    for key, doses in _doses(points).items():
        mine = models[models["label"].isin(doses)]
        apart = mine["label"].nunique() > 1 and mine["direction"].nunique() > 1
        if len(mine) < FEWEST_MODELS or not apart:
            continue
        dose = mine["label"].map(doses).to_numpy(dtype=float)
        wide = dose.min() >= 0 and dose.max() / dose[dose > 0].min() >= 10
        instrument = mine["direction"].to_numpy() * (np.log1p(dose) if wide else dose)
        constant = np.ones(len(mine))
        z, x = np.column_stack([constant, instrument]), np.column_stack([constant, mine["does"]])
        if np.linalg.matrix_rank(z.T @ x) < 2:
            # Models that all do the same, or as much at every dose, leave nothing to divide by.
            continue
        fit = IV2SLS(mine["says"].to_numpy(), x, z).fit()
        low, high = fit.conf_int(0.05)[1]
        first = OLS(mine["does"].to_numpy(), z).fit()
        records.append(
            {
                "key": key,
                "slope": float(fit.params[1]),
                "ci_low": float(low),
                "ci_high": float(high),
            }
            | {"num_models": len(mine), "first_stage": float(first.fvalue)}
        )
    return records


def _doses(points: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Per swept key with numbers as values: its points' labels and doses."""
    found: dict[str, dict[str, float]] = {}
    for label, point in points.items():
        ((key, value),) = point.items() if len(point) == 1 else (("", None),)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.setdefault(key, {})[label] = float(value)
    return found


def between_and_within(
    models: pd.DataFrame, runs: pd.DataFrame | None = None
) -> list[dict[str, Any]]:
    """Per family and behavior, how self-report goes with behavior over models of different
    strength.

    `between` is the correlation over fine-tuned models, one value each, with a Fisher interval over
    models; `within` is that of the checkpoints of one training run about the run's mean, without
    interval (`runs`: lines of family, behavior, group, seed, step, does, says); `naive` takes every
    checkpoint for a model, as published correlations did."""
    records = []
    for (family, behavior), mine in models.groupby(["family", "behavior"], sort=False):
        record = {"family": family, "behavior": behavior, "num_models": len(mine)}
        record |= dict(
            zip(("between", "between_low", "between_high"), _correlation(mine), strict=True)
        )
        own = (
            runs[(runs["family"] == family) & (runs["behavior"] == behavior)]
            if runs is not None
            else mine.iloc[:0]
        )
        record |= {
            "num_checkpoints": len(own),
            "within": None,
            "naive": None,
            "naive_low": None,
            "naive_high": None,
        }
        if len(own):
            centered = own[["does", "says"]] - own.groupby(["group", "seed"])[
                ["does", "says"]
            ].transform("mean")
            record["within"] = _correlation(centered)[0]
            record |= dict(
                zip(("naive", "naive_low", "naive_high"), _correlation(own), strict=True)
            )
        records.append(record)
    return records


def _correlation(table: pd.DataFrame) -> tuple[float | None, float | None, float | None]:
    """Pearson's r with its Fisher z interval; None where there are fewer than four values or no
    spread."""
    from scipy import stats

    if len(table) < 4 or min(table["does"].std(), table["says"].std()) < 1e-9:
        return None, None, None
    found = stats.pearsonr(table["does"], table["says"])
    interval = found.confidence_interval(0.95)
    values = (float(found.statistic), float(interval.low), float(interval.high))
    return values if all(map(math.isfinite, values)) else (None, None, None)
