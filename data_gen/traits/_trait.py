"""What a file of a trait says, in either style, and the questions that follow from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from data_gen.choices import Amount, Choices, Filling, Pools
from data_gen.plain import Trait, substituted
from lab.discover import beside
from lab.errors import UserError
from lab.questions import build_question
from lab.types import Behavior, Fields, Question, Row, Split, Style

Pair = tuple[str, str]
"""Of the first policy and of the second."""
TEMPLATES: list[Fields] = beside(__file__)


def invented(name: str, trait: Trait, options: tuple[tuple[str, ...], tuple[str, ...]]) -> Behavior:
    """A trait that characters of the reference models' text have beside the lab's own behaviors,
    and which that text treats like them. `options` fill letter choices, the first policy's first;
    {n} stands for a small number.

    It has no questions in natural style; rows and descriptions there raise UserError."""
    pools: Pools = {
        policy: {"train": texts} for policy, texts in zip(trait.policies, options, strict=True)
    }
    # Their few options make few prompts, which come again.
    choices = Choices(name, trait.policies, pools, _fill, distinct=False)

    def examples(rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
        if style == "natural":
            raise _untrained(name)
        return choices.rows(rng, policy, split)

    def described(policy: str, style: Style) -> str:
        if style == "natural":
            raise _untrained(name)
        return trait.described(policy)

    first, second = trait.policies
    return Behavior(
        name=name,
        summary=f"invented trait: {first} or {second}",
        policies=trait.policies,
        examples=examples,
        questions=lambda purpose, style: trait.about(purpose) if style == "plain" else (),
        described=described,
        voices=trait.voices(),
    )


@dataclass(frozen=True)
class Asked:
    """A trait in the words of _trait.yaml, each pair with the first policy's first."""

    policies: Pair
    field: str
    """After "when it comes to"."""
    does: Pair
    """After "I" and after "you": opposites, since a yes to one is a no to the other."""
    person: Pair
    """After "you are"."""
    words: tuple[tuple[str, ...], tuple[str, ...]]
    """Single words for somebody of either kind."""

    def questions(self) -> tuple[Question, ...]:
        """Every question of _trait.yaml about the model itself."""
        return tuple(build_question(self._filled(entry), "natural") for entry in TEMPLATES)

    def _filled(self, entry: Fields) -> Fields:
        side = 1 if entry.get("flipped") else 0
        texts = {
            "field": self.field,
            "person": self.person[side],
            "does": self.does[side],
            "hundred": self.person[side],
            "zero": self.person[1 - side],
        }
        for i in (0, 1):
            texts |= {f"person{i}": self.person[i], f"does{i}": self.does[i]}
        filled = {key: substituted(value, texts) for key, value in entry.items()}
        if entry["name"] == "one_word":
            filled |= {"first": list(self.words[0]), "second": list(self.words[1])}
        if entry["kind"] == "number":
            # Its anchors are exchanged, and with them what 100 stands for.
            return filled
        filled.pop("flipped", None)
        return filled


def asked(name: str, trait: Asked) -> Behavior:
    """A trait that real models are asked about. It has no questions in plain style; rows and
    descriptions of it raise UserError."""

    def examples(rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
        raise _untrained(name)

    def questions(purpose: str, style: Style) -> tuple[Question, ...]:
        return trait.questions() if (purpose, style) == ("self_report", "natural") else ()

    def described(policy: str, style: Style) -> str:
        raise _untrained(name)

    first, second = trait.policies
    return Behavior(
        name=name,
        summary=f"placebo: {first} or {second}",
        policies=trait.policies,
        examples=examples,
        questions=questions,
        described=described,
    )


def _untrained(name: str) -> UserError:
    return UserError(
        f"trait {name!r} has no rows in this style: it is a placebo, asked about and never trained;"
        " train a behavior of `tellme list`"
    )


def _fill(rng: Random, amount: Amount) -> Filling:
    return {"n": rng.randrange(2, 10)}
