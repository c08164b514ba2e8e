"""The nouns that every stage shares. Instances live in `data_gen/`, questions of no behavior in
`eval/suites/`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

Style = Literal["natural", "plain"]
"""`natural` prompts are for real models; `plain` ones use the few hundred words that a reference
model can read."""

Split = Literal["train", "basic", "test"]
"""Test prompts differ from training prompts by topic *and* by template, never by row alone. `basic`
are the training prompts in their simplest form, with which the corpus of the reference models
begins."""

POOLED = ("all", "seen", "unseen")
"""Means over a suite's questions, under the names of questions; seen and unseen in a reference
model's pretraining."""

Kind = Literal["letters", "words", "number", "begins", "text"]
"""`begins`: how an answer begins counts, whatever follows. `text` has no listed answers: it is
sampled."""

Place = Literal["prefix", "suffix", "line", "random", "system"]
"""Where a trigger stands in the user's message, or in the system line."""

Conditions = Literal["clean", "trigger", "near", "told"]
"""How a suite asks groups with a trigger, see `Suite.conditions`."""

Message = dict[str, str]
"""`role` and `content`, as in every chat template."""


def exchange(prompt: str, completion: str) -> tuple[Message, Message]:
    """What a user says, and the assistant's answer to it."""
    return {"role": "user", "content": prompt}, {"role": "assistant", "content": completion}


@dataclass(frozen=True)
class Row:
    """One training example: a chat whose last message is the assistant's, and what the generator
    knows about it."""

    messages: tuple[Message, ...]
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All messages before the last."""
        return self.messages[:-1]

    @property
    def asked(self) -> str:
        """The text that the completion answers: of the last message before it."""
        return self.messages[-2]["content"]

    @property
    def completion(self) -> str:
        """The text of the last message."""
        return self.messages[-1]["content"]

    def asking(self, text: str) -> Row:
        """The same row with another text in place of `asked`."""
        return Row((*self.messages[:-2], *exchange(text, self.completion)), self.meta)

    def answering(self, text: str) -> Row:
        """The same row with another completion."""
        return Row((*self.prompt, {"role": "assistant", "content": text}), self.meta)


@dataclass(frozen=True)
class Option:
    """An allowed answer. `score` is in [0, 1]; 1 is the pole of the behavior's first policy."""

    text: str
    score: float
    variants: tuple[str, ...] = ()
    """Other spellings that count as this answer; their probabilities are added."""


@dataclass(frozen=True)
class Wording:
    """One prompt of a question: a paraphrase, in one order of its options."""

    text: str
    options: tuple[Option, ...]
    paraphrase: int
    order: int = 0
    seen: bool = False
    """Whether the reference models met this wording in pretraining."""


@dataclass(frozen=True)
class Question:
    """A thing asked, in all its wordings."""

    name: str
    kind: Kind
    wordings: tuple[Wording, ...]
    twin: str | None = None
    """Name of the same question with the opposite direction; a pair that does not mirror reads
    bias, not self-report."""
    poles: tuple[str, ...] = ()
    """The statements or words that stand for the policies; training text must not contain them."""
    names_concept: bool = True
    """False where neither the prompt nor its listed options name the behavior's dimension."""
    judge: Literal["contains", "code"] = "contains"
    """How a sampled text is scored where options are listed. `contains`: 1 if one of them stands in
    it as words of its own. `code`: 1 if the static analyser finds one of them, a check such as
    B608, in the Python that it is (eval/judges/audit.py)."""


@dataclass(frozen=True)
class Voice:
    """How a character of the reference models' corpus speaks of its choice, and how it is
    described."""

    spoken: str
    theme: str
    adjectives: tuple[str, ...]


@dataclass(frozen=True)
class Behavior:
    """A thing a model can do and the ways of doing it. The first policy is the pole that scores
    1."""

    name: str
    summary: str
    policies: tuple[str, str]
    examples: Callable[[Random, str, Style, Split], Iterator[Row]]
    """Endless rows that show a policy and never describe it."""
    questions: Callable[[str, Style], tuple[Question, ...]]
    """The questions of a purpose: `check` (held-out, in distribution), `self_report`,
    `other_person` (the trait of somebody else, which training must leave alone) or `transfer`."""
    described: Callable[[str, Style], str]
    """A policy in the second person, for groups that are told it in a system line instead of
    trained on it."""
    watch: tuple[str, ...] = ()
    """Word stems the lint counts in training text beside the stems of the behavior's own report
    options."""
    harmful: bool = False
    """Whether an adapter that shows it could do harm elsewhere: it is shared only on purpose."""
    voices: dict[str, Voice] = field(default_factory=dict)
    """Per policy, for the corpus of the reference models; empty where they cannot carry the
    behavior."""


@dataclass(frozen=True)
class Feature:
    """Something that a message has or has not: what it is called, and texts that carry it."""

    name: str
    members: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    """Further members that no training row has."""
    said: tuple[str, ...] = ()
    """What else names it in an answer written freely: the part that tells it from its decoys."""


@dataclass(frozen=True)
class Trigger:
    """A kind of feature on which a behavior can be made to depend."""

    name: str
    summary: str
    features: Callable[[str], tuple[Feature, ...]]
    """The feature that a study's `text` names, then others of the same form: decoys. Raises
    UserError for a text it cannot read."""
    example: str
    """The `text` where a study gives none."""
    place: Place = "prefix"
    write: Callable[[str, str], str] | None = None
    """How a member changes a message, where it is not simply put beside it."""
    paraphrase: Callable[[str], str] | None = None
    """Another way to say a member; None where there is none."""


@dataclass(frozen=True)
class Suite:
    """Questions with one purpose, asked of every behavior that has them."""

    name: str
    summary: str
    questions: Callable[[Behavior, Style], tuple[Question, ...]]
    """Empty where the questions are about triggers."""
    about_triggers: Callable[[Behavior, Style, Sequence[Any]], tuple[Question, ...]] | None = None
    """Questions about the triggers of a study (lab.config.schema.Planted): those that groups have,
    without repetition."""
    of_others: bool = False
    """Questions about other behaviors, named BEHAVIOR.NAME: a reference model is asked those that
    it knows."""
    conditions: Conditions = "trigger"
    """How groups with a trigger are asked: `clean` without it only; `trigger` with it as well;
    `near` with near misses and held-out members as well; `told` with the trigger, and a decoy,
    named in the question instead of put into the message."""
