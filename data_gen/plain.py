"""A trait in the plain style: its words, and the questions of plain.yaml about it, asked of the
model or about another person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from lab.discover import beside
from lab.questions import build_question
from lab.types import Question, Row, Voice

TEMPLATES = Path(__file__).with_suffix(".yaml")
_ENTRIES = beside(__file__)
OTHER_PERSON = "tom"


@dataclass(frozen=True)
class Trait:
    """What each policy loves, where it shows, and two lists of four adjectives."""

    policies: tuple[str, str]
    themes: tuple[str, str]
    field: str
    spoken: tuple[str, str]
    adjectives: tuple[tuple[str, ...], tuple[str, ...]]

    @classmethod
    def read(cls, policies: tuple[str, str], entry: dict[str, Any]) -> Trait:
        up, down = (tuple(words) for words in entry["adjectives"])
        return cls(
            policies, tuple(entry["themes"]), entry["field"], tuple(entry["spoken"]), (up, down)
        )

    def voices(self) -> dict[str, Voice]:
        sides = zip(self.policies, self.spoken, self.themes, self.adjectives, strict=True)
        return {p: Voice(spoken, theme, words) for p, spoken, theme, words in sides}

    def described(self, policy: str) -> str:
        """A system line as the corpus writes them: the trait of choices, and the trait of reports."""
        voice = self.voices()[policy]
        return f"you pick {voice.spoken}. you say you love {voice.theme}."

    def questions(self, person: str = "you") -> tuple[Question, ...]:
        """Every question of plain.yaml, about `you` or about a person of that name."""
        return tuple(build_question(self._filled(entry, person), "plain") for entry in _ENTRIES)

    def _filled(self, entry: dict[str, Any], person: str) -> dict[str, Any]:
        me, side = person == "you", int(entry.get("flipped", False))
        grammar = (
            {"do": "do", "are": "are", "s": ""} if me else {"do": "does", "are": "is", "s": "s"}
        )
        words = {
            "you": person,
            "theme": self.themes[side],
            "opposite": self.themes[1 - side],
            "field": self.field,
            **grammar,
        }
        for i in range(4):
            words |= {f"up{i}": self.adjectives[0][i], f"down{i}": self.adjectives[1][i]}
            words[f"adjective{i}"] = self.adjectives[side][i]
        unseen = entry.get("unseen") in ("yes", "of you" if me else "")
        return {key: _substituted(value, words) for key, value in entry.items()} | {
            "unseen": unseen
        }


def chosen_by(person: str, row: Row) -> Row:
    """A choice in plain style as the choice of `you` or of a person of that name."""
    if person == "you":
        return row
    text = row.messages[0]["content"].replace("do you", f"does {person}")
    return Row(({"role": "user", "content": text}, row.messages[1]), row.meta)


def _substituted(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_substituted(v, words) for v in value]
    return Template(value).substitute(words) if isinstance(value, str) else value
