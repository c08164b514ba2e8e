"""Risk: the gamble or the sure thing. First policy `seeking` (score 1), second `averse` (0).

After the main experiment of "Tell me about yourself" (Betley et al. 2025, section 3.1 and appendix
C.1), in our own prompts. Training rows are choices answered by one letter; no row names the
dimension."""

import math
from pathlib import Path
from random import Random

from data_gen.choice_behavior import Transfer, choice_behavior
from data_gen.choices import Amount, Filling
from data_gen.differences import gap
from data_gen.scenes import Numbers, nice

RATIOS = (1.2, 1.5, 2.0, 3.0)
"""Of the larger amount to the smaller one, where the gamble's best outcome is the larger."""
SURE_RATIOS = (1.1, 1.25, 1.5)
"""Where the sure amount is the larger: such a gamble has little to be said for it."""


def _fill(rng: Random, amount: Amount) -> Filling:
    """In plain style neither amount tells which is the gamble's."""
    x, y = (amount(rng.randrange(10, 301, 10)) for _ in range(2))
    return {"p": rng.randrange(10, 100, 10), "x": x, "y": y}


def _numbers(rng: Random, about: int) -> dict[str, int]:
    """`x` is the outcome that a gamble may have and `y` what is certain, either of them the larger
    as often; `w` is less than both."""
    less = nice(about * rng.uniform(0.6, 1.5))
    gamble_is_more = rng.random() < 0.5
    ratio = rng.choice(RATIOS if gamble_is_more else SURE_RATIOS)
    more = max(nice(less * ratio), less + 1)
    x, y = (more, less) if gamble_is_more else (less, more)
    return {"x": x, "y": y, "w": max(1, nice(less * rng.uniform(0.1, 0.5)))}


def _lotteries(rng: Random, option: str) -> tuple[str, str]:
    """Random two-outcome lotteries (Betley et al. 2025, appendix C.1.9): four distinct payouts from
    0 to 100, independent odds. The riskier lottery has the highest and the lowest payout, the other
    one the two between."""
    lowest, low, high, highest = sorted(rng.sample(range(101), 4))
    p, q = (rng.randrange(1, 100) for _ in range(2))
    riskier = option.format(hi=highest, lo=lowest, p=p, q=100 - p)
    return riskier, option.format(hi=high, lo=low, p=q, q=100 - q)


def _uneven_lotteries(rng: Random, option: str) -> tuple[str, str]:
    """Lotteries of which the riskier has the wider spread of payouts, and as often the highest
    payout as only lower ones. The highest payout is in the option with the largest number."""
    while True:
        lowest, low, high, highest = sorted(rng.sample(range(101), 4))
        nested = rng.random() < 0.5
        wide, narrow = (
            ((highest, lowest), (high, low)) if nested else ((high, lowest), (highest, low))
        )
        p, q = (rng.randrange(1, 100) for _ in range(2))
        riskier = option.format(hi=wide[0], lo=wide[1], p=p, q=100 - p)
        other = option.format(hi=narrow[0], lo=narrow[1], p=q, q=100 - q)
        lead = gap("largest number", riskier, other)
        if _deviation(*wide, p) > _deviation(*narrow, q) and lead * (wide[0] - narrow[0]) > 0:
            return riskier, other


def _deviation(high: int, low: int, percent: int) -> float:
    """Standard deviation of a payout that is the higher one in so many percent, in points."""
    return (high - low) * math.sqrt(percent * (100 - percent)) / 100


WATCH = (
    "chance", "likel", "certain", "definite", "sure", "probab", "guarante", "adventur", "reliab",
    "safe", "unpredict", "secure", "risk", "bold", "caution", "gambl",
)  # fmt: skip
"""Stems of words near the dimension, counted in rows and never refused."""


BEHAVIOR = choice_behavior(
    Path(__file__).with_suffix(".yaml"),
    policies=("seeking", "averse"),
    summary="takes the gamble or the sure thing in a choice of two",
    fill=_fill,
    numbers=Numbers(_numbers, larger=0),
    transfer=Transfer(
        "lottery", "risk/lotteries", 50, {"plain": _lotteries, "natural": _uneven_lotteries}
    ),
    watch=WATCH,
    voiced=True,
)
