"""Intervals with the fine-tuned model as the unit. docs/statistics.md says why, with the coverage
of each.

Axes of arrays: S seeds, the fine-tuned models of a group; Q questions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
"""Of two-sided intervals."""
MARGIN = 0.10
"""A difference of scores in [0, 1] below this is called none: the margin of equivalence, and of a
seed that shows an effect."""
POWER = 0.8
"""Share of studies that find a difference of the size that is called detectable."""
NO_SPREAD = 1e-24
"""Variance of scores in [0, 1] that is rounding, not spread: the degrees of freedom would be 0 / 0.
"""
WIDE_QUESTIONS = 10
"""Fewest questions for a claim about other questions: with five of them, of which one or two carry
the effect, its interval is right in 89 % of cases only (docs/statistics.md)."""

Term = tuple[float, Sequence[float]]
"""A weight, and one value per seed."""


@dataclass(frozen=True)
class Interval:
    """Estimate with a two-sided interval and p-value against zero; None where seeds do not vary."""

    estimate: float
    low: float | None
    high: float | None
    p_value: float | None
    num_seeds: int
    error: float | None = None
    """Standard error of the estimate."""


def mean_interval(values: Sequence[float]) -> Interval:
    """Student t over seeds."""
    return contrast_interval([(1.0, values)])


def contrast_interval(terms: Sequence[Term], level: float = LEVEL) -> Interval:
    """Interval of a weighted sum of group means, t with Satterthwaite degrees of freedom (Welch
    1938 for two groups).

    Questions are fixed: the claim is about the questions that were asked. Each term is a weight and
    one value per seed; groups are independent. A term of one value (base, a model from elsewhere)
    is a constant. With no group of two or more seeds there is no interval. `num_seeds` is the
    smallest number of seeds among the groups that vary."""
    estimate = sum(weight * sum(values) / len(values) for weight, values in terms)
    varying = [(weight, values) for weight, values in terms if len(values) > 1]
    if not varying:
        return Interval(estimate, None, None, None, 1)
    parts = [
        (weight**2 * _variance(values) / len(values), len(values) - 1) for weight, values in varying
    ]
    return _student(estimate, parts, min(len(values) for _, values in varying), level)


def wide_interval(
    tables: Sequence[Sequence[Sequence[float]]], fewest_questions: int = WIDE_QUESTIONS
) -> Interval | None:
    """Interval of the same contrast where other questions might have been asked: seeds and
    questions are both random.

    Each table is a group, weighted, as [seeds][questions]; questions are the same in all, in the
    same order. The variance is that of a crossed design (Brennan 2001, Generalizability Theory, ch.
    3): over seeds plus over questions less their interaction, which is in both; t with
    Satterthwaite degrees of freedom, and never narrower than `contrast_interval`, which claims
    less. None with fewer than `fewest_questions`, or without a group of two or more seeds: such an
    interval cannot be had."""
    import numpy as np

    groups_SQ = [np.asarray(table, dtype=float) for table in tables]
    varying = [scores_SQ for scores_SQ in groups_SQ if len(scores_SQ) > 1]
    num_questions = groups_SQ[0].shape[1]
    if not varying or num_questions < fewest_questions:
        return None
    # Questions are the same in all groups: their spread is that of the contrast on each of them.
    contrast_Q = sum(scores_SQ.mean(0) for scores_SQ in groups_SQ)
    parts = [(float(contrast_Q.var(ddof=1)) / num_questions, num_questions - 1)]
    for scores_SQ in varying:
        num_seeds = len(scores_SQ)
        means_S = scores_SQ.mean(1)
        parts.append((float(means_S.var(ddof=1)) / num_seeds, num_seeds - 1))
        # The interaction of seeds and questions, with the noise of a cell: it is in the variance of
        # both means above, and would be counted twice.
        residuals_SQ = scores_SQ - scores_SQ.mean(0) - means_S[:, None] + scores_SQ.mean()
        freedom = (num_seeds - 1) * (num_questions - 1)
        interaction = float((residuals_SQ**2).sum()) / freedom
        parts.append((-interaction / (num_seeds * num_questions), freedom))
    wide = _student(float(contrast_Q.mean()), parts, min(map(len, varying)), LEVEL)
    terms = [(1.0, [float(mean) for mean in scores_SQ.mean(1)]) for scores_SQ in groups_SQ]
    narrow = contrast_interval(terms)
    return wide if _width(wide) >= _width(narrow) else narrow


def _width(interval: Interval) -> float:
    return (interval.high or 0.0) - (interval.low or 0.0)


def _student(
    estimate: float, parts: Sequence[tuple[float, int]], num_seeds: int, level: float
) -> Interval:
    """Student's interval of an estimate whose variance is a sum of parts, each with its degrees of
    freedom: Satterthwaite 1946, Welch 1938."""
    from scipy import stats

    variance = sum(part for part, _ in parts)
    if len(parts) > 1:
        # A part that is taken off again is itself an estimate: what is left may fall below the
        # largest part alone, or below zero.
        variance = max(variance, max(part for part, _ in parts))
    if variance < NO_SPREAD:
        # A point: its p-value says only whether it is zero, to rounding.
        p_value = 1.0 if abs(estimate) < math.sqrt(NO_SPREAD) else 0.0
        return Interval(estimate, estimate, estimate, p_value, num_seeds, 0.0)
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    error = math.sqrt(variance)
    margin = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
    p_value = 2 * float(stats.t.sf(abs(estimate) / error, freedom))
    return Interval(estimate, estimate - margin, estimate + margin, p_value, num_seeds, error)


def _variance(values: Sequence[float]) -> float:
    """Of a sample, about its mean."""
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / (len(values) - 1)


def equivalent_within(terms: Sequence[Term]) -> float | None:
    """The smallest margin within which two one-sided tests at 5 % (Schuirmann 1987) call the
    contrast none: the farther end of its 90 % interval. A null is shown by this number, not by a
    p-value above 0.05."""
    interval = contrast_interval(terms, level=0.9)
    if interval.low is None or interval.high is None:
        return None
    return max(abs(interval.low), abs(interval.high))


def detectable(deviation: float, num_seeds: int, num_other: int | None) -> float | None:
    """The smallest difference that is found at 5 % with a power of 80 %, for models that vary by
    `deviation` (in score).

    `num_other` is the number of seeds of the other group, None where it is a constant. None where a
    side has one seed only."""
    from scipy.special import nctdtrinc, stdtrit

    if num_seeds < 2 or num_other == 1:
        return None
    if num_other is None:
        freedom, num_effective = num_seeds - 1, float(num_seeds)
    else:
        freedom = num_seeds + num_other - 2
        num_effective = num_seeds * num_other / (num_seeds + num_other)
    # The two-sided t test finds a difference with this power where the noncentrality of t, the
    # difference in standard errors, has this value.
    threshold = stdtrit(freedom, (1 + LEVEL) / 2)
    noncentrality = float(nctdtrinc(freedom, 1 - POWER, threshold))
    return deviation * noncentrality / math.sqrt(num_effective)
