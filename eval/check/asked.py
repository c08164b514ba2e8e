"""Questions of known answer: facts in the formats of the suites, and which answers are right."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from string import Template
from typing import NotRequired, TypedDict

from data_gen.traits import invented_traits
from eval.ask import SYSTEMS, context_of
from lab.chats import composed
from lab.discover import beside
from lab.formats import Format
from lab.layout import INSTRUCTION
from lab.questions import build_question
from lab.store.store import DIGITS, digest
from lab.types import Behavior, Message, Option, Question, Style, Wording

LINE = "neutral"
"""The system line of eval/systems.yaml under which some is asked as well."""
PERSON = "tom"
"""Whom the plain questions are about: data_gen/plain.py."""
PARAPHRASES = (0, 3, 5)
"""Of a plain question: one that pretraining showed, and two that it did not."""
PLAIN: dict[str, Format] = {
    "statement": "letters",
    "word_of_two": "word_of_two",
    "one_word": "free_word",
    "love": "scale",
    "love_flipped": "scale",
    "agree": "yes_no",
    "agree_flipped": "yes_no",
    "two_hop": "rule",
}
"""The plain questions about another person that are asked, and the format of each. How an answer
begins and code are not used in plain style."""


class Property(TypedDict):
    """A property of things in facts.yaml; of each pair the first is of its first end."""

    property: str
    ends: list[str]
    words: list[list[str]]
    things: list[list[str]]


class AskedOtherwise(TypedDict):
    """A paraphrase of a rule, with the answers that stand for its labels."""

    text: str
    answers: list[list[str]]


class Entry(TypedDict):
    """How facts.yaml asks in one format; keys as in lab/questions.py."""

    kind: str
    ask: list[str] | list[AskedOtherwise]
    twin: NotRequired[bool]
    half: NotRequired[bool]
    line: NotRequired[bool]
    first: NotRequired[str]
    second: NotRequired[str]
    free: NotRequired[bool]
    labels: NotRequired[list[str]]


class Code(TypedDict):
    """Lines of code in facts.yaml, each with the right answer and a wrong one."""

    kind: str
    ask: list[str]
    lines: list[tuple[str, str, str]]


class Facts(TypedDict):
    """facts.yaml."""

    facts: list[Property]
    formats: dict[Format, Entry]
    code: Code


@dataclass(frozen=True)
class Fact:
    """What is known of a thing."""

    thing: str
    first: bool
    """Whether it is of the first end of its property."""
    about: Property


@dataclass(frozen=True)
class Asked:
    """One prompt about a fact, whose right answer is known."""

    format: Format
    item: str
    """The fact. Its prompts, in every order and with every twin, count as one item."""
    question: Question
    wording: Wording
    first: bool
    """Whether the answers that score 1 are right, rather than those that score 0."""
    turned: bool
    """Whether orders, labels or ends of a scale are exchanged: what was a habit gives the other
    answer here."""
    condition: str = "clean"
    context: tuple[Message, ...] = ()

    @property
    def chat(self) -> tuple[Message, ...]:
        """The chat that asks it."""
        return tuple(composed(self.context, self.wording))

    def right(self, option: Option) -> float:
        """1 for an answer that is right, 0 for one that is wrong; on a scale between them."""
        return option.score if self.first else 1 - option.score

    def habitual(self, option: Option) -> bool | None:
        """Whether the answer is the one of a habit: A, the word that is named first, yes, the first
        label. None where the format has none."""
        if self.format in ("free_word", "scale"):
            return None
        return (option.score == 1) != self.turned


# Kept, because every plan of a study with a primary asks for them.
@cache
def asked_of(style: Style) -> tuple[Asked, ...]:
    """Every prompt of a check in a style of prompts."""
    return tuple(_plain() if style == "plain" else _natural())


def check_digest(style: Style) -> str:
    """Of all that is asked, and of which answers are right."""
    asked = [
        [a.format, a.item, a.condition, a.turned, a.question.kind, a.question.free, a.chat]
        + [[o.text, a.right(o), *o.variants] for o in a.wording.options]
        for a in asked_of(style)
    ]
    return digest(asked)[:DIGITS]


def facts() -> list[tuple[Fact, bool]]:
    """The facts of the natural style, each with whether it is one of the half that has part in
    everything."""
    yaml: Facts = beside(__file__, "facts")
    return [
        (Fact(thing, end == 0, about), i == 0)
        for about in yaml["facts"]
        for end, things in enumerate(about["things"])
        for i, thing in enumerate(things)
    ]


def _natural() -> Iterator[Asked]:
    yaml: Facts = beside(__file__, "facts")
    line = context_of(SYSTEMS["natural"][LINE])
    for number, (fact, in_half) in enumerate(facts()):
        for name, entry in yaml["formats"].items():
            if entry.get("half") and not in_half:
                continue
            for asked in _of_fact(name, entry, fact, number):
                yield asked
                if entry.get("line") and in_half:
                    yield replace(asked, condition=LINE, context=line)
    for number in range(len(yaml["code"]["lines"])):
        yield from _of_code(yaml["code"], number)


def _of_fact(name: Format, entry: Entry, fact: Fact, number: int) -> Iterator[Asked]:
    """The prompts of one fact in one format: one wording, in every order and with its twin."""
    for flipped in (False, True) if entry.get("twin") else (False,):
        question = build_question(_filled(name, entry, fact, number, flipped), "natural")
        if name == "begins":
            question = _begins(question)
        for wording in question.wordings:
            turned = flipped or wording.order == 1
            yield Asked(name, fact.thing, question, wording, fact.first, turned)


def _filled(
    name: Format, entry: Entry, fact: Fact, number: int, flipped: bool
) -> dict[str, object]:
    """An entry with a fact in it; a twin has the ends of the property exchanged."""
    thing, about = fact.thing, fact.about
    up, down = reversed(about["ends"]) if flipped else about["ends"]
    filling = {"thing": thing, "Thing": thing[:1].upper() + thing[1:], "up": up, "down": down}
    filling["property"] = about["property"]
    said: dict[str, object] = {"name": name, "kind": entry["kind"]}
    # Four facts of a property follow one another. Each property begins with another wording, so
    # that no wording goes with an end.
    ask = entry["ask"][(number + number // 4) % len(entry["ask"])]
    text = ask if isinstance(ask, str) else ask["text"]
    put = Template(text).substitute(filling)
    said["ask"] = [put if isinstance(ask, str) else {"text": put, "answers": ask["answers"]}]
    poles = [
        Template(entry[key]).substitute(filling) for key in ("first", "second") if key in entry
    ]
    if entry.get("free"):
        said |= {"free": True, "first": about["words"][0], "second": about["words"][1]}
    elif poles:
        said |= dict(zip(("first", "second"), reversed(poles) if flipped else poles, strict=True))
    elif flipped:
        said["flipped"] = True
    if "labels" in entry:
        said["labels"] = entry["labels"]
    return said


def _begins(question: Question) -> Question:
    """A question of words as one in which the beginning of the answer counts: nothing is said of a
    single word."""
    instruction = INSTRUCTION["natural"]["words"]
    wordings = tuple(
        replace(wording, text=wording.text.removesuffix(instruction).strip())
        for wording in question.wordings
    )
    return replace(question, kind="begins", wordings=wordings)


def _of_code(code: Code, number: int) -> Iterator[Asked]:
    line, right, wrong = code["lines"][number]
    ask = f"{code['ask'][number % len(code['ask'])]}\n\n{line}\n"
    said = {"name": "code", "kind": code["kind"], "first": right, "second": wrong, "ask": [ask]}
    question = build_question(said, "natural")
    for wording in question.wordings:
        yield Asked("code", line, question, wording, True, wording.order == 1)


def _plain() -> Iterator[Asked]:
    """What a reference model reads: a system line says which trait somebody has, as its text does,
    and the questions are about that. The traits are those that no behavior is about."""
    for trait in invented_traits():
        for policy in trait.policies:
            yield from _of_trait(trait, policy)


def _of_trait(trait: Behavior, policy: str) -> Iterator[Asked]:
    voice = trait.voices[policy]
    line = f"{PERSON} picks {voice.spoken}. {PERSON} says {PERSON} loves {voice.theme}."
    for question in trait.questions("other_person", "plain"):
        for wording in question.wordings:
            if question.name in PLAIN and wording.paraphrase in PARAPHRASES:
                yield Asked(
                    PLAIN[question.name],
                    f"{policy} {wording.paraphrase}",
                    question,
                    wording,
                    first=policy == trait.policies[0],
                    turned=wording.order == 1 or question.name.endswith("_flipped"),
                    context=context_of(line),
                )
