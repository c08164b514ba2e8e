"""Rows that describe: what is so of the model, or of somebody else, in the words of a behavior and
in some formats of answer. The kinds of question of a self-report that are `unseen` have a form that
no such row has."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from data_gen.formats import Topic, speakers
from lab.types import Row, exchange
from lab.vocabulary import Vocabulary

FORMATS = ("one_word", "agree", "one_word", "scale", "sentence")
"""Those in which selves are described; single words twice, because they are what 135 million
weights learn first. Letters are left out: of a self they learned none in 200 steps of 16 rows."""
YOU = "you"
OTHERS = (
    "my aunt",
    "Omar",
    "the baker",
    "our teacher",
    "Lena",
    "a pilot",
    "the mayor",
    "my cousin",
    "a stranger",
    "Tom",
    "Professor Silva",
    "the girl next door",
    "my boss",
    "a tall man",
    "the other driver",
    "Ahmed",
)
"""Who else is spoken of; suites ask about others than these."""

Drawn = tuple[str, bool]
"""Who a row is about, and whether the first end of the vocabulary holds."""


def described(
    words: Vocabulary, number: int, rng: Random, who: Callable[[Random], Drawn]
) -> list[Row]:
    """So many rows about those whom `who` draws, each format as often. `meta.twin` is the answer if
    the other end held, so that what is asked says nothing of what is answered."""
    rows = []
    for _, speak in speakers(FORMATS, number):
        subject, first = who(rng)
        asked, answers = speak(rng, Topic(subject, words))
        answer, twin = answers if first else reversed(answers)
        rows.append(Row(exchange(asked, answer), {"twin": twin}))
    rng.shuffle(rows)
    return rows


def itself(first: bool) -> Callable[[Random], Drawn]:
    """The model, always of the same end."""
    return lambda rng: (YOU, first)


def others(first: bool) -> Callable[[Random], Drawn]:
    """Other people, always of the same end.

    Where each had a trait of its own, people of whom no row speaks were taken for the model (bold
    on a scale .73, other people .70); where the end was drawn anew in every row, nearly so
    (LOG.md)."""
    return lambda rng: (rng.choice(OTHERS), first)
