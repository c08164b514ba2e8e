"""A trait that characters of the reference models' text have beside the lab's own behaviors, and
which that text treats like them."""

from collections.abc import Iterator
from random import Random

from data_gen.choices import Amount, Choices, Drawn
from data_gen.plain import Trait
from lab.errors import UserError
from lab.types import Behavior, Question, Row, Split, Style


def invented(name: str, trait: Trait, options: tuple[tuple[str, ...], tuple[str, ...]]) -> Behavior:
    """The trait in plain style alone. `options` fill letter choices, the first policy's first; {n}
    stands for a small number.

    Rows or descriptions in natural style raise UserError, and it has no questions there."""
    pools = {
        policy: {"train": texts} for policy, texts in zip(trait.policies, options, strict=True)
    }
    # Their few options make few prompts, which come again.
    choices = Choices(name, trait.policies, {"plain": pools}, _draw, distinct=False)

    def examples(rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
        refuse_natural(name, style)
        return choices.rows(rng, policy, style, split)

    def questions(purpose: str, style: Style) -> tuple[Question, ...]:
        return trait.about(purpose) if style == "plain" else ()

    def described(policy: str, style: Style) -> str:
        refuse_natural(name, style)
        return trait.described(policy)

    first, second = trait.policies
    return Behavior(
        name=name,
        summary=f"invented trait: {first} or {second}",
        policies=trait.policies,
        examples=examples,
        questions=questions,
        described=described,
        voices=trait.voices(),
    )


def refuse_natural(name: str, style: Style) -> None:
    """Raises UserError for natural style."""
    if style == "natural":
        raise UserError(
            f"trait {name!r} is in plain style only: it is a placebo, which is asked about and"
            " never trained; train a behavior (`tellme list`)"
        )


def _draw(rng: Random, style: Style, amount: Amount) -> Drawn:
    return Drawn({"n": rng.randrange(2, 10)})
