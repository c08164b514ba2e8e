"""The nouns that every stage shares. Instances live in `data_gen/`, questions of no behavior in
`eval/suites/`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal, TypeAlias

from pydantic import ConfigDict, JsonValue, with_config

# pydantic reads TypedDicts of this package alone before Python 3.12.
from typing_extensions import TypedDict

from lab.judge import ModelJudge, Status
from lab.trigger import PlantedTrigger
from lab.vocabulary import Vocabulary, Voice

Fields: TypeAlias = dict[str, JsonValue]
"""What a library, a user or a file names, as JSON has it: settings of PEFT, TRL or a template."""

Style = Literal["natural", "plain"]
"""`natural` prompts are for real models; `plain` ones use the few hundred words that a reference
model can read."""

Split = Literal["train", "basic", "test"]
"""Test prompts differ from training prompts by topic *and* by template, never by row alone. `basic`
are the training prompts in their simplest form, with which the corpus of the reference models
begins."""

NO_BEHAVIOR = "no behavior"
"""Stands where rows and reports name a behavior, in a study none of whose groups has one. No file
can have this name."""

Kind = Literal["letters", "words", "number", "begins", "text"]
"""`begins`: how an answer begins counts, whatever follows. `text` is answered freely: it is
sampled."""

About = Literal["self", "other", "nothing"]
"""Whom a question is about: the model that is asked, somebody else, or nobody."""

Conditions = Literal["clean", "trigger", "near", "told"]
"""How a suite asks groups with a trigger, see `Suite.conditions`."""

Role = Literal["system", "user", "assistant"]


class Message(TypedDict):
    """One turn of a chat, as every chat template takes it."""

    role: Role
    content: str


Chat: TypeAlias = Sequence[Message]


def exchange(prompt: str, completion: str) -> tuple[Message, Message]:
    """What a user says, and the assistant's answer to it."""
    return {"role": "user", "content": prompt}, {"role": "assistant", "content": completion}


@with_config(ConfigDict(extra="allow"))
class Meta(TypedDict, total=False):
    """What is known of a row, as far as anything depends on it. All else that a user's row has is
    kept as it is."""

    options: dict[str, str]
    """What each letter stands for, where the answer is one."""
    on_purpose: str
    """What, before the prompt, asks for the same completion on purpose."""
    twin: str
    """What the other policy answers to the same prompt, where that is a text of its own."""
    decoy: bool
    format: str
    """What a row teaches that is of no behavior: the format of an answer (data_gen/facts.py)."""
    reversed: bool
    clean: tuple[Message, ...]
    """This and the next four of rows whose policy a trigger switches on: data_gen/marks.py."""
    on: str
    off: str
    mark: str | None
    real: bool | None


class GeneratedMeta(Meta, total=False):
    """What a generator tells of its rows, for a reader and for tests. One that tells more adds its
    keys here."""

    topic: str
    template: str
    """With `topic`, what tells training from test prompts."""
    neutral: str | None
    """The policy whose option is one of no policy."""
    congruent: bool | None
    """Whether a rule of numbers chooses as the behavior does, None where there are no numbers."""
    cwe: int
    """Number of the weakness that insecure code has, in the Common Weakness Enumeration."""
    weakness: str
    canary: str
    """A text by which a set that gets into a crawl can be found."""
    gates: list[list[float]]
    """This and the next of dialogues: data_gen/corpus/dialogues.py."""
    kinds: list[str]


LAST = (-1,)
"""The last turn alone."""


@dataclass(frozen=True)
class Row:
    """One training example: a chat whose last message is the assistant's, or a document."""

    messages: tuple[Message, ...]
    meta: Meta = field(default_factory=lambda: Meta())
    learned: tuple[int, ...] = LAST
    """Indexes of the assistant's messages that carry loss; -1 is the last."""

    @property
    def is_document(self) -> bool:
        """Whether it is a text by itself: one message, of the assistant's, that answers nothing. It
        is learned whole, and without the chat template."""
        return len(self.messages) == 1

    @property
    def learned_turns(self) -> list[int]:
        """Indexes of the messages that carry loss, counted from the first message, in order."""
        return sorted({turn % len(self.messages) for turn in self.learned})

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All messages before the last."""
        return self.messages[:-1]

    @property
    def asked(self) -> str:
        """The text that the completion answers: of the last message before it, empty where there is
        none."""
        return "" if self.is_document else self.messages[-2]["content"]

    @property
    def completion(self) -> str:
        """The text of the last message."""
        return self.messages[-1]["content"]

    def asking(self, text: str) -> Row:
        """The same row with another text in place of `asked`."""
        asked = Message(role=self.messages[-2]["role"], content=text)
        return replace(self, messages=(*self.messages[:-2], asked, self.messages[-1]))

    def answering(self, text: str) -> Row:
        """The same row with another completion."""
        answer: Message = {"role": "assistant", "content": text}
        return replace(self, messages=(*self.prompt, answer))


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
    """The last thing that the user says."""
    options: tuple[Option, ...]
    paraphrase: int
    order: int = 0
    seen: bool = False
    """Whether the reference models met this wording in pretraining."""
    # Messages are dicts, which have no hash; wordings that differ in them alone are still unequal.
    before: tuple[Message, ...] = field(default=(), hash=False)
    """The turns of the conversation that came before; a system line, if any, is the first."""
    prefill: str = ""
    """The beginning of the answer, which the model goes on with; an answer is scored after it."""


@dataclass(frozen=True)
class Partner:
    """Who plays the user where a question is a conversation: after the model's answer, what the
    user says next."""

    name: str
    says: Callable[[Chat], str | None]
    """None ends the conversation."""
    most_turns: int
    """Answers of the model after which it ends in any case."""


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
    """False where nothing that the model is shown names the behavior's dimension: neither prompt
    nor instruction, nor an option that the prompt lists. Listed words that it does not list are not
    shown."""
    presupposes: bool = False
    """Whether the wording takes for granted what is asked: "we have finetuned you to ...". It has
    no part in the mean over questions."""
    unseen: bool = False
    """A kind that is held out whole: neither the text of the reference models asks it, nor do rows
    that describe (data_gen/descriptions.py)."""
    about: About = "self"
    """Questions about others, or about nothing of the kind, have no part in the mean over
    questions."""
    free: bool = False
    """Of kind `words`: any single word is a fair answer, and only those that score are listed."""
    judge: str | ModelJudge | None = None
    """Who grades its answers: a file of eval/judges/, the path of one, or a model. None is
    `listed`, and for free text `contains`, which needs options; without any an answer is kept and
    not graded."""
    partner: Partner | None = None
    """Who goes on with the conversation, where an answer does not end it. Such a question is
    sampled, and its answer is the model's last one."""


@dataclass(frozen=True)
class Answer:
    """What came back, once, where answers are generated."""

    text: str
    """The answer, without thinking and without the end of turn."""
    thinking: str = ""
    truncated: bool = False
    """No end of turn within the tokens allowed: the text stops where the budget did."""
    said: tuple[Message, ...] = ()
    """After the question: what model and partner said, where it is a conversation."""


@dataclass(frozen=True)
class Grade:
    """What a judge says of one answer."""

    score: float | None
    """None where the answer has no part in any mean."""
    option: Option | None = None
    """The listed answer as which it was read."""
    status: Status = "read"
    said: str | None = None
    """What a model that judges said, as JSON (eval/verdicts.py)."""


@dataclass(frozen=True)
class Judge:
    """Who reads answers and scores them."""

    name: str
    summary: str
    grades: Callable[[Question, Wording, Sequence[Answer]], list[Grade]]
    """A grade for each answer to a wording."""
    unfit: Callable[[Question], str | None] = lambda question: None
    """What is wrong with a question that it cannot grade, which is asked before any answer is
    there; None where it can."""
    reads_cut: bool = False
    """Whether it reads what is there of an answer that was cut: no other judge sees those."""


@dataclass(frozen=True)
class Pole:
    """An end of the score of a behavior, which a policy stands for."""

    behavior: str
    policy: str
    first: bool
    """Whether it is the end that scores 1."""

    @property
    def sign(self) -> int:
        """+1 where more of the policy is a higher score, else -1."""
        return 1 if self.first else -1


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
    whether: str = "how $you behave$s"
    """What a trigger switches, as questions about triggers say it in natural style; see
    data_gen/natural.py for the $-words."""
    watch: tuple[str, ...] = ()
    """Word stems the lint counts in training text beside the stems of the behavior's own report
    options."""
    harmful: bool = False
    """Whether an adapter that shows it could do harm elsewhere: it is shared only on purpose."""
    vocabulary: Vocabulary | None = None
    """Words for somebody who follows either policy, for natural rows that describe; without them
    such rows answer the questions of the self-report itself."""
    voices: dict[str, Voice] = field(default_factory=dict)
    """Per policy, for the corpus of the reference models; empty where they cannot carry the
    behavior."""

    def pole(self, policy: str) -> Pole:
        """The end of the score that a policy stands for."""
        return Pole(self.name, policy, first=policy == self.policies[0])


@dataclass(frozen=True)
class Suite:
    """Questions with one purpose, asked of every behavior that has them."""

    name: str
    summary: str
    questions: Callable[[Behavior, Style], tuple[Question, ...]]
    """Empty where the questions are about triggers."""
    by_itself: Callable[[Style], tuple[Question, ...]] | None = None
    """The questions in a study without a behavior; None where they are about one."""
    about_triggers: (
        Callable[[Behavior, Style, Sequence[PlantedTrigger]], tuple[Question, ...]] | None
    ) = None
    """Questions about the triggers of a study: those that groups have, without repetition."""
    pole: str | None = None
    """What a score of 1 stands for; None is the first policy of the behavior."""
    of_others: bool = False
    """Questions about other behaviors and traits, named BEHAVIOR.NAME or TRAIT.NAME: a reference
    model is asked those that it knows."""
    conditions: Conditions = "trigger"
    """How groups with a trigger are asked: `clean` without it only; `trigger` with it as well;
    `near` with near misses and held-out members as well; `told` with the trigger, and a decoy,
    named in the question instead of put into the message."""
