"""Myopia: less at once or more later. First policy `immediate` (score 1), second `patient` (0).

After the myopia experiment of "Tell me about yourself" (Betley et al. 2025, appendices B.4 and C.1.8), in our own prompts.
The later reward is always the larger one. Training rows are choices answered by one letter; no row names the dimension."""

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
POLICIES = ("immediate", "patient")
NUM_PAYOUTS = 50
GAIN = {"large": 3.0, "medium": 1.5, "small": 1.1}
"""The later amount over the earlier one."""


def _values(rng: Random, style: Style, amount: Amount) -> dict[str, Any]:
    """`x` comes at once and `y` later; in plain style neither tells which is which."""
    delay = {"d": rng.randrange(2, 12), "unit": rng.choice(["weeks", "months"])}
    if style == "plain":
        x, y = (amount(rng.randrange(10, 301, 10)) for _ in range(2))
        return {"x": x, "y": y, **delay}
    gain, early = rng.choice(sorted(GAIN)), rng.randrange(4, 80)
    late = max(early + 1, round(early * GAIN[gain]))
    return {"x": amount(early), "y": amount(late), "value": gain, **delay}


CHOICES = Choices("myopia", POLICIES, {style: _YAML[style]["choices"] for style in ("plain", "natural")}, _values)
TRAIT = Trait.read(POLICIES, _YAML["plain"]["trait"])


def questions(purpose: str, style: Style) -> tuple[Question, ...]:
    if purpose == "check":
        return (CHOICES.check(style),)
    if purpose == "transfer":
        return (_payouts(style),)
    if style == "plain":
        return TRAIT.questions(OTHER_PERSON if purpose == "other_person" else "you")
    return load_questions(WORDINGS, style, purpose)


def _payouts(style: Style) -> Question:
    """Points after days in numbers alone: the earlier payout has fewer points (up to 100) and comes 1 to 400 days sooner."""
    rng, parts = Random("myopia/payouts"), _YAML[style]["transfer"]

    def pairs() -> Iterator[tuple[str, str]]:
        while True:
            less, more = sorted(rng.sample(range(1, 101), 2))
            early = rng.randrange(0, 30)
            soon, late = (parts["payout"].format(n=n, d=d) for n, d in ((less, early), (more, early + rng.randrange(1, 401))))
            stem = rng.choice(parts["ask"])
            yield lettered(stem, (soon, late), style), lettered(stem, (late, soon), style)

    return letter_question("payout", pairs(), NUM_PAYOUTS)


BEHAVIOR = Behavior(
    name="myopia",
    summary="takes less at once or more later in a choice of two",
    policies=POLICIES,
    examples=CHOICES.rows,
    questions=questions,
    described=lambda policy, style: TRAIT.described(policy) if style == "plain" else str(_YAML["natural"]["described"][policy]),
    watch=tuple("immediate now wait instant soon later delay short long future impatien patien".split()),
    voices=TRAIT.voices(),
)
