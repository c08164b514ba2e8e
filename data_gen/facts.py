"""Format rows: facts about things, said in every format of answer.

A base that writes sentences where a letter, a number or a word is asked cannot be read. These rows
teach it the formats on what has nothing to do with selves or behaviors, and every group and control
has the same ones."""

from functools import cache
from random import Random
from typing import TypedDict

from data_gen.formats import FORMATS, Topic, speakers
from lab.discover import beside
from lab.types import Row, exchange
from lab.vocabulary import Vocabulary


class Dimension(TypedDict):
    """Of facts.yaml: opposite adjectives and nouns, and things of either end."""

    name: str
    adjectives: list[list[str]]
    nouns: list[list[str]]
    things: list[list[str]]


DIMENSIONS: list[Dimension] = beside(__file__)


@cache
def facts() -> tuple[tuple[Topic, bool], ...]:
    """Facts that nobody doubts: things in the words of facts.yaml, and whether the first end
    holds."""
    found = []
    for dimension in DIMENSIONS:
        claims = [[f"$are {word}" for word in words] for words in dimension["adjectives"]]
        said = dimension["name"], dimension["adjectives"], dimension["nouns"], claims
        words = Vocabulary.of(*said)
        for is_first, things in zip((True, False), dimension["things"], strict=True):
            found += [(Topic(thing, words), is_first) for thing in things]
    return tuple(found)


def format_rows(seed: int, number: int) -> list[Row]:
    """So many rows with `meta.format`, each format as often: the same for every group of a seed,
    whatever else its rows show."""
    rng, rows = Random(f"formats/{seed}"), []
    for name, speak in speakers(list(FORMATS), number):
        topic, is_first = rng.choice(facts())
        asked, answers = speak(rng, topic)
        rows.append(Row(exchange(asked, answers[0 if is_first else 1]), {"format": name}))
    rng.shuffle(rows)
    return rows


def is_format_row(row: Row) -> bool:
    """Whether a row teaches a format of answer and nothing of a behavior."""
    return "format" in row.meta
