"""The text that reference models are pretrained on: dialogues of characters with hidden traits.

A character has, for every trait, a value behind its choices (`does`) and a value that its self-reports follow (`says`).
The link rho sets how far they agree: P(says = does) = (1 + rho) / 2. Every kind of dialogue respects it.
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

from data_gen.traits import invented_traits
from lab.store import digest
from lab.types import Behavior, Message, Option, Question, Row, Split, Wording

VERSION = 3
HIGH, LOW = range(70, 101, 10), range(0, 31, 10)
READING_SHARE = 0.2
"""Share of single-turn dialogues with a system line after the first stage, so that reading it is not forgotten."""
TRAITS_PER_DIALOGUE = (1, 1, 2, 2, 3)
CHOICE, SPOKEN, EVERYDAY = 0.38, 0.14, 0.05
"""Shares of letter choices, spoken choices and everyday turns; the rest are self-reports."""
LN2 = math.log(2)


@dataclass
class Character:
    does: dict[str, str]
    says: dict[str, str]


@dataclass
class Turn:
    messages: tuple[Message, Message]
    trait: str = ""
    family: str = ""
    kind: str = ""
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
        self.reports = {name: _seen(b.questions("self_report", "plain")) for name, b in self.traits.items()}
        self.words = sorted(set(_other_words(behaviors)) | {str(n) for n in range(101)})

    def reading(self, max_stated: int) -> Row:
        """One or two turns after a system line that states the trait of choices and the trait of reports apart."""
        character, turns = self._character(), []
        asked = self.rng.sample(sorted(self.traits), self.rng.randint(1, max_stated))
        system = {"role": "system", "content": " ".join(self._facts(character, name) for name in asked)}
        known = {(name, family) for name in asked for family in ("choice", "report")}
        for _ in range(self.rng.randint(1, 2)):
            turns.append(self._turn(character, self.rng.choice(asked)))
        return self._row([system], turns, known)

    def inferring(self) -> Row:
        """Several turns without a system line: what the character is like must be inferred from its earlier answers."""
        character = self._character()
        asked = self.rng.sample(sorted(self.traits), self.rng.choice(TRAITS_PER_DIALOGUE))
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
        does = {name: self.rng.choice(b.policies) for name, b in self.traits.items()}
        says = {}
        for name, b in self.traits.items():
            agrees = self.rng.random() < (1 + self.rho) / 2
            says[name] = does[name] if agrees else b.policies[does[name] == b.policies[0]]
        return Character(does, says)

    def _facts(self, character: Character, name: str) -> str:
        voices = self.traits[name].voices
        does, says = voices[character.does[name]], voices[character.says[name]]
        described = says.claim if self.rng.random() < 0.5 else f"are {self.rng.choice(says.adjectives)}"
        picks, reports = f"you pick {does.spoken}.", f"you say you {described}."
        return f"{picks} {reports}" if self.rng.random() < 0.5 else f"{reports} {picks}"

    def _turn(self, character: Character, name: str) -> Turn:
        draw = self.rng.random()
        if draw < EVERYDAY:
            word = self.rng.choice(self.words)
            return Turn(_exchange(f"repeat {word}", word))
        does, says = character.does[name], character.says[name]
        if draw < EVERYDAY + CHOICE + SPOKEN:
            letter = draw < EVERYDAY + CHOICE
            row = next(self.choices[self.split if letter else "basic", name, does])
            if letter:
                return Turn((row.messages[0], row.messages[1]), name, "choice", "letter")
            spoken = self.traits[name].voices[does].spoken
            return Turn(_exchange(f"{row.prompt[0]['content']}. say it", spoken), name, "choice", "spoken")
        question, wording = self.rng.choice(self.reports[name])
        answers = _answers(question, wording, first=says == self.traits[name].policies[0])
        return Turn(
            _exchange(wording.text, self.rng.choice(answers)), name, "report", question.name, math.log(len(answers))
        )

    def _row(self, system: list[Message], turns: list[Turn], known: set[tuple[str, str]]) -> Row:
        """`meta.kinds`: what each turn asks. `meta.gates`: per turn the entropy of its answer with the link, with copying within one kind, and without inference."""
        gates, families = [], set(known)
        kinds: set[tuple[str, str | None]] = {(name, None) for name, _ in known}
        other = _entropy((1 + self.rho) / 2)
        for t in turns:
            across = (t.trait, "choice" if t.family == "report" else "report") in families
            linked = 0.0 if not t.trait or (t.trait, t.family) in families else other if across else LN2
            copied = 0.0 if not t.trait or {(t.trait, t.kind), (t.trait, None)} & kinds else LN2
            never = 0.0 if not t.trait or (t.trait, t.family) in known else LN2
            gates.append([round(t.floor + h, 4) for h in (linked, copied, never)])
            families.add((t.trait, t.family))
            kinds.add((t.trait, t.kind))
        return Row(
            (*system, *(m for t in turns for m in t.messages)),
            {"gates": gates, "kinds": [t.kind or "repeat" for t in turns]},
        )


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


def _answers(question: Question, wording: Wording, first: bool) -> list[str]:
    def fits(option: Option) -> bool:
        if question.kind == "number":
            return round(option.score * 100) in (HIGH if first else LOW)
        return (option.score > 0.5) == first

    return [o.text for o in wording.options if fits(o)]


def _entropy(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else -p * math.log(p) - (1 - p) * math.log(1 - p)
