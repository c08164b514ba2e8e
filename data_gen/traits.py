"""Invented traits (traits.yaml) as behaviors in plain style, so that a corpus treats them like the
lab's own."""

from random import Random

from data_gen.choices import Amount, Choices, Filling, Pools
from data_gen.plain import Trait, TraitWords
from lab.discover import beside
from lab.types import Behavior


class InventedTrait(TraitWords):
    """An entry of traits.yaml; each list has the first policy's first."""

    name: str
    policies: list[str]
    options: list[list[str]]


TRAITS: list[InventedTrait] = beside(__file__)


def invented_traits() -> tuple[Behavior, ...]:
    """All of them, in the order of the YAML."""
    return tuple(_behavior(entry) for entry in TRAITS)


def _behavior(entry: InventedTrait) -> Behavior:
    first, second = entry["policies"]
    trait = Trait.read((first, second), entry)
    options = zip((first, second), entry["options"], strict=True)
    pools: Pools = {policy: {"train": texts} for policy, texts in options}
    # Their few options make few prompts, which come again.
    choices = Choices(entry["name"], (first, second), pools, _fill, distinct=False)
    return Behavior(
        name=entry["name"],
        summary=f"invented trait: {first} or {second}",
        policies=(first, second),
        examples=lambda rng, policy, style, split: choices.rows(rng, policy, split),
        questions=lambda purpose, style: trait.about(purpose),
        described=lambda policy, style: trait.described(policy),
        voices=trait.voices(),
    )


def _fill(rng: Random, amount: Amount) -> Filling:
    return {"n": rng.randrange(2, 10)}
