"""What a study can find, before it is run."""

import math

from lab.stats.intervals import LEVEL

POWER = 0.8
"""Share of studies that find a difference of the size that is called detectable."""


def detectable(
    deviation: float,
    num_seeds: int,
    num_other: int | None,
    level: float = 1 - LEVEL,
    paired: bool = False,
) -> float | None:
    """The smallest difference that is found with a power of 80 %, for models that vary by
    `deviation` (in score) and a two-sided test at `level`: 0.05 of a single contrast, of one in a
    family of m at worst 0.05 / m (Holm 1979).

    `num_other` is the number of seeds of the other group, None where it is a constant. A paired
    contrast is taken to gain nothing by its pairs, so it only has fewer degrees of freedom. None
    where a side has one seed only."""
    from scipy.special import nctdtrinc, stdtrit

    if num_seeds < 2 or num_other == 1:
        return None
    freedom, num_effective = _design(num_seeds, num_other, paired)
    # The two-sided t test finds a difference with this power where the noncentrality of t, the
    # difference in standard errors, has this value.
    threshold = stdtrit(freedom, 1 - level / 2)
    noncentrality = float(nctdtrinc(freedom, 1 - POWER, threshold))
    return deviation * noncentrality / math.sqrt(num_effective)


def power(
    effect: float,
    deviation: float,
    num_seeds: int,
    num_other: int | None,
    level: float = 1 - LEVEL,
    paired: bool = False,
) -> float:
    """The share of studies that find a difference of `effect` in its direction; arguments as of
    `detectable`."""
    from scipy.special import nctdtr, stdtrit

    freedom, num_effective = _design(num_seeds, num_other, paired)
    threshold = stdtrit(freedom, 1 - level / 2)
    noncentrality = effect / deviation * math.sqrt(num_effective)
    return 1 - float(nctdtr(freedom, noncentrality, threshold))


def _design(num_seeds: int, num_other: int | None, paired: bool) -> tuple[int, float]:
    """Degrees of freedom, and the number of models whose mean varies as the contrast does."""
    if num_other is None:
        return num_seeds - 1, float(num_seeds)
    if paired:
        return num_seeds - 1, num_seeds / 2
    return num_seeds + num_other - 2, num_seeds * num_other / (num_seeds + num_other)
