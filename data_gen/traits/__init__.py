"""Traits that no training row follows, one file each, found by file name: `TRAIT = Behavior(...)`.
Self-reports about them are placebos: what training on something else does to any self-report.

They are no behaviors of groups. Those of the characters in the reference models' text have words in
plain style, the others questions in natural style."""

import sys

from lab import discover
from lab.types import Behavior


def trait_names() -> list[str]:
    """The traits there are, in the order of the alphabet."""
    return list(discover.names(sys.modules[__name__]))


def load_trait(name: str) -> Behavior:
    """Raises UserError with the nearest name where there is no such file."""
    return discover.load(sys.modules[__name__], name, "TRAIT", "trait", Behavior)


def invented_traits() -> tuple[Behavior, ...]:
    """Those in the text of every reference model, in the order in which it draws them."""
    traits = map(load_trait, trait_names())
    return tuple(trait for trait in traits if trait.voices)
