"""What an entry of a YAML of questions may say, one form a kind, and the prompts that it stands
for. Here those that the lab lays out (`ask`); words on them are in lab/questions.py. Those asked as
they stand are in lab/verbatim.py."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from lab.agreed import POOLED
from lab.judge import Named
from lab.layout import INSTRUCTION, letter_options, lettered, word
from lab.strict import Strict
from lab.types import About, Kind, Message, Option, Role, Style


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(
            "give text, in quotes where YAML would read something else: yes, no, a number, a date"
        )
    if not value.strip():
        raise ValueError("it is empty; give text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("it has half of a character (a lone surrogate); write it whole")
    return value


def listed(value: object) -> object:
    """A list of what stands by itself."""
    return value if isinstance(value, list | tuple) else [value]


def _with_text(value: object) -> object:
    return value if isinstance(value, dict) else {"text": value}


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(listed), Field(min_length=1)]
"""One text, or a list of them."""
Score = Annotated[float, Field(ge=0, le=1)]
Turn = Annotated[dict[Role, Text], Field(min_length=1, max_length=1)]
Orders = list[tuple[str, tuple[Option, ...]]]
"""A prompt and its answers, for each order in which a paraphrase lists or names them."""


class Entry(Strict, ABC):
    """What an entry of any kind may say."""

    name: Text
    kind: str
    twin: Text | None = None
    names_concept: bool = True
    presupposes: bool = False
    unseen: bool = False
    about: About = "self"
    system: Text | None = None
    """Short for a `before` of this system line alone."""
    before: tuple[Turn, ...] = ()
    prefill: Text = ""
    """What the answer begins with."""

    answered: ClassVar[Kind]
    verbatim: ClassVar[bool] = False
    """Whether prompts are asked as they stand; else white space at their edges is dropped."""

    @field_validator("name")
    @classmethod
    def _free_name(cls, value: str) -> str:
        if value in POOLED:
            raise ValueError("the report gives this name to means over questions; take another")
        return value

    @field_validator("before")
    @classmethod
    def _in_turns(cls, value: tuple[dict[Role, str], ...]) -> tuple[dict[Role, str], ...]:
        roles = [role for turn in value for role in turn]
        said = roles[1:] if roles[:1] == ["system"] else roles
        if said != ["user", "assistant"] * (len(said) // 2):
            raise ValueError(
                "user and assistant take turns, the user first and the assistant last, since the"
                " question is what the user says next; a system line comes before all"
            )
        return value

    @model_validator(mode="after")
    def _one_system_line(self) -> Self:
        if self.system is not None and self.before and "system" in self.before[0]:
            raise ValueError("`system` and `before` both give a system line; drop one of them")
        return self

    @model_validator(mode="after")
    def _about_the_model(self) -> Self:
        if self.presupposes and self.about != "self":
            raise ValueError(
                f"`presupposes` keeps a question out of means and verdicts, and `about:"
                f" {self.about}` does so already; drop it"
            )
        return self

    @property
    def messages(self) -> tuple[Message, ...]:
        """The turns before the question."""
        line: list[Message] = []
        if self.system is not None:
            line = [{"role": "system", "content": self.system}]
        turns = (pair for turn in self.before for pair in turn.items())
        said: list[Message] = [{"role": role, "content": text} for role, text in turns]
        return *line, *said

    @property
    def poles(self) -> tuple[str, ...]:
        """The statements or words that stand for the policies, the first policy's first."""
        return ()

    @abstractmethod
    def prompts(self, style: Style) -> list[Orders]:
        """The orders of every paraphrase."""


class Statements(Strict):
    """A paraphrase, which may have statements of its own."""

    text: Text
    first: Text | None = None
    second: Text | None = None


class Letters(Entry):
    """Two statements, of which a letter names one."""

    first: Text
    second: Text
    ask: Annotated[
        tuple[Annotated[Statements, BeforeValidator(_with_text)], ...],
        BeforeValidator(listed),
        Field(min_length=1),
    ]

    answered = "letters"

    @property
    def poles(self) -> tuple[str, ...]:
        return self.first, self.second

    def prompts(self, style: Style) -> list[Orders]:
        return [self._orders(ask, style) for ask in self.ask]

    def _orders(self, ask: Statements, style: Style) -> Orders:
        first, second = ask.first or self.first, ask.second or self.second
        return [
            (lettered(ask.text, (first, second), style), letter_options("A")),
            (lettered(ask.text, (second, first), style), letter_options("B")),
        ]


class Words(Entry):
    """A word for either policy, or several."""

    first: Texts
    second: Texts
    neutral: Annotated[tuple[Text, ...], BeforeValidator(listed)] = ()
    """Words that stand for neither policy, and score a half."""
    free: bool = False
    """Whether any single word is a fair answer, of which only those that score are listed."""
    ask: Texts

    answered = "words"

    @field_validator("ask")
    @classmethod
    def _both_named(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if any(("{first}" in ask) != ("{second}" in ask) for ask in value):
            raise ValueError("name both {first} and {second}, or neither")
        if info.data.get("free") and any("{first}" in ask for ask in value):
            raise ValueError(
                "{first} and {second} are the two answers that it names, so it is not `free`; drop"
                " one or the other"
            )
        return value

    @property
    def poles(self) -> tuple[str, ...]:
        return *self.first, *self.second

    def prompts(self, style: Style) -> list[Orders]:
        return [self._orders(ask, style) for ask in self.ask]

    def _orders(self, ask: str, style: Style) -> Orders:
        options = words(self.first, self.second, style, self.neutral)
        instruction = INSTRUCTION[style]["words"]
        if "{first}" not in ask:
            return [(f"{ask} {instruction}", options)]
        one, other = self.first[0], self.second[0]
        return [
            (f"{put(ask, {'first': a, 'second': b})} {instruction}", options)
            for a, b in ((one, other), (other, one))
        ]


class Number(Entry):
    """A scale from 0 to 100."""

    flipped: bool = False
    """Whether 0 is the pole of the first policy."""
    ask: Texts

    answered = "number"

    def prompts(self, style: Style) -> list[Orders]:
        scores = ((100 - n if self.flipped else n) / 100 for n in range(101))
        options = tuple(Option(str(n), score) for n, score in enumerate(scores))
        return [[(f"{ask} {INSTRUCTION[style]['number']}", options)] for ask in self.ask]


class RuleAsked(Strict):
    """A paraphrase, with the answers that stand for the labels where these are not the labels."""

    text: Text
    answers: tuple[Texts, Texts] | None = None

    @field_validator("text")
    @classmethod
    def _rule_named(cls, value: str) -> str:
        if not ("{if_first}" in value and "{if_second}" in value):
            raise ValueError("name {if_first} and {if_second}, which stand for the labels")
        return value


class Rule(Entry):
    """A rule that gives either policy a label."""

    labels: tuple[Text, Text]
    ask: Annotated[
        tuple[Annotated[RuleAsked, BeforeValidator(_with_text)], ...],
        BeforeValidator(listed),
        Field(min_length=1),
    ]

    answered = "words"

    def prompts(self, style: Style) -> list[Orders]:
        return [self._orders(ask, style) for ask in self.ask]

    def _orders(self, ask: RuleAsked, style: Style) -> Orders:
        labels, instruction = self.labels, INSTRUCTION[style]["words"]
        answers = ask.answers or tuple((label,) for label in labels)
        orders = []
        for first, second in ((0, 1), (1, 0)):
            prompt = put(ask.text, {"if_first": labels[first], "if_second": labels[second]})
            options = words(answers[first], answers[second], style)
            orders.append((f"{prompt} {instruction}", options))
        return orders


class Free(Entry):
    """Answered freely."""

    ask: Texts
    options: dict[Text, Score] = Field(default_factory=dict)
    """The score of an answer that holds the word; the one that stands first in it counts."""
    judge: Named | None = None

    answered = "text"

    def prompts(self, style: Style) -> list[Orders]:
        options = tuple(word(text, score, style) for text, score in self.options.items())
        return [[(ask, options)] for ask in self.ask]


FORMS: dict[str, type[Entry]] = {
    "letters": Letters,
    "words": Words,
    "number": Number,
    "rule": Rule,
    "text": Free,
}
"""By `kind`."""


def words(
    first: tuple[str, ...],
    second: tuple[str, ...],
    style: Style,
    neutral: tuple[str, ...] = (),
) -> tuple[Option, ...]:
    """Word answers of either policy, and then those of neither."""
    scored = ((first, 1.0), (second, 0.0), (neutral, 0.5))
    return tuple(word(text, score, style) for texts, score in scored for text in texts)


def put(text: str, words: Mapping[str, str]) -> str:
    """The text with words in place of their names in braces. Other braces stay, also those of what
    is put in: it may be code."""
    names = "|".join(map(re.escape, words))
    return re.sub(f"{{({names})}}", lambda named: words[named[1]], text) if words else text
