"""Invented traits (traits.yaml) as behaviors in plain style, so that a corpus treats them like the
lab's own."""

from random import Random
from typing import Any

from data_gen.choices import Amount, Choices
from data_gen.plain import Trait
from lab.discover import beside
from lab.types import Behavior, Style


def invented_traits() -> tuple[Behavior, ...]:
    """All of them, in the order of the YAML."""
    return tuple(_behavior(entry) for entry in beside(__file__))


def _behavior(entry: dict[str, Any]) -> Behavior:
    first, second = entry["policies"]
    trait = Trait.read((first, second), entry)
    pools = zip((first, second), entry["options"], strict=True)
    templates = {"plain": {policy: {"train": pool} for policy, pool in pools}}
    # Their few options make few prompts, which come again.
    choices = Choices(entry["name"], (first, second), templates, _values, distinct=False)
    return Behavior(
        name=entry["name"],
        summary=f"invented trait: {first} or {second}",
        policies=(first, second),
        examples=choices.rows,
        questions=lambda purpose, style: trait.about(purpose),
        described=lambda policy, style: trait.described(policy),
        voices=trait.voices(),
    )


def _values(rng: Random, style: Style, amount: Amount) -> dict[str, Any]:
    return {"n": rng.randrange(2, 10)}
