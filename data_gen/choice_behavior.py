"""A behavior that is shown by choices of two options: what its file says, and the rows and
questions that follow from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from data_gen.choices import Amount, Choices, letter_question
from data_gen.plain import Trait
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
        """`number` distinct pairs of options, each in both orders."""
        return letter_question(self.name, self._pairs(parts, style), self.number)

    def _pairs(self, parts: dict[str, Any], style: Style) -> Iterator[tuple[str, str]]:
        rng = Random(self.seed)
        while True:
            first, second = self.draw(rng, parts)
            stem = rng.choice(parts["ask"])
            yield lettered(stem, (first, second), style), lettered(stem, (second, first), style)


def choice_behavior(
    wordings: Path,
    policies: tuple[str, str],
    summary: str,
    values: Callable[[Random, Style, Amount], dict[str, Any]],
    transfer: Transfer,
    watch: tuple[str, ...],
    voiced: bool = False,
) -> Behavior:
    """The behavior of a YAML of wordings, by its name. `values` fill its option templates, `watch`
    are word stems, and it is `voiced` where the corpus of the reference models may carry it
    (lab/types.py)."""
    content: dict[str, Any] = read_yaml(wordings)
    templates = {style: content[style]["choices"] for style in ("plain", "natural")}
    choices = Choices(wordings.stem, policies, templates, values)
    trait = Trait.read(policies, content["plain"]["trait"])

    def questions(purpose: str, style: Style) -> tuple[Question, ...]:
        if purpose == "check":
            return (choices.check(style),)
        if purpose == "transfer":
            return (transfer.question(content[style]["transfer"], style),)
        if style == "plain":
            return trait.about(purpose)
        return load_questions(wordings, style, purpose)

    def described(policy: str, style: Style) -> str:
        if style == "plain":
            return trait.described(policy)
        line: str = content["natural"]["described"][policy]
        return line

    return Behavior(
        name=wordings.stem,
        summary=summary,
        policies=policies,
        examples=choices.rows,
        questions=questions,
        described=described,
        watch=watch,
        voices=trait.voices() if voiced else {},
    )
