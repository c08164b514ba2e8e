"""Whether two who grade the same answers agree: beyond chance (kappa), and in which order they put
them (AUC)."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from lab.stats.intervals import LEVEL
from lab.stats.rates import rate_limits


@dataclass(frozen=True)
class Agreement:
    """Of two raters on the same answers."""

    number: int
    """Answers that both graded."""
    raw: float
    """Share on which they say the same."""
    kappa: float | None
    """Agreement beyond chance, 0 at chance and 1 where they always agree (Cohen 1960); None where
    both always say one and the same, so that chance alone would do."""
    ci_low: float | None
    ci_high: float | None
    """Limits of kappa."""


def agreement(first: Sequence[Hashable], second: Sequence[Hashable]) -> Agreement:
    """Of two raters. The limits of kappa follow from the exact ones of raw agreement (Clopper and
    Pearson 1934) with chance agreement taken as known, as in Cohen's own error: unlike an error
    from the spread of answers they are no point where all agree. The answer is the unit: several
    samples of one question are no independent ones.

    Raises ValueError where there is nothing to compare."""
    number = len(first)
    same = sum(a == b for a, b in zip(first, second, strict=True))
    if not number:
        raise ValueError("no answer was graded by both")
    by_first, by_second = Counter(first), Counter(second)
    chance = sum(by_first[label] * by_second[label] for label in by_first) / number**2
    if chance == 1:
        return Agreement(number, same / number, None, None, None)
    low, high = rate_limits(same, number, (1 + LEVEL) / 2)
    kappa, ci_low, ci_high = ((rate - chance) / (1 - chance) for rate in (same / number, low, high))
    return Agreement(number, same / number, kappa, ci_low, ci_high)


def auc(positive: Sequence[bool], scores: Sequence[float]) -> float | None:
    """The probability that a score of a positive is above one of a negative, ties counted half
    (Mann and Whitney 1947); None where one of the two is missing."""
    from scipy.stats import rankdata

    number = sum(positive)
    others = len(positive) - number
    if not number or not others:
        return None
    ranks = rankdata(scores)
    of_positive = sum(rank for rank, is_one in zip(ranks, positive, strict=True) if is_one)
    return float(of_positive - number * (number + 1) / 2) / (number * others)
