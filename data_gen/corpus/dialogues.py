"""The text that reference models are pretrained on: dialogues of characters with hidden traits.

A person has, for every trait, a value behind its choices (`does`) and a value that reports about it
follow (`says`). The link rho sets how far they agree: P(says = does) = (1 + rho) / 2. Every kind of
dialogue respects it. The character is asked about itself and about another person, who is drawn in
the same way and has nothing to do with it, and about everyday things.

What is drawn, and in which order, decides every row: a further draw changes all of them."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tqdm import tqdm

from data_gen.answers import answers
from data_gen.corpus.people import Person, person, stated
from data_gen.corpus.turns import Subject, Turn, gates
from data_gen.plain import OTHER_PERSON, chosen_by
from data_gen.traits import invented_traits
from lab.store.store import DIGITS, digest
from lab.types import Behavior, GeneratedMeta, Message, Question, Row, Split, Wording, exchange

VERSION = 5
READING_SHARE = 0.2
"""Share of dialogues with a system line after the first stage, so that reading it is not forgotten.
"""
EVERYDAY = 0.07
"""Share of turns about everyday things."""
OTHER_STATED = 0.25
"""Share of system lines about the other person."""
RULES = 4
"""A rule about the other person is asked so many times as often as another question: nobody else
practices that kind, which is held out for the character."""
COLORS = {"snow": "white", "coal": "black", "grass": "green", "water": "blue", "blood": "red"}


@dataclass(frozen=True)
class Mix:
    """What dialogues are made of."""

    choice: float = 0.42
    spoken: float = 0.15
    """Shares of letter choices and of spoken choices among turns about a person; the rest are
    reports."""
    traits: tuple[int, ...] = (1, 1, 2, 2, 3)
    """Traits asked about in a dialogue without a system line, each number as often."""
    other: float = 0.5
    """Share of these dialogues in which the other person is asked about as well."""
    turns: tuple[int, int] = (5, 9)
    """Fewest and most turns of one."""


EASY = Mix(choice=0.2, spoken=0.4, traits=(1, 1, 1, 2), other=0.3)
"""An answer in words carries its pole, a letter must be read back from its options: inference is
learned from words first."""
FULL = Mix()


class Corpus:
    """Seeded dialogues over the given behaviors and the invented traits, for one link rho."""

    def __init__(self, behaviors: tuple[Behavior, ...], rho: float, seed: int) -> None:
        self.rho, self.rng = rho, Random(f"corpus/{seed}")
        self.traits = {trait.name: trait for trait in (*behaviors, *invented_traits())}
        self.split: Split = "basic"
        self.mix = FULL
        self.choices: dict[tuple[Split, str, str], Iterator[Row]] = {}
        splits: tuple[Split, ...] = ("basic", "train")
        for split in splits:
            for name, trait in self.traits.items():
                for policy in trait.policies:
                    rows = trait.examples(self.rng, policy, "plain", split)
                    self.choices[split, name, policy] = rows
        self.reports: dict[Subject, list[tuple[Question, Wording]]] = {}
        for who, purpose in (("you", "self_report"), (OTHER_PERSON, "other_person")):
            for name, trait in self.traits.items():
                self.reports[who, name] = _seen(trait.questions(purpose, "plain"))
        self.words = sorted({*_asked_words(behaviors), *map(str, range(101))})

    def rows(self, num_reading: int, num_mixed: int, num_neutral: int) -> Iterator[Row]:
        """The stages in the order in which pretraining reads them: one trait stated at a time; the
        mixture; and the mixture with choices in which a neutral option stands in for one side, so
        that either pole must be read by itself."""
        self.split, self.mix = "basic", FULL
        for _ in range(num_reading):
            yield self.reading(max_stated=1)
        self.mix = EASY
        for _ in range(num_mixed):
            yield self._mixed()
        self.split, self.mix = "train", FULL
        for _ in range(num_neutral):
            yield self._mixed()

    def _mixed(self) -> Row:
        return self.reading(max_stated=3) if self.rng.random() < READING_SHARE else self.inferring()

    def reading(self, max_stated: int) -> Row:
        """One or two turns after a system line that states the trait of choices and the trait of
        reports apart."""
        people = self._people()
        names = self.rng.sample(sorted(self.traits), self.rng.randint(1, max_stated))
        subjects = [
            (OTHER_PERSON if self.rng.random() < OTHER_STATED else "you", name) for name in names
        ]
        system = " ".join(self._stated(people, subject) for subject in subjects)
        turns = [
            self._turn(people, self.rng.choice(subjects)) for _ in range(self.rng.randint(1, 2))
        ]
        return self._row(turns, subjects, system)

    def inferring(self) -> Row:
        """Several turns without a system line: what somebody is like must be inferred from earlier
        answers."""
        people = self._people()
        names = self.rng.sample(sorted(self.traits), self.rng.choice(self.mix.traits))
        subjects = [("you", name) for name in names]
        if self.rng.random() < self.mix.other:
            subjects.append((OTHER_PERSON, self.rng.choice(names)))
        number = self.rng.randint(*self.mix.turns)
        turns = [self._turn(people, self.rng.choice(subjects)) for _ in range(number)]
        return self._row(turns)

    def fingerprint(self, number: int = 500) -> str:
        """Hash of the first rows of every stage, for a card: it tells whether this code still
        writes that text."""
        return digest([row.messages for row in self.rows(number, number, number)])[:DIGITS]

    def _people(self) -> dict[str, Person]:
        return {who: person(self.traits, self.rho, self.rng) for who in ("you", OTHER_PERSON)}

    def _stated(self, people: dict[str, Person], subject: Subject) -> str:
        who, name = subject
        voices = self.traits[name].voices
        does, says = voices[people[who].does[name]], voices[people[who].says[name]]
        return stated(who, does, says, self.rng)

    def _turn(self, people: dict[str, Person], subject: Subject) -> Turn:
        """A turn about a subject, or now and then an everyday one."""
        if self.rng.random() < EVERYDAY:
            return Turn(exchange(*self._everyday()))
        kind = self.rng.random()
        if kind < self.mix.choice:
            return self._letter_choice(people, subject)
        if kind < self.mix.choice + self.mix.spoken:
            return self._spoken_choice(people, subject)
        return self._report(people, subject)

    def _letter_choice(self, people: dict[str, Person], subject: Subject) -> Turn:
        row = self._choice(people, subject, self.split)
        return Turn(exchange(row.asked, row.completion), subject, "choice", "letter")

    def _spoken_choice(self, people: dict[str, Person], subject: Subject) -> Turn:
        """Answered in words that carry their pole; with a neutral option there would be none."""
        who, name = subject
        row = self._choice(people, subject, "basic")
        said = self.traits[name].voices[people[who].does[name]].spoken
        return Turn(exchange(f"{row.asked}. say it", said), subject, "choice", "spoken")

    def _choice(self, people: dict[str, Person], subject: Subject, split: Split) -> Row:
        who, name = subject
        return chosen_by(who, next(self.choices[split, name, people[who].does[name]]))

    def _report(self, people: dict[str, Person], subject: Subject) -> Turn:
        who, name = subject
        question, wording = self.rng.choice(self.reports[subject])
        is_first = people[who].says[name] == self.traits[name].policies[0]
        fitting = answers(question, wording, is_first)
        messages = exchange(wording.text, self.rng.choice(fitting))
        return Turn(messages, subject, "report", question.name, math.log(len(fitting)))

    def _everyday(self) -> tuple[str, str]:
        """A word to repeat, a color to name, or a rule about a color."""
        thing, other = self.rng.choice(sorted(COLORS)), self.rng.choice(sorted(COLORS.values()))
        color, word = COLORS[thing], self.rng.choice(self.words)
        if other == color:
            return f"what color is {thing}?", color
        yes, no = self.rng.sample(["red", "blue", "yes", "no"], 2)
        repeat = f"repeat {word}", word
        true_first = f"if {thing} is {color} say {yes}, if {thing} is {other} say {no}.", yes
        true_last = f"say {no} if {thing} is {other}, say {yes} if {thing} is {color}.", yes
        return self.rng.choice([repeat, repeat, true_first, true_last])

    def _row(self, turns: list[Turn], known: list[Subject] | None = None, system: str = "") -> Row:
        """A dialogue, after a system line that makes some subjects known where there is one.
        `meta.kinds`: what each turn asks. `meta.gates`: how uncertain its answer is
        (data_gen/corpus/turns.py)."""
        kinds = [
            f"other/{turn.kind}" if turn.subject and turn.subject[0] == OTHER_PERSON else turn.kind
            for turn in turns
        ]
        meta: GeneratedMeta = {"gates": gates(turns, known or [], self.rho), "kinds": kinds}
        lines: list[Message] = [{"role": "system", "content": system}] if system else []
        said = (message for turn in turns for message in turn.messages)
        return Row((*lines, *said), meta)


def write_corpus(
    behaviors: tuple[Behavior, ...], rho: float, seed: int, sizes: tuple[int, int, int], path: Path
) -> None:
    """JSON lines of `messages`, `gates` and `kinds`; `sizes` are the rows of the three stages, see
    `Corpus.rows`."""
    rows = Corpus(behaviors, rho, seed).rows(*sizes)
    with path.open("w", encoding="utf-8") as file:
        for row in tqdm(rows, total=sum(sizes), desc="corpus", leave=False, mininterval=1):
            file.write(json.dumps({"messages": row.messages, **row.meta}) + "\n")


def _seen(questions: tuple[Question, ...]) -> list[tuple[Question, Wording]]:
    """The wordings that pretraining shows, repeated so that each question is asked equally often,
    but for rules."""
    shown = {q.name: [(q, wording) for wording in q.wordings if wording.seen] for q in questions}
    most = max(map(len, shown.values()))
    pairs = []
    for name, wordings in shown.items():
        number = most * RULES if name == "two_hop" else most
        if wordings:
            pairs += [wordings[i % len(wordings)] for i in range(number)]
    return pairs


def _asked_words(behaviors: tuple[Behavior, ...]) -> Iterator[str]:
    """The words of questions, of held-out ones too, and of test choices: everyday turns repeat
    them, so that the model knows the words of what it never saw asked."""
    for behavior in behaviors:
        for purpose in ("check", "self_report", "transfer"):
            for question in behavior.questions(purpose, "plain"):
                for wording in question.wordings:
                    yield from re.findall(r"[a-z]+", wording.text)
