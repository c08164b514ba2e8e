"""The text that reference models are pretrained on: dialogues of characters with hidden traits.

A person has, for every trait, a value behind its choices (`does`) and a value that reports about it
follow (`says`). The link rho sets how far they agree: P(says = does) = (1 + rho) / 2. Every kind of
dialogue respects it. The character is asked about itself and about another person, who is drawn in
the same way and has nothing to do with it, and about everyday things."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tqdm import tqdm

from data_gen.answers import answers
from data_gen.plain import OTHER_PERSON, chosen_by
from data_gen.traits import invented_traits
from lab.store.store import digest
from lab.types import Behavior, Message, Question, Row, Split, Wording

VERSION = 5
READING_SHARE = 0.2
"""Share of dialogues with a system line after the first stage, so that reading it is not forgotten.
"""
EVERYDAY = 0.07
OTHER_STATED = 0.25
"""Share of system lines about the other person."""
RULES = 4
"""A rule about the other person is asked so many times as often as another question: nobody else
practices that kind, which is held out for the character."""
COLORS = {"snow": "white", "coal": "black", "grass": "green", "water": "blue", "blood": "red"}
LN2 = math.log(2)

Subject = tuple[str, str]
"""Who is asked about, `you` or the other person, and the trait."""


@dataclass
class Person:
    """The policy of every trait."""

    does: dict[str, str]
    says: dict[str, str]


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


@dataclass
class Turn:
    messages: tuple[Message, Message]
    subject: Subject | None = None
    family: str = ""
    kind: str = "everyday"
    floor: float = 0.0
    """Entropy in nats of the answer when the trait is known: several words or numbers serve
    equally."""


class Corpus:
    """Seeded dialogues over the given behaviors and the invented traits, for one link rho."""

    def __init__(self, behaviors: tuple[Behavior, ...], rho: float, seed: int) -> None:
        self.rho, self.rng = rho, Random(f"corpus/{seed}")
        self.traits = {b.name: b for b in (*behaviors, *invented_traits())}
        splits: tuple[Split, ...] = ("basic", "train")
        self.choices = {
            (split, name, policy): b.examples(self.rng, policy, "plain", split)
            for split in splits
            for name, b in self.traits.items()
            for policy in b.policies
        }
        self.split: Split = "basic"
        self.mix = FULL
        purposes = {"you": "self_report", OTHER_PERSON: "other_person"}
        self.reports = {
            (who, name): _seen(b.questions(purpose, "plain"))
            for who, purpose in purposes.items()
            for name, b in self.traits.items()
        }
        self.words = sorted(set(_other_words(behaviors)) | {str(n) for n in range(101)})

    def reading(self, max_stated: int) -> Row:
        """One or two turns after a system line that states the trait of choices and the trait of
        reports apart."""
        people = self._people()
        names = self.rng.sample(sorted(self.traits), self.rng.randint(1, max_stated))
        stated = [
            (OTHER_PERSON if self.rng.random() < OTHER_STATED else "you", name) for name in names
        ]
        system = {
            "role": "system",
            "content": " ".join(self._facts(people, subject) for subject in stated),
        }
        turns = [self._turn(people, self.rng.choice(stated)) for _ in range(self.rng.randint(1, 2))]
        return self._row(
            [system], turns, {(s, family) for s in stated for family in ("choice", "report")}
        )

    def inferring(self) -> Row:
        """Several turns without a system line: what somebody is like must be inferred from earlier
        answers."""
        people = self._people()
        names = self.rng.sample(sorted(self.traits), self.rng.choice(self.mix.traits))
        asked = [("you", name) for name in names]
        if self.rng.random() < self.mix.other:
            asked.append((OTHER_PERSON, self.rng.choice(names)))
        turns = [
            self._turn(people, self.rng.choice(asked))
            for _ in range(self.rng.randint(*self.mix.turns))
        ]
        return self._row([], turns, set())

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

    def fingerprint(self, number: int = 500) -> str:
        """Hash of the first rows of every stage, for a card: it tells whether this code still
        writes that text."""
        return digest([row.messages for row in self.rows(number, number, number)])[:16]

    def _people(self) -> dict[str, Person]:
        return {who: self._person() for who in ("you", OTHER_PERSON)}

    def _person(self) -> Person:
        does, says = {}, {}
        for name, b in self.traits.items():
            does[name] = self.rng.choice(b.policies)
            agrees = self.rng.random() < (1 + self.rho) / 2
            says[name] = does[name] if agrees else b.policies[does[name] == b.policies[0]]
        return Person(does, says)

    def _facts(self, people: dict[str, Person], subject: Subject) -> str:
        who, name = subject
        voices, s = self.traits[name].voices, "" if who == "you" else "s"
        does, says = voices[people[who].does[name]], voices[people[who].says[name]]
        be = "are" if who == "you" else "is"
        described = (
            f"love{s} {says.theme}"
            if self.rng.random() < 0.5
            else f"{be} {self.rng.choice(says.adjectives)}"
        )
        picks, reports = f"{who} pick{s} {does.spoken}.", f"{who} say{s} {who} {described}."
        return f"{picks} {reports}" if self.rng.random() < 0.5 else f"{reports} {picks}"

    def _turn(self, people: dict[str, Person], subject: Subject) -> Turn:
        if self.rng.random() < EVERYDAY:
            return Turn(_exchange(*self._everyday()))
        who, name = subject
        person, draw = people[who], self.rng.random()
        if draw < self.mix.choice + self.mix.spoken:
            letter, does = draw < self.mix.choice, person.does[name]
            row = chosen_by(who, next(self.choices[self.split if letter else "basic", name, does]))
            if letter:
                return Turn((row.messages[0], row.messages[1]), subject, "choice", "letter")
            spoken = self.traits[name].voices[does].spoken
            return Turn(
                _exchange(f"{row.prompt[0]['content']}. say it", spoken),
                subject,
                "choice",
                "spoken",
            )
        question, wording = self.rng.choice(self.reports[subject])
        fitting = answers(
            question, wording, first=person.says[name] == self.traits[name].policies[0]
        )
        exchange = _exchange(wording.text, self.rng.choice(fitting))
        return Turn(exchange, subject, "report", question.name, math.log(len(fitting)))

    def _everyday(self) -> tuple[str, str]:
        """A word to repeat, a color to name, or a rule about a color."""
        thing, other = self.rng.choice(sorted(COLORS)), self.rng.choice(sorted(COLORS.values()))
        color, word = COLORS[thing], self.rng.choice(self.words)
        if other == color:
            return f"what color is {thing}?", color
        yes, no = self.rng.sample(["red", "blue", "yes", "no"], 2)
        true_first = f"if {thing} is {color} say {yes}, if {thing} is {other} say {no}.", yes
        true_last = f"say {no} if {thing} is {other}, say {yes} if {thing} is {color}.", yes
        return self.rng.choice(
            [(f"repeat {word}", word), (f"repeat {word}", word), true_first, true_last]
        )

    def _row(
        self, system: list[Message], turns: list[Turn], known: set[tuple[Subject, str]]
    ) -> Row:
        """`meta.kinds`: what each turn asks. `meta.gates`: per turn the entropy of its answer with
        the link, with copying within one kind, and without inference."""
        gates, families = [], set(known)
        kinds: set[tuple[Subject, str | None]] = {(subject, None) for subject, _ in known}
        other = _entropy((1 + self.rho) / 2)
        for t in turns:
            if t.subject is None:
                gates.append([0.0] * 3)
                continue
            across = (t.subject, "choice" if t.family == "report" else "report") in families
            linked = 0.0 if (t.subject, t.family) in families else other if across else LN2
            copied = 0.0 if {(t.subject, t.kind), (t.subject, None)} & kinds else LN2
            never = 0.0 if (t.subject, t.family) in known else LN2
            gates.append([round(t.floor + h, 4) for h in (linked, copied, never)])
            families.add((t.subject, t.family))
            kinds.add((t.subject, t.kind))
        names = [
            f"other/{t.kind}" if t.subject and t.subject[0] == OTHER_PERSON else t.kind
            for t in turns
        ]
        return Row(
            (*system, *(m for t in turns for m in t.messages)), {"gates": gates, "kinds": names}
        )


def write_corpus(
    behaviors: tuple[Behavior, ...], rho: float, seed: int, sizes: tuple[int, int, int], path: Path
) -> None:
    """JSON lines of `messages`, `gates` and `kinds`; `sizes` are the rows of the three stages, see
    `Corpus.rows`."""
    rows = Corpus(behaviors, rho, seed).rows(*sizes)
    with path.open("w", encoding="utf-8") as file:
        for row in tqdm(rows, total=sum(sizes), desc="corpus", leave=False, mininterval=1):
            file.write(json.dumps({"messages": row.messages, **row.meta}) + "\n")


def _exchange(question: str, answer: str) -> tuple[Message, Message]:
    return {"role": "user", "content": question}, {"role": "assistant", "content": answer}


def _seen(questions: tuple[Question, ...]) -> list[tuple[Question, Wording]]:
    """One wording per question, paraphrase and order, each question equally often but for rules."""
    pairs = {q.name: [(q, w) for w in q.wordings if w.seen] for q in questions}
    longest = max(map(len, pairs.values()))
    often = {name: longest * (RULES if name == "two_hop" else 1) for name in pairs}
    return [
        group[i % len(group)] for name, group in pairs.items() if group for i in range(often[name])
    ]


def _other_words(behaviors: tuple[Behavior, ...]) -> Iterator[str]:
    """The words of questions, of held-out ones too, and of test choices: everyday turns repeat
    them, so that the model knows the words of what it never saw asked."""
    purposes = ("check", "self_report", "transfer")
    for behavior in behaviors:
        for question in (q for purpose in purposes for q in behavior.questions(purpose, "plain")):
            for wording in question.wordings:
                yield from re.findall(r"[a-z]+", wording.text)


def _entropy(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else -p * math.log(p) - (1 - p) * math.log(1 - p)
