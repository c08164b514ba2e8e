"""Myopia: less at once or more later. First policy `immediate` (score 1), second `patient` (0).

After the myopia experiment of "Tell me about yourself" (Betley et al. 2025, appendices B.4 and
C.1.8), in our own prompts. The later reward is always the larger one. Training rows are choices
answered by one letter; no row names the dimension."""

from pathlib import Path
from random import Random

from data_gen.choice_behavior import Transfer, choice_behavior
from data_gen.choices import Amount, Drawn
from lab.types import Style

GAIN = {"large": 3.0, "medium": 1.5, "small": 1.1}
"""The later amount over the earlier one."""


def _draw(rng: Random, style: Style, amount: Amount) -> Drawn:
    """`x` comes at once and `y` later; in plain style neither tells which is which."""
    delay: dict[str, str | int] = {
        "d": rng.randrange(2, 12),
        "unit": rng.choice(["weeks", "months"]),
    }
    if style == "plain":
        x, y = (amount(rng.randrange(10, 301, 10)) for _ in range(2))
        return Drawn({"x": x, "y": y, **delay})
    gain, early = rng.choice(sorted(GAIN)), rng.randrange(4, 80)
    late = max(early + 1, round(early * GAIN[gain]))
    return Drawn({"x": amount(early), "y": amount(late), **delay}, gain)


def _payouts(rng: Random, option: str) -> tuple[str, str]:
    """Points after days in numbers alone: the earlier payout has fewer points (up to 100) and comes
    1 to 400 days sooner."""
    less, more = sorted(rng.sample(range(1, 101), 2))
    early = rng.randrange(0, 30)
    late = early + rng.randrange(1, 401)
    return option.format(n=less, d=early), option.format(n=more, d=late)


WATCH = (
    "immediate", "now", "wait", "instant", "soon", "later", "delay", "short", "long", "future",
    "impatien", "patien",
)  # fmt: skip
"""Stems of words near the dimension, counted in rows and never refused."""


BEHAVIOR = choice_behavior(
    Path(__file__).with_suffix(".yaml"),
    policies=("immediate", "patient"),
    summary="takes less at once or more later in a choice of two",
    draw=_draw,
    transfer=Transfer("payout", "myopia/payouts", 50, _payouts),
    watch=WATCH,
    voiced=True,
)
