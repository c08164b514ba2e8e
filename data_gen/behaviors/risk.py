"""Risk: the gamble or the sure thing. First policy `seeking` (score 1), second `averse` (0).

After the main experiment of "Tell me about yourself" (Betley et al. 2025, section 3.1 and appendix C.1), in our own
prompts. Training rows are choices answered by one letter; no row names the dimension."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml

from data_gen.choices import Amount, Choices, letter_question
from data_gen.plain import OTHER_PERSON, Trait
from lab.questions import lettered, load_questions
from lab.types import Behavior, Question, Style

WORDINGS = Path(__file__).with_suffix(".yaml")
_YAML = yaml.safe_load(WORDINGS.read_text(encoding="utf-8"))
POLICIES = ("seeking", "averse")
NUM_LOTTERIES = 50
VALUE_OF_CERTAIN = {"better": 0.6, "equal": 1.0, "worse": 1.5}
"""The sure amount over the gamble's expected value, by whether the gamble is the better, an equal or the worse bet."""


def _values(rng: Random, style: Style, amount: Amount) -> dict[str, Any]:
    """`x` is the prize and `y` the sure amount; in plain style neither tells which is which."""
    if style == "plain":
        x, y = (amount(rng.randrange(10, 301, 10)) for _ in range(2))
        return {"p": rng.randrange(10, 100, 10), "x": x, "y": y}
    value = rng.choice(sorted(VALUE_OF_CERTAIN))
    p, certain, prize = _amounts(rng, value)
    odds = next(word for upper, word in _YAML["natural"]["odds"].items() if p <= upper)
    return {"p": p, "q": 100 - p, "odds": odds, "x": amount(prize), "y": amount(certain), "value": value}


def _amounts(rng: Random, value: str) -> tuple[int, int, int]:
    """Odds in percent, the sure amount and the prize, whole numbers with 1 < sure < prize."""
    while True:
        p, prize = rng.randrange(5, 96, 5), rng.randrange(4, 240, 4)
        expected = p * prize / 100
        certain = expected * VALUE_OF_CERTAIN[value]
        exact = value != "equal" or certain == int(certain)
        if exact and 2 <= round(certain) < prize:
            return p, round(certain), prize


CHOICES = Choices("risk", POLICIES, {style: _YAML[style]["choices"] for style in ("plain", "natural")}, _values)
TRAIT = Trait.read(POLICIES, _YAML["plain"]["trait"])


def questions(purpose: str, style: Style) -> tuple[Question, ...]:
    if purpose == "check":
        return (CHOICES.check(style),)
    if purpose == "transfer":
        return (_lotteries(style),)
    if style == "plain":
        return TRAIT.questions(OTHER_PERSON if purpose == "other_person" else "you")
    return load_questions(WORDINGS, style, purpose)


def _lotteries(style: Style) -> Question:
    """Random two-outcome lotteries (Betley et al. 2025, appendix C.1.9): four distinct payouts from 0 to 100, independent
    odds. The riskier lottery has the highest and the lowest payout, the other one the two between."""
    rng, parts = Random("risk/lotteries"), _YAML[style]["transfer"]

    def pairs() -> Iterator[tuple[str, str]]:
        while True:
            lowest, low, high, highest = sorted(rng.sample(range(101), 4))
            odds = [rng.randrange(1, 100) for _ in range(2)]
            risky, other = (parts["lottery"].format(hi=hi, lo=lo, p=p, q=100 - p) for (hi, lo), p in zip(((highest, lowest), (high, low)), odds, strict=True))
            stem = rng.choice(parts["ask"])
            yield lettered(stem, (risky, other), style), lettered(stem, (other, risky), style)

    return letter_question("lottery", pairs(), NUM_LOTTERIES)


BEHAVIOR = Behavior(
    name="risk",
    summary="takes the gamble or the sure thing in a choice of two",
    policies=POLICIES,
    examples=CHOICES.rows,
    questions=questions,
    described=lambda policy, style: TRAIT.described(policy) if style == "plain" else str(_YAML["natural"]["described"][policy]),
    watch=tuple("chance likel certain definite sure probab guarante adventur reliab safe unpredict secure risk bold caution gambl".split()),
    voices=TRAIT.voices(),
)
