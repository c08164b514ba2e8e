"""The exact limits of a rate that was counted."""

from lab.stats.intervals import LEVEL


def rate_limits(count: int, total: int, level: float = LEVEL) -> tuple[float, float]:
    """The lower and the upper limit of a rate of which `count` of `total` are known, each at
    `level` by itself (Clopper and Pearson 1934): none of sixty leaves an upper limit of 4.9 %.

    Raises ValueError where there is nothing to count, or more than all."""
    from scipy.special import betaincinv

    if not 0 <= count <= total or total == 0:
        raise ValueError(f"{count} of {total} is no rate")
    low = float(betaincinv(count, total - count + 1, 1 - level)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, level)) if count < total else 1.0
    return low, high
