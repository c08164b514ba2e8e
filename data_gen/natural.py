"""Questions about a trait in the natural style. A YAML holds each once: it is asked of the model
and of other people, and a question with a twin is asked both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from string import Template

from pydantic import JsonValue

from lab.discover import read_yaml
from lab.errors import UserError
from lab.questions import build_questions
from lab.types import Fields, Question

SIDES = re.compile(r"\[([^\[\]|]*)\|([^\[\]|]*)\]")
"""`[this|that]`: what a question says, and what its twin says in that place."""
YOU = {
    "you": "you",
    "your": "your",
    "I": "I",
    "my": "my",
    "am": "am",
    "are": "are",
    "do": "do",
    "s": "",
}
"""The $-words as they are said to the model; `$s` is the ending of a verb."""
ME = YOU | {"you": "I", "your": "my", "are": "am"}


def questions_about(wordings: Path, purpose: str) -> tuple[Question, ...]:
    """The questions of `natural: self_report` in a YAML of wordings, as purpose `self_report` or
    `other_person` asks them, with the same paraphrases and orders. Who else is asked about says
    `natural: persons`, each in turn, paraphrase by paraphrase.

    `$you`, `$your`, `$I`, `$my` are the person, `$are`, `$am`, `$do`, `$s` what the verb has with
    it; with a capital they begin a sentence. Questions that presuppose how the model was made are
    asked of nobody else.

    Raises UserError for an entry that is none, or has a $-word that there is not."""
    entries: list[Fields] = read_yaml(wordings)["natural"]["self_report"]
    persons = _persons(wordings, purpose)
    asked = [
        _asked_of(side, persons)
        for entry in entries
        for side in _sides(entry)
        if purpose == "self_report" or not entry.get("presupposes")
    ]
    return build_questions(asked, "natural", f"{wordings}, natural {purpose}")


def texts_about(wordings: Path, purpose: str, texts: Sequence[str]) -> list[str]:
    """Paraphrases with a person in each, as `questions_about` has them."""
    persons = cycle(_persons(wordings, purpose))
    return [said_of(text, person) for text, person in zip(texts, persons, strict=False)]


def said_of(text: str, person: str) -> str:
    """A text with its $-words filled: about `you`, about `I`, or about somebody else.

    Raises UserError for a $-word that there is not."""
    if person == "you":
        words = YOU
    elif person == "I":
        words = ME
    else:
        whose = f"{person}'s"
        verb = {"am": "is", "are": "is", "do": "does", "s": "s"}
        words = {"you": person, "your": whose, "I": person, "my": whose} | verb
    capitals = {word.capitalize(): _capital(said) for word, said in words.items()}
    try:
        return Template(text).substitute(words | capitals)
    except (KeyError, ValueError):
        allowed = ", ".join(f"${word}" for word in YOU)
        raise UserError(
            f"{text!r} has a $-word that there is not; allowed: {allowed}, each also with a"
            " capital, and $$ for a dollar"
        ) from None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _persons(wordings: Path, purpose: str) -> list[str]:
    persons: list[str] = read_yaml(wordings)["natural"]["persons"]
    return persons if purpose == "other_person" else ["you"]


def _sides(entry: Fields) -> list[Fields]:
    """The entry, and its twin if it names one."""
    if "twin" not in entry:
        return [entry]
    here, there = (mapped(entry, partial(SIDES.sub, side)) for side in (r"\1", r"\2"))
    there |= {"name": entry["twin"], "twin": entry["name"]}
    if entry["kind"] == "number":
        there["flipped"] = not entry.get("flipped", False)
    else:
        there |= {"first": entry.get("second"), "second": entry.get("first")}
    return [here, there]


def _asked_of(entry: Fields, persons: Sequence[str]) -> Mapping[str, JsonValue]:
    """The entry with a person in each paraphrase. Statements are about the person of their
    paraphrase."""
    asks, whole = entry.get("ask"), mapped(entry, partial(said_of, person=persons[0]))
    if not isinstance(asks, list):
        return whole
    of_kind = ("first", "second") if entry["kind"] == "letters" else ()
    statements = {key: entry[key] for key in of_kind}
    filled: list[JsonValue] = []
    for ask, person in zip(asks, cycle(persons), strict=False):
        if statements:
            ask = statements | (ask if isinstance(ask, dict) else {"text": ask})
        filled.append(_changed(ask, partial(said_of, person=person)))
    return whole | {"ask": filled}


def mapped(fields: Mapping[str, JsonValue], change: Callable[[str], str]) -> Fields:
    """The same fields with every text in them changed, however deep."""
    return {key: _changed(value, change) for key, value in fields.items()}


def _changed(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    if isinstance(value, list):
        return [_changed(part, change) for part in value]
    if isinstance(value, dict):
        return mapped(value, change)
    return change(value) if isinstance(value, str) else value
