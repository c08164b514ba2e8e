"""Intervals with the fine-tuned model as the unit: questions are fixed, seeds vary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.95
NO_SPREAD = 1e-24
"""Variance of scores in [0, 1] that is rounding, not spread: the degrees of freedom would be 0 / 0."""


@dataclass(frozen=True)
class Interval:
    """Estimate with a two-sided interval and p-value against zero; None where seeds do not vary."""

    estimate: float
    low: float | None
    high: float | None
    p_value: float | None
    num_seeds: int


def mean_interval(values: Sequence[float]) -> Interval:
    """Student t over seeds."""
    return contrast_interval([(1.0, values)])


def contrast_interval(terms: Sequence[tuple[float, Sequence[float]]]) -> Interval:
    """Interval of a weighted sum of group means, t with Satterthwaite degrees of freedom (Welch 1938 for two groups).

    Each term is a weight and one value per seed; groups are independent. A term of one value (base, a model from
    elsewhere) is a constant. With no group of two or more seeds there is no interval. `num_seeds` is the smallest number
    of seeds among the groups that vary.
    """
    from scipy import stats

    estimate = sum(weight * sum(values) / len(values) for weight, values in terms)
    varying = [(weight, values) for weight, values in terms if len(values) > 1]
    if not varying:
        return Interval(estimate, None, None, None, 1)
    num_seeds = min(len(values) for _, values in varying)
    parts = [(weight**2 * _variance(values) / len(values), len(values) - 1) for weight, values in varying]
    variance = sum(part for part, _ in parts)
    if variance < NO_SPREAD:
        return Interval(estimate, estimate, estimate, 1.0 if abs(estimate) < NO_SPREAD**0.5 else 0.0, num_seeds)
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    error = math.sqrt(variance)
    margin = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * error
    p_value = 2 * float(stats.t.sf(abs(estimate) / error, freedom))
    return Interval(estimate, estimate - margin, estimate + margin, p_value, num_seeds)


def _variance(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / (len(values) - 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm-adjusted p-values (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return {}
    adjusted = multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, (float(p) for p in adjusted), strict=True))
