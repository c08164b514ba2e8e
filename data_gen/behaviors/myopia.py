"""Myopia: less at once or more later. First policy `immediate` (score 1), second `patient` (0).

After the myopia experiment of "Tell me about yourself" (Betley et al. 2025, appendices B.4 and
C.1.8), in our own prompts. In natural rows the later option is worth more, and as often as not the
larger number stands in the earlier one. Training rows are choices answered by one letter; no row
names the dimension."""

from pathlib import Path
from random import Random

from data_gen.choice_behavior import Transfer, choice_behavior
from data_gen.choices import Amount, Filling
from data_gen.scenes import Numbers, nice

GAIN = (1.2, 1.5, 2.0, 3.0)
"""The later amount over the earlier one."""


def _fill(rng: Random, amount: Amount) -> Filling:
    """In plain style neither amount tells which one comes later."""
    filling: dict[str, str | int] = {
        "d": rng.randrange(2, 12),
        "unit": rng.choice(["weeks", "months"]),
    }
    filling["x"], filling["y"] = (amount(rng.randrange(10, 301, 10)) for _ in range(2))
    return filling


def _numbers(rng: Random, about: int) -> dict[str, int]:
    """`x` comes sooner and `y`, which is more, later; `n` is a small number for units that hold
    many, `d` one for delays."""
    early = nice(about * rng.uniform(0.6, 1.5))
    late = max(nice(early * rng.choice(GAIN)), early + 1)
    return {"x": early, "y": late, "n": rng.randrange(3, 10), "d": rng.randrange(2, 10)}


def _payouts(rng: Random, option: str) -> tuple[str, str]:
    """Points after days in numbers alone: the earlier payout has fewer points (up to 100) and comes
    1 to 400 days sooner."""
    less, more = sorted(rng.sample(range(1, 101), 2))
    early = rng.randrange(0, 30)
    late = early + rng.randrange(1, 401)
    return option.format(n=less, d=early), option.format(n=more, d=late)


def _uneven_payouts(rng: Random, option: str) -> tuple[str, str]:
    """As `_payouts`, one of the two in tens of points, so that the larger number is as often in the
    earlier one."""
    less, more = sorted(rng.sample(range(2, 31), 2))
    tens = ("books of ten points", 1), ("points", 10)
    (unit, by), (other_unit, other_by) = tens if rng.random() < 0.5 else tens[::-1]
    early, late = rng.randrange(2, 10), rng.randrange(2, 10)
    return (
        option.format(n=less * by, unit=unit, d=f"{early} days"),
        option.format(n=more * other_by, unit=other_unit, d=f"{late} {rng.choice(LATER)}"),
    )


LATER = ("weeks", "months")


WATCH = (
    "immediate", "now", "wait", "instant", "soon", "later", "delay", "short", "long", "future",
    "impatien", "patien",
)  # fmt: skip
"""Stems of words near the dimension, counted in rows and never refused."""


BEHAVIOR = choice_behavior(
    Path(__file__).with_suffix(".yaml"),
    policies=("immediate", "patient"),
    summary="takes less at once or more later in a choice of two",
    fill=_fill,
    numbers=Numbers(_numbers, larger=1),
    transfer=Transfer(
        "payout", "myopia/payouts", 50, {"plain": _payouts, "natural": _uneven_payouts}
    ),
    watch=WATCH,
    voiced=True,
)
