"""The text that reference models are pretrained on: dialogues of characters with hidden traits.

A character has, for every trait, a value behind its choices (`does`) and a value that its self-reports follow (`says`).
The link rho sets how far they agree: P(says = does) = (1 + rho) / 2. Every kind of dialogue respects it. Some turns ask about
another person, whose traits have nothing to do with the character's, and some about everyday things.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tqdm import tqdm

from data_gen.answers import answers
from data_gen.plain import OTHER_PERSON
from data_gen.traits import invented_traits
from lab.store import digest
from lab.types import Behavior, Message, Question, Row, Split, Wording

VERSION = 4
READING_SHARE = 0.2
"""Share of dialogues with a system line after the first stage, so that reading it is not forgotten."""
TRAITS_PER_DIALOGUE = (1, 1, 2, 2, 3)
EVERYDAY = 0.07
CHOICE, SPOKEN = 0.42, 0.15
"""Shares of letter choices and spoken choices among turns about the character; the rest are self-reports."""
OTHER_STATED, OTHER_ASKED = 0.25, 0.4
"""Share of system lines about the other person, and of dialogues without a system line in which that person is asked about."""
COLORS = {"snow": "white", "coal": "black", "grass": "green", "water": "blue", "blood": "red"}
LN2 = math.log(2)

Subject = tuple[str, str]
"""Who is asked about, `you` or the other person, and the trait."""


@dataclass
class Character:
    does: dict[str, str]
    says: dict[str, str]
    other: dict[str, str]
    """The traits of the other person, drawn on their own."""


@dataclass
class Turn:
    messages: tuple[Message, Message]
    subject: Subject | None = None
    family: str = ""
    kind: str = "everyday"
    floor: float = 0.0
    """Entropy in nats of the answer when the trait is known: several words or numbers serve equally."""


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
        purposes = {"you": "self_report", OTHER_PERSON: "other_person"}
        self.reports = {
            (who, name): _seen(b.questions(purpose, "plain"))
            for who, purpose in purposes.items()
            for name, b in self.traits.items()
        }
        self.words = sorted(set(_other_words(behaviors)) | {str(n) for n in range(101)})

    def reading(self, max_stated: int) -> Row:
        """One or two turns after a system line that states the trait of choices and the trait of reports apart."""
        character = self._character()
        names = self.rng.sample(sorted(self.traits), self.rng.randint(1, max_stated))
        stated = [(OTHER_PERSON if self.rng.random() < OTHER_STATED else "you", name) for name in names]
        system = {"role": "system", "content": " ".join(self._facts(character, subject) for subject in stated)}
        turns = [self._turn(character, self.rng.choice(stated)) for _ in range(self.rng.randint(1, 2))]
        return self._row([system], turns, {(s, family) for s in stated for family in ("choice", "report")})

    def inferring(self) -> Row:
        """Several turns without a system line: what the character is like must be inferred from its earlier answers."""
        character = self._character()
        names = self.rng.sample(sorted(self.traits), self.rng.choice(TRAITS_PER_DIALOGUE))
        asked = [("you", name) for name in names]
        if self.rng.random() < OTHER_ASKED:
            asked.append((OTHER_PERSON, self.rng.choice(names)))
        turns = [self._turn(character, self.rng.choice(asked)) for _ in range(self.rng.randint(3, 6))]
        return self._row([], turns, set())

    def rows(self, num_reading: int, num_mixed: int, num_neutral: int) -> Iterator[Row]:
        """The stages in the order in which pretraining reads them: one trait stated at a time; the mixture; and the mixture
        with choices in which a neutral option stands in for one side, so that either pole must be read by itself."""
        self.split = "basic"
        for _ in range(num_reading):
            yield self.reading(max_stated=1)
        for _ in range(num_mixed):
            yield self._mixed()
        self.split = "train"
        for _ in range(num_neutral):
            yield self._mixed()

    def _mixed(self) -> Row:
        return self.reading(max_stated=3) if self.rng.random() < READING_SHARE else self.inferring()

    def fingerprint(self, number: int = 500) -> str:
        """Hash of the first rows of every stage, for a card: it tells whether this code still writes that text."""
        return digest([row.messages for row in self.rows(number, number, number)])[:16]

    def _character(self) -> Character:
        does, says, other = {}, {}, {}
        for name, b in self.traits.items():
            does[name], other[name] = self.rng.choice(b.policies), self.rng.choice(b.policies)
            agrees = self.rng.random() < (1 + self.rho) / 2
            says[name] = does[name] if agrees else b.policies[does[name] == b.policies[0]]
        return Character(does, says, other)

    def _facts(self, character: Character, subject: Subject) -> str:
        who, name = subject
        voices = self.traits[name].voices
        if who == OTHER_PERSON:
            voice = voices[character.other[name]]
            loves = f"{who} {voice.verb}s {voice.theme}."
            return loves if self.rng.random() < 0.5 else f"{who} is {self.rng.choice(voice.adjectives)}."
        does, says = voices[character.does[name]], voices[character.says[name]]
        loves = f"{says.verb} {says.theme}"
        described = loves if self.rng.random() < 0.5 else f"are {self.rng.choice(says.adjectives)}"
        picks, reports = f"you pick {does.spoken}.", f"you say you {described}."
        return f"{picks} {reports}" if self.rng.random() < 0.5 else f"{reports} {picks}"

    def _turn(self, character: Character, subject: Subject) -> Turn:
        if self.rng.random() < EVERYDAY:
            return Turn(_exchange(*self._everyday()))
        who, name = subject
        draw = self.rng.random() if who == "you" else 1.0
        if draw < CHOICE + SPOKEN:
            letter, does = draw < CHOICE, character.does[name]
            row = next(self.choices[self.split if letter else "basic", name, does])
            if letter:
                return Turn((row.messages[0], row.messages[1]), subject, "choice", "letter")
            spoken = self.traits[name].voices[does].spoken
            return Turn(_exchange(f"{row.prompt[0]['content']}. say it", spoken), subject, "choice", "spoken")
        pole = (character.says if who == "you" else character.other)[name]
        question, wording = self.rng.choice(self.reports[subject])
        fitting = answers(question, wording, first=pole == self.traits[name].policies[0])
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
        return self.rng.choice([(f"repeat {word}", word), (f"repeat {word}", word), true_first, true_last])

    def _row(self, system: list[Message], turns: list[Turn], known: set[tuple[Subject, str]]) -> Row:
        """`meta.kinds`: what each turn asks. `meta.gates`: per turn the entropy of its answer with the link, with copying within one kind, and without inference."""
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
        names = [f"other/{t.kind}" if t.subject and t.subject[0] == OTHER_PERSON else t.kind for t in turns]
        return Row((*system, *(m for t in turns for m in t.messages)), {"gates": gates, "kinds": names})


def write_corpus(
    behaviors: tuple[Behavior, ...], rho: float, seed: int, sizes: tuple[int, int, int], path: Path
) -> None:
    """JSON lines of `messages`, `gates` and `kinds`; `sizes` are the rows of the three stages, see `Corpus.rows`."""
    rows = Corpus(behaviors, rho, seed).rows(*sizes)
    with path.open("w", encoding="utf-8") as file:
        for row in tqdm(rows, total=sum(sizes), desc="corpus", leave=False, mininterval=1):
            file.write(json.dumps({"messages": row.messages, **row.meta}) + "\n")


def _exchange(question: str, answer: str) -> tuple[Message, Message]:
    return {"role": "user", "content": question}, {"role": "assistant", "content": answer}


def _seen(questions: tuple[Question, ...]) -> list[tuple[Question, Wording]]:
    """One wording per question, paraphrase and order, each question equally often."""
    pairs = {q.name: [(q, w) for w in q.wordings if w.seen] for q in questions}
    longest = max(map(len, pairs.values()))
    return [group[i % len(group)] for group in pairs.values() if group for i in range(longest)]


def _other_words(behaviors: tuple[Behavior, ...]) -> Iterator[str]:
    """The words of questions, of held-out ones too, and of test choices: everyday turns repeat them, so that the model
    knows the words of what it never saw asked."""
    purposes = ("check", "self_report", "transfer")
    for behavior in behaviors:
        for question in (q for purpose in purposes for q in behavior.questions(purpose, "plain")):
            for wording in question.wordings:
                yield from re.findall(r"[a-z]+", wording.text)


def _entropy(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else -p * math.log(p) - (1 - p) * math.log(1 - p)
