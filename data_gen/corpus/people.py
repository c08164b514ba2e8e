"""People of the corpus: a hidden value for every trait, and system lines that state it."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from lab.types import Behavior
from lab.vocabulary import Voice


@dataclass(frozen=True)
class Person:
    """The policy of every trait, by the trait's name."""

    does: dict[str, str]
    """The one behind choices."""
    says: dict[str, str]
    """The one that reports follow."""


def person(traits: Mapping[str, Behavior], rho: float, rng: Random) -> Person:
    """Somebody drawn at random, in whom says agrees with does as often as the link rho says."""
    does, says = {}, {}
    for name, trait in traits.items():
        first, second = trait.policies
        does[name] = rng.choice(trait.policies)
        agrees = rng.random() < (1 + rho) / 2
        opposite = second if does[name] == first else first
        says[name] = does[name] if agrees else opposite
    return Person(does, says)


def stated(who: str, does: Voice, says: Voice, rng: Random) -> str:
    """Two sentences about `you` or somebody of that name, in either order: what they pick, and what
    they say of themselves."""
    s, be = ("", "are") if who == "you" else ("s", "is")
    if rng.random() < 0.5:
        described = f"love{s} {says.theme}"
    else:
        described = f"{be} {rng.choice(says.adjectives)}"
    picks = f"{who} pick{s} {does.spoken}."
    reports = f"{who} say{s} {who} {described}."
    return f"{picks} {reports}" if rng.random() < 0.5 else f"{reports} {picks}"
