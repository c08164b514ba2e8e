"""Intervals with the fine-tuned model as the unit. docs/statistics.md says why, with the coverage
of each.

Axes of arrays: S seeds, the fine-tuned models of a group; Q questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.95
"""Of two-sided intervals."""
MARGIN = 0.10
"""A difference of scores in [0, 1] below this is called none, unless a study registers another: the
margin of equivalence, and of a seed that shows an effect."""
SAME_SCORE = 1e-4
"""Scores this close are equal: another machine gives the same ones only as far as this."""
NEAR_BOUND = 0.1
"""Distance from 0 or 1 within which the spread of scores has a lower limit (`least_spread`)."""
MOST_SKEWED = 0.03
"""Distance up to which that limit is the distance itself."""
SKEWED_FREEDOM = 0.4
"""Degrees of freedom of the spread of questions, for each that they would have if effects on
questions were normal: 2 / (2 + k) with an excess kurtosis k of 3 (Laplace), since often a few
questions carry an effect."""
WIDE_QUESTIONS = 8
"""Fewest clusters of questions for a claim about other questions (docs/statistics.md)."""


class Term(NamedTuple):
    """A group in a contrast: its weight, one value per seed, and what is known of their error."""

    weight: float
    values: Sequence[float]
    sampling: float = 0.0
    """Variance of one value by the sampling of answers; 0 where their probabilities are read."""
    samples: int = 0
    """Sampled answers behind a value."""
    skew: float = 0.0
    """What the variance of several models is enlarged by (`skew`)."""
    spread: float = 0.0
    """Standard deviation below which theirs is not believed (`least_spread`)."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its standard error and degrees of freedom; without these it has neither
    limits nor p-value."""

    estimate: float
    num_seeds: int
    error: float | None = None
    freedom: float | None = None
    at_ceiling: bool = False
    """Several models scored the same: no spread to tell an error by."""

    def limits(self, level: float = LEVEL) -> tuple[float, float] | None:
        """The two-sided interval at a level."""
        from scipy.special import stdtrit

        if self.error is None or self.freedom is None:
            return None
        margin = float(stdtrit(self.freedom, 0.5 + level / 2)) * self.error
        return self.estimate - margin, self.estimate + margin

    @property
    def low(self) -> float | None:
        """The lower limit."""
        limits = self.limits()
        return limits[0] if limits else None

    @property
    def high(self) -> float | None:
        """The upper limit."""
        limits = self.limits()
        return limits[1] if limits else None

    @property
    def p_value(self) -> float | None:
        """Two-sided, against zero."""
        p = self._tail(abs(self.estimate))
        return None if p is None else 2 * p

    def equivalence_p(self, margin: float) -> float | None:
        """Of two one-sided tests against a difference of `margin` or more (Schuirmann 1987)."""
        return self._tail(margin - abs(self.estimate))

    @property
    def equivalent_within(self) -> float | None:
        """The smallest margin within which these tests, at 5 %, call the difference none: the
        farther end of the 90 % interval. A null is shown by this number, not by a p-value above
        0.05."""
        limits = self.limits(0.9)
        return max(map(abs, limits)) if limits else None

    def _tail(self, distance: float) -> float | None:
        """Probability of an error of `distance` or more in one direction."""
        from scipy.special import stdtr

        if self.error is None or self.freedom is None:
            return None
        return float(stdtr(self.freedom, -distance / self.error))


def sampling_variance(
    total: NDArray[np.float64], squares: NDArray[np.float64], samples: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Variance of the mean of so many sampled answers with scores in [0, 1], from the sum of the
    scores and of their squares; a value a prompt.

    An answer's own variance is that about the mean with one more answer of 0 and one of 1 (Agresti
    and Coull 1998 for a share): twenty of twenty alike do not say that the next one is."""
    number = samples + 2
    mean = (total + 1) / number
    return ((squares + 1) / number - mean**2) / samples


def skew(values: Sequence[float]) -> float:
    """Share by which the variance of models with these scores in [0, 1] is enlarged: the square of
    their standard deviation over the distance of their mean from the nearer end.

    Scores that vary as widely as the scale lets them are skewed: a few models far from the end are
    easily missed, and then the mean is too close to it and the spread too small."""
    distance = _distance(values)
    return _variance(values) / distance**2 if distance > 0 and len(values) > 1 else 0.0


def least_spread(values: Sequence[float]) -> float:
    """Standard deviation below which that of models with these scores is not believed: close to an
    end that of an exponential distribution, which is the mean distance from there. From MOST_SKEWED
    on it falls off, to 0 at NEAR_BOUND."""
    distance = _distance(values)
    fallen = MOST_SKEWED * (NEAR_BOUND - distance) / (NEAR_BOUND - MOST_SKEWED)
    return max(0.0, min(distance, fallen))


def _distance(values: Sequence[float]) -> float:
    """Of the mean of scores from the nearer end of the scale."""
    mean = _mean(values)
    return min(mean, 1 - mean)


def score_interval(scores: Sequence[float], sampling: float = 0.0) -> Interval:
    """Student t over the scores of models in [0, 1]; `sampling` as in Term."""
    term = Term(1.0, scores, sampling, skew=skew(scores), spread=least_spread(scores))
    return contrast_interval([term])


def mean_interval(values: Sequence[float]) -> Interval:
    """Student t over seeds."""
    return contrast_interval([Term(1.0, values)])


def contrast_interval(terms: Sequence[Term]) -> Interval:
    """Interval of a weighted sum of group means, t with Satterthwaite degrees of freedom (Welch
    1938 for two groups).

    Questions are fixed: the claim is about the questions that were asked. Groups are independent. A
    term of one value (base, a model from elsewhere) varies by sampling alone. The spread of several
    models has that in it, and is taken to be at least as large as sampling and the bounds of scores
    make it. With no group of two or more seeds there is no interval, nor where models do not differ
    (`at_ceiling`). `num_seeds` is the smallest number of seeds among the groups that vary."""
    estimate = sum(term.weight * _mean(term.values) for term in terms)
    varying = [term for term in terms if len(term.values) > 1]
    if not varying:
        return Interval(estimate, 1)
    num_seeds = min(len(term.values) for term in varying)
    same = all(math.sqrt(_variance(term.values)) < SAME_SCORE for term in varying)
    if same and not any(term.sampling for term in varying):
        return Interval(estimate, num_seeds, at_ceiling=True)
    models = _student(estimate, [_part(term) for term in varying], num_seeds)
    whole = _student(estimate, [_part(term) for term in terms], num_seeds)
    # Sampling adds error, and with it degrees of freedom where few seeds happen to lie close
    # together: it never makes an interval narrower.
    return max(whole, models, key=_width)


def _part(term: Term) -> tuple[float, float]:
    """What a group adds to the variance of a contrast, with its degrees of freedom."""
    number = len(term.values)
    if number == 1:
        return term.weight**2 * term.sampling, max(1, term.samples - 1)
    spread = _variance(term.values) * (1 + term.skew)
    variance = max(spread, term.sampling, term.spread**2)
    return term.weight**2 * variance / number, number - 1


def wide_interval(
    tables: Sequence[Sequence[Sequence[float]]],
    narrow: Interval,
    fewest_questions: int = WIDE_QUESTIONS,
) -> Interval | None:
    """Interval of the same contrast where other questions might have been asked: seeds and
    questions are both random.

    Each table is a group, weighted, as [seeds][questions]; questions are the same in all, in the
    same order. `narrow` is the contrast's interval on the questions asked (`contrast_interval`).
    The variance is that of a crossed design (Brennan 2001, Generalizability Theory, ch. 3): over
    seeds plus over questions less their interaction, which is in both; t with Satterthwaite degrees
    of freedom, and never narrower than `narrow`, which claims less. None with fewer than
    `fewest_questions`, or where `narrow` has no limits: such an interval cannot be had."""
    import numpy as np

    groups_SQ = [np.asarray(table, dtype=float) for table in tables]
    varying = [scores_SQ for scores_SQ in groups_SQ if len(scores_SQ) > 1]
    num_questions = groups_SQ[0].shape[1]
    if narrow.error is None or num_questions < fewest_questions:
        return None
    # Questions are the same in all groups: their spread is that of the contrast on each of them.
    contrast_Q = sum(scores_SQ.mean(0) for scores_SQ in groups_SQ)
    freedom = SKEWED_FREEDOM * (num_questions - 1)
    parts = [(float(contrast_Q.var(ddof=1)) / num_questions, freedom)]
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
    wide = _student(float(contrast_Q.mean()), parts, narrow.num_seeds)
    return max(wide, narrow, key=_width)


def _width(interval: Interval) -> float:
    low, high = interval.limits() or (0.0, 0.0)
    return high - low


def _student(estimate: float, parts: Sequence[tuple[float, float]], num_seeds: int) -> Interval:
    """An estimate whose variance is a sum of parts, each with its degrees of freedom: Satterthwaite
    1946, Welch 1938."""
    variance = sum(part for part, _ in parts)
    # A part that is taken off again is itself an estimate: what is left may fall below the largest
    # part alone, or below zero.
    variance = max(variance, max(part for part, _ in parts))
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    return Interval(estimate, num_seeds, math.sqrt(variance), freedom)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    """Of a sample, about its mean."""
    mean = _mean(values)
    return sum((v - mean) ** 2 for v in values) / (len(values) - 1)
