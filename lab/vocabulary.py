"""Words for what can be said of somebody or something, of either of two opposite ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

Ends = tuple[tuple[str, ...], tuple[str, ...]]
"""Words of either end."""


def _ends(words: Sequence[Sequence[str]]) -> Ends:
    first, second = words
    return tuple(first), tuple(second)


class Vocabulary(NamedTuple):
    """What can be said of somebody or something of either of two opposite ends, the first one's
    first."""

    field: str
    """What it is about, such as risk or temperature."""
    adjectives: Ends
    """Single words, as are the nouns."""
    nouns: Ends
    claims: Ends
    """What may stand after the subject, with $-words for its verb: "$are cold"
    (data_gen/natural.py)."""

    @classmethod
    def of(
        cls,
        field: str,
        adjectives: Sequence[Sequence[str]],
        nouns: Sequence[Sequence[str]],
        claims: Sequence[Sequence[str]],
    ) -> Vocabulary:
        """From lists, as a YAML has them."""
        return cls(field, *(_ends(words) for words in (adjectives, nouns, claims)))


@dataclass(frozen=True)
class Voice:
    """How a character of the reference models' corpus speaks of its choice, and how it is
    described."""

    spoken: str
    theme: str
    adjectives: tuple[str, ...]
