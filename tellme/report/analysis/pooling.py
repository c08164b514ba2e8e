"""What does a contrast come to over several bases? Random effects with the base as cluster."""

import math
from collections.abc import Sequence
from typing import TypedDict

from lab.table import Bounds

FEWEST_BASES = 3
"""Fewest bases for an interval over bases: two differ by one number."""
LEAST_VARIANCE = 1e-12
"""Of an effect: seeds that agree to the last digit have none, and a weight would be 1 / 0."""


class Line(TypedDict):
    """What a study says of an effect."""

    base: str
    estimate: float
    standard_error: float | None


class Effect(Bounds):
    """An effect over bases."""

    tau: float | None
    prediction_low: float | None
    prediction_high: float | None
    estimate: float


class Pooled(Effect):
    """The same, with what it is of."""

    num_bases: int
    num_studies: int


def pooled(lines: Sequence[Line]) -> Pooled:
    """Random-effects estimate over bases with a modified Hartung-Knapp interval (Roever et al.
    2015, doi:10.1186/s12874-015-0091-1), which never claims more than the studies' own errors
    allow.

    Studies on one base are one cluster, and contrasts between the same two bases another: their
    plain mean enters. The interval is None with fewer than FEWEST_BASES clusters, or where a study
    has no standard error. `tau` is the standard deviation of the effect between bases, and the
    prediction interval is for a further base (Higgins et al. 2009)."""
    clusters: dict[str, list[Line]] = {}
    for line in lines:
        clusters.setdefault(line["base"], []).append(line)
    effects = [_mean([line["estimate"] for line in cluster]) for cluster in clusters.values()]
    variances = [_variance(cluster) for cluster in clusters.values()]
    known = [variance for variance in variances if variance is not None]
    whole = len(known) == len(effects) >= FEWEST_BASES
    effect = _random_effects(effects, known) if whole else _without_interval(effects)
    return {"num_bases": len(clusters), "num_studies": len(lines), **effect}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _variance(cluster: list[Line]) -> float | None:
    """Of the mean of studies, which are taken for independent; None where one has no error."""
    errors = [line["standard_error"] for line in cluster]
    squares = [error**2 for error in errors if error is not None]
    return sum(squares) / len(cluster) ** 2 if len(squares) == len(errors) else None


def _without_interval(effects: list[float]) -> Effect:
    return {
        "ci_low": None,
        "ci_high": None,
        "tau": None,
        "prediction_low": None,
        "prediction_high": None,
        "estimate": _mean(effects),
    }


def _random_effects(effects: list[float], variances: list[float]) -> Effect:
    import numpy as np
    from scipy import stats
    from statsmodels.stats.meta_analysis import combine_effects

    fit = combine_effects(
        np.array(effects),
        np.array([max(variance, LEAST_VARIANCE) for variance in variances]),
        method_re="iterated",
        use_t=True,
    )
    estimate = float(fit.mean_effect_re)
    # Hartung and Knapp's error can be smaller than the studies' own: the larger one counts.
    error = max(float(fit.sd_eff_w_re), float(fit.sd_eff_w_re_hksj))
    margin = float(stats.t.ppf(0.975, len(effects) - 1)) * error
    spread = float(stats.t.ppf(0.975, len(effects) - 2)) * math.sqrt(fit.tau2 + error**2)
    return {
        "ci_low": estimate - margin,
        "ci_high": estimate + margin,
        "tau": math.sqrt(fit.tau2),
        "prediction_low": estimate - spread,
        "prediction_high": estimate + spread,
        "estimate": estimate,
    }
