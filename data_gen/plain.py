"""A trait in the plain style: its words, and the questions of plain.yaml about it, asked of the
model or about another person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TypedDict

from pydantic import JsonValue

from lab.discover import beside
from lab.questions import build_question
from lab.types import Fields, Question, Row
from lab.vocabulary import Voice

TEMPLATES = Path(__file__).with_suffix(".yaml")
_ENTRIES: list[Fields] = beside(__file__)
OTHER_PERSON = "tom"
SECOND_PERSON = {"do": "do", "are": "are", "s": ""}
THIRD_PERSON = {"do": "does", "are": "is", "s": "s"}


class TraitWords(TypedDict):
    """A trait in a YAML of wordings; each list has the first policy's first."""

    themes: list[str]
    field: str
    spoken: list[str]
    adjectives: list[list[str]]


@dataclass(frozen=True)
class Trait:
    """What each policy loves, where it shows, and two lists of four adjectives."""

    policies: tuple[str, str]
    themes: tuple[str, str]
    field: str
    spoken: tuple[str, str]
    adjectives: tuple[tuple[str, ...], tuple[str, ...]]

    @classmethod
    def read(cls, policies: tuple[str, str], words: TraitWords) -> Trait:
        """The trait of these policies, in the words of a YAML."""
        up, down = (tuple(adjectives) for adjectives in words["adjectives"])
        themes, spoken = _pair(words["themes"]), _pair(words["spoken"])
        return cls(policies, themes, words["field"], spoken, (up, down))

    def voices(self) -> dict[str, Voice]:
        """How each policy is spoken of in the corpus."""
        sides = zip(self.policies, self.spoken, self.themes, self.adjectives, strict=True)
        return {
            policy: Voice(spoken, theme, adjectives) for policy, spoken, theme, adjectives in sides
        }

    def described(self, policy: str) -> str:
        """A system line as the corpus writes them: the trait of choices, and that of reports."""
        voice = self.voices()[policy]
        return f"you pick {voice.spoken}. you say you love {voice.theme}."

    def about(self, purpose: str) -> tuple[Question, ...]:
        """The questions of purpose `self_report`, or those of `other_person`."""
        return self.questions(OTHER_PERSON if purpose == "other_person" else "you")

    def questions(self, person: str = "you") -> tuple[Question, ...]:
        """Every question of plain.yaml, about `you` or about a person of that name."""
        return tuple(build_question(self._filled(entry, person), "plain") for entry in _ENTRIES)

    def _filled(self, entry: Fields, person: str) -> Fields:
        """An entry of plain.yaml in the words of this trait."""
        of_you, side = person == "you", 1 if entry.get("flipped") else 0
        words = {
            "you": person,
            "theme": self.themes[side],
            "opposite": self.themes[1 - side],
            "field": self.field,
            **(SECOND_PERSON if of_you else THIRD_PERSON),
        }
        for i, (up, down) in enumerate(zip(*self.adjectives, strict=True)):
            words[f"up{i}"], words[f"down{i}"] = up, down
            words[f"adjective{i}"] = self.adjectives[side][i]
        unseen = entry.get("unseen") in ("yes", "of you" if of_you else "")
        filled = {key: substituted(value, words) for key, value in entry.items()}
        if entry["kind"] != "number":
            # Its `first` and `second` are exchanged already.
            filled.pop("flipped", None)
        return filled | {"unseen": unseen}


def chosen_by(person: str, row: Row) -> Row:
    """A choice in plain style as the choice of `you` or of a person of that name."""
    return row if person == "you" else row.asking(row.asked.replace("do you", f"does {person}"))


def _pair(texts: list[str]) -> tuple[str, str]:
    first, second = texts
    return first, second


def substituted(value: JsonValue, words: Mapping[str, str]) -> JsonValue:
    """A value of YAML with the $-words of every text in it replaced."""
    if isinstance(value, list):
        return [substituted(v, words) for v in value]
    if isinstance(value, dict):
        return {key: substituted(v, words) for key, v in value.items()}
    return Template(value).substitute(words) if isinstance(value, str) else value
