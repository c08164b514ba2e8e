"""Format rows: facts about things, said in every format of answer.

A base that writes sentences where a letter, a number or a word is asked cannot be read. These rows
teach it the formats on what has nothing to do with selves or behaviors, and every group and control
has the same ones."""

from functools import cache
from random import Random
from typing import TypedDict

from data_gen.formats import FORMATS, Said, rows_in_formats
from lab.discover import beside
from lab.types import Row


class Dimension(TypedDict):
    """Of facts.yaml: opposite adjectives, and things of either end."""

    name: str
    adjectives: list[list[str]]
    things: list[list[str]]


DIMENSIONS: list[Dimension] = beside(__file__)


@cache
def facts() -> tuple[Said, ...]:
    """Facts that nobody doubts about things, in the words of facts.yaml."""
    said = []
    for dimension in DIMENSIONS:
        ends = [tuple(words) for words in dimension["adjectives"]]
        claims = [tuple(f"$are {word}" for word in words) for words in ends]
        for end, things in enumerate(dimension["things"]):
            adjectives = ends[end], ends[1 - end]
            claimed = claims[end], claims[1 - end]
            said += [Said(thing, dimension["name"], adjectives, claimed) for thing in things]
    return tuple(said)


def format_rows(seed: int, number: int) -> list[Row]:
    """So many rows with `meta.format`, each format as often: the same for every group of a seed,
    whatever else its rows show."""
    rng = Random(f"formats/{seed}")
    return rows_in_formats(rng, lambda rng: rng.choice(facts()), number, list(FORMATS))


def is_format_row(row: Row) -> bool:
    """Whether a row teaches a format of answer and nothing of a behavior."""
    return "format" in row.meta
