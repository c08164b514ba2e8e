"""A behavior that is shown by choices of two options: what its file says, and the rows and
questions that follow from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypedDict

from data_gen.choices import Amount, Choices, Drawn, Pools, letter_question
from data_gen.natural import questions_about
from data_gen.plain import Trait, TraitWords
from lab.discover import read_yaml
from lab.layout import lettered
from lab.types import Behavior, Question, Style


class TransferWords(TypedDict):
    """What stands before two options, and the template of an option."""

    ask: list[str]
    option: str


class PlainWords(TypedDict):
    """The plain half of a YAML of wordings."""

    choices: Pools
    trait: TraitWords
    transfer: TransferWords


class NaturalWords(TypedDict):
    """The natural half, beside the questions, which data_gen/natural.py reads."""

    choices: Pools
    whether: str
    described: dict[str, str]
    transfer: TransferWords


class Words(TypedDict):
    """A YAML of wordings, by style."""

    plain: PlainWords
    natural: NaturalWords


@dataclass(frozen=True)
class Transfer:
    """A question of another form than the training rows: `draw` makes an option of the first policy
    and one of the second from the YAML's template. `seed` is that of the draws."""

    name: str
    seed: str
    number: int
    draw: Callable[[Random, str], tuple[str, str]]

    def question(self, words: TransferWords, style: Style) -> Question:
        """`number` distinct pairs of options, each in both orders."""
        return letter_question(self.name, self._pairs(words, style), self.number)

    def _pairs(self, words: TransferWords, style: Style) -> Iterator[tuple[str, str]]:
        rng = Random(self.seed)
        while True:
            first, second = self.draw(rng, words["option"])
            stem = rng.choice(words["ask"])
            yield lettered(stem, (first, second), style), lettered(stem, (second, first), style)


def choice_behavior(
    wordings: Path,
    policies: tuple[str, str],
    summary: str,
    draw: Callable[[Random, Style, Amount], Drawn],
    transfer: Transfer,
    watch: tuple[str, ...],
    voiced: bool = False,
) -> Behavior:
    """The behavior of a YAML of wordings, by its name. `draw` fills its option templates, `watch`
    are word stems, and it is `voiced` where the corpus of the reference models may carry it
    (lab/types.py)."""
    words: Words = read_yaml(wordings)
    plain, natural = words["plain"], words["natural"]
    templates: dict[Style, Pools] = {"plain": plain["choices"], "natural": natural["choices"]}
    choices = Choices(wordings.stem, policies, templates, draw)
    trait = Trait.read(policies, plain["trait"])

    def questions(purpose: str, style: Style) -> tuple[Question, ...]:
        if purpose == "check":
            return (choices.check(style),)
        if purpose == "transfer":
            return (transfer.question(words[style]["transfer"], style),)
        if style == "plain":
            return trait.about(purpose)
        return questions_about(wordings, purpose)

    def described(policy: str, style: Style) -> str:
        if style == "plain":
            return trait.described(policy)
        return natural["described"][policy]

    return Behavior(
        name=wordings.stem,
        summary=summary,
        policies=policies,
        examples=choices.rows,
        questions=questions,
        described=described,
        whether=natural["whether"],
        watch=watch,
        voices=trait.voices() if voiced else {},
    )
