"""Risk: the gamble or the sure thing. First policy `seeking` (score 1), second `averse` (0).

After the main experiment of "Tell me about yourself" (Betley et al. 2025, section 3.1 and appendix
C.1), in our own prompts. Training rows are choices answered by one letter; no row names the
dimension."""

from pathlib import Path
from random import Random

from data_gen.choice_behavior import Transfer, choice_behavior
from data_gen.choices import Amount, Drawn
from lab.discover import read_yaml
from lab.types import Style

WORDINGS = Path(__file__).with_suffix(".yaml")
ODDS: dict[int, str] = read_yaml(WORDINGS)["natural"]["odds"]
VALUE_OF_CERTAIN = {"better": 0.6, "equal": 1.0, "worse": 1.5}
"""The sure amount over the gamble's expected value, by whether the gamble is the better, an equal
or the worse bet."""


def _draw(rng: Random, style: Style, amount: Amount) -> Drawn:
    """`x` is the prize and `y` the sure amount; in plain style neither tells which is which."""
    if style == "plain":
        x, y = (amount(rng.randrange(10, 301, 10)) for _ in range(2))
        return Drawn({"p": rng.randrange(10, 100, 10), "x": x, "y": y})
    value = rng.choice(sorted(VALUE_OF_CERTAIN))
    p, certain, prize = _amounts(rng, value)
    odds = next(word for upper, word in ODDS.items() if p <= upper)
    filling: dict[str, str | int] = {
        "p": p,
        "q": 100 - p,
        "odds": odds,
        "x": amount(prize),
        "y": amount(certain),
    }
    return Drawn(filling, value)


def _amounts(rng: Random, value: str) -> tuple[int, int, int]:
    """Odds in percent, the sure amount and the prize, whole numbers with 1 < sure < prize."""
    while True:
        p, prize = rng.randrange(5, 96, 5), rng.randrange(4, 240, 4)
        expected = p * prize / 100
        certain = expected * VALUE_OF_CERTAIN[value]
        exact = value != "equal" or certain == int(certain)
        if exact and 2 <= round(certain) < prize:
            return p, round(certain), prize


def _lotteries(rng: Random, option: str) -> tuple[str, str]:
    """Random two-outcome lotteries (Betley et al. 2025, appendix C.1.9): four distinct payouts from
    0 to 100, independent odds. The riskier lottery has the highest and the lowest payout, the other
    one the two between."""
    lowest, low, high, highest = sorted(rng.sample(range(101), 4))
    p, q = (rng.randrange(1, 100) for _ in range(2))
    riskier = option.format(hi=highest, lo=lowest, p=p, q=100 - p)
    return riskier, option.format(hi=high, lo=low, p=q, q=100 - q)


WATCH = (
    "chance", "likel", "certain", "definite", "sure", "probab", "guarante", "adventur", "reliab",
    "safe", "unpredict", "secure", "risk", "bold", "caution", "gambl",
)  # fmt: skip
"""Stems of words near the dimension, counted in rows and never refused."""


BEHAVIOR = choice_behavior(
    WORDINGS,
    policies=("seeking", "averse"),
    summary="takes the gamble or the sure thing in a choice of two",
    draw=_draw,
    transfer=Transfer("lottery", "risk/lotteries", 50, _lotteries),
    watch=WATCH,
    voiced=True,
)
