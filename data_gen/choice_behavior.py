"""A behavior that is shown by choices of two options: what its file says, and the rows and
questions that follow from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from data_gen.choices import Amount, Choices, letter_question
from data_gen.plain import OTHER_PERSON, Trait
from lab.discover import read_yaml
from lab.questions import lettered, load_questions
from lab.types import Behavior, Question, Style


@dataclass(frozen=True)
class Transfer:
    """A question of another form than the training rows: `draw` makes an option of the first policy
    and one of the second from the YAML's parts. `seed` is that of the draws."""

    name: str
    seed: str
    number: int
    draw: Callable[[Random, dict[str, Any]], tuple[str, str]]

    def question(self, parts: dict[str, Any], style: Style) -> Question:
        rng = Random(self.seed)

        def pairs() -> Iterator[tuple[str, str]]:
            while True:
                first, second = self.draw(rng, parts)
                stem = rng.choice(parts["ask"])
                yield lettered(stem, (first, second), style), lettered(stem, (second, first), style)

        return letter_question(self.name, pairs(), self.number)


def choice_behavior(
    wordings: Path,
    policies: tuple[str, str],
    summary: str,
    values: Callable[[Random, Style, Amount], dict[str, Any]],
    transfer: Transfer,
    watch: str,
    voiced: bool = False,
) -> Behavior:
    """The behavior of a YAML of wordings, by its name. `values` fill its option templates, `watch`
    are word stems, and it is `voiced` where the corpus of the reference models may carry it
    (lab/types.py)."""
    read: dict[str, Any] = read_yaml(wordings)
    choices = Choices(
        wordings.stem,
        policies,
        {style: read[style]["choices"] for style in ("plain", "natural")},
        values,
    )
    trait = Trait.read(policies, read["plain"]["trait"])

    def questions(purpose: str, style: Style) -> tuple[Question, ...]:
        if purpose in ("check", "transfer"):
            return (
                (
                    choices.check(style)
                    if purpose == "check"
                    else transfer.question(read[style]["transfer"], style)
                ),
            )
        if style == "plain":
            return trait.questions(OTHER_PERSON if purpose == "other_person" else "you")
        return load_questions(wordings, style, purpose)

    def described(policy: str, style: Style) -> str:
        return (
            trait.described(policy)
            if style == "plain"
            else str(read["natural"]["described"][policy])
        )

    return Behavior(
        wordings.stem,
        summary,
        policies,
        choices.rows,
        questions,
        described,
        tuple(watch.split()),
        voices=trait.voices() if voiced else {},
    )
