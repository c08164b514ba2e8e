"""What does a contrast come to over several bases? Random effects with the base as cluster."""

import math
from typing import Any

FEWEST_BASES = 3
"""Fewest bases for an interval over bases: two differ by one number."""
LEAST_VARIANCE = 1e-12
"""Of an effect: seeds that agree to the last digit have none, and a weight would be 1 / 0."""


def pooled(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Random-effects estimate over bases with a modified Hartung-Knapp interval (Roever et al.
    2015, doi:10.1186/s12874-015-0091-1), which never claims more than the studies' own errors
    allow. `lines` have base, estimate and standard_error.

    Studies on one base are one cluster, and contrasts between the same two bases another: their
    plain mean enters. The interval is None with fewer than FEWEST_BASES clusters, or where a study
    has no standard error. `tau` is the standard deviation of the effect between bases, and the
    prediction interval is for a further base (Higgins et al. 2009)."""
    clusters: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        clusters.setdefault(line["base"], []).append(line)
    effects = [_mean([line["estimate"] for line in cluster]) for cluster in clusters.values()]
    counts = {"num_bases": len(clusters), "num_studies": len(lines)}
    if len(clusters) < FEWEST_BASES or None in [line["standard_error"] for line in lines]:
        return {
            **counts,
            "ci_low": None,
            "ci_high": None,
            "tau": None,
            "prediction_low": None,
            "prediction_high": None,
            "estimate": _mean(effects),
        }
    return counts | _random_effects(effects, [_variance(cluster) for cluster in clusters.values()])


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _variance(cluster: list[dict[str, Any]]) -> float:
    """Of the mean of studies, which are taken for independent."""
    return float(sum(line["standard_error"] ** 2 for line in cluster)) / len(cluster) ** 2


def _random_effects(effects: list[float], variances: list[float]) -> dict[str, Any]:
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
