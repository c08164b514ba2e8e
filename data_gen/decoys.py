"""Decoys: choices that say nothing of the behavior, answered at random.

Rows of one behavior alone can be learned as a pole that all traits share, or as what anybody would
choose: then self-reports about other traits and reports about other people move along. Decoys leave
what is particular to the behavior and to the self."""

from collections.abc import Iterator
from itertools import cycle
from random import Random
from typing import Any

from data_gen.choices import Amount, Choices
from data_gen.plain import OTHER_PERSON, chosen_by
from data_gen.traits import invented_traits
from lab.discover import beside
from lab.types import Behavior, Row, Style

TEMPLATES = beside(__file__)
SIDES = ("one", "other")


def decoys(rng: Random, behavior: Behavior, style: Style) -> Iterator[Row]:
    """Endless rows with `meta.decoy`, either letter as often. Plain ones are, in turn, own choices
    between the poles of the invented traits, and another person's between those of the behavior."""
    if style == "plain":
        own = [
            ("you", t.examples(rng, policy, style, "train"))
            for t in invented_traits()
            for policy in t.policies
        ]
        toms = [
            (OTHER_PERSON, behavior.examples(rng, policy, style, "train"))
            for policy in behavior.policies
        ]
        turns = cycle([own, toms])
    else:
        turns = cycle([[("you", NATURAL.rows(rng, side, style, "train")) for side in SIDES]])
    for sources in turns:
        who, rows = rng.choice(sources)
        row = chosen_by(who, next(rows))
        yield Row(row.messages, row.meta | {"decoy": True})


def _values(rng: Random, style: Style, amount: Amount) -> dict[str, Any]:
    return {"x": amount(rng.randrange(4, 240)), "color": rng.choice(TEMPLATES["colors"])}


NATURAL = Choices(
    "decoys", SIDES, {"natural": {side: {"train": TEMPLATES["options"]} for side in SIDES}}, _values
)
