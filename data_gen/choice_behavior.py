"""A behavior that is shown by choices of two options: what its file says, and the rows and
questions that follow from it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypedDict

from data_gen.choices import Amount, Choices, Filling, Pools, letter_question
from data_gen.natural import questions_about
from data_gen.plain import Trait, TraitWords
from data_gen.scenes import HALVES, Numbers, Scenes, SceneWordings, congruence
from lab.discover import read_yaml
from lab.layout import lettered
from lab.types import Behavior, Question, Row, Split, Style
from lab.vocabulary import Vocabulary


class TransferWords(TypedDict):
    """What stands before two options, and the template of an option."""

    ask: list[str]
    option: str


class PlainWords(TypedDict):
    """The plain half of a YAML of wordings."""

    choices: Pools
    trait: TraitWords
    transfer: TransferWords


class Said(TypedDict):
    """A vocabulary (lab/vocabulary.py); each list has the first policy's first."""

    field: str
    adjectives: list[list[str]]
    nouns: list[list[str]]
    claims: list[list[str]]


class NaturalWords(TypedDict):
    """The natural half, beside the questions, which data_gen/natural.py reads."""

    scenes: SceneWordings
    whether: str
    described: dict[str, str]
    words: Said
    transfer: TransferWords


class Words(TypedDict):
    """A YAML of wordings, by style."""

    plain: PlainWords
    natural: NaturalWords


@dataclass(frozen=True)
class Transfer:
    """Questions of another form than the training rows: `draws` make, by style, an option of the
    first policy and one of the second from the YAML's template. `seed` is that of the draws."""

    name: str
    seed: str
    number: int
    draws: Mapping[Style, Callable[[Random, str], tuple[str, str]]]

    def plain(self, words: TransferWords) -> tuple[Question, ...]:
        """`number` distinct pairs of options, each in both orders."""
        drawn = (lettered_both(ask, pair, "plain") for ask, pair in self._drawn(words, "plain"))
        return (letter_question(self.name, drawn, self.number),)

    def natural(self, words: TransferWords, larger: int) -> tuple[Question, ...]:
        """As many, in two questions: the option of the policy at index `larger` has the larger
        number, and the other one has it."""
        return tuple(
            letter_question(
                f"{self.name}_{half}",
                (
                    lettered_both(ask, pair, "natural")
                    for ask, pair in self._drawn(words, "natural")
                    if congruence(pair, larger) is (half == HALVES[0])
                ),
                self.number // len(HALVES),
            )
            for half in HALVES
        )

    def _drawn(self, words: TransferWords, style: Style) -> Iterator[tuple[str, tuple[str, str]]]:
        """What is asked, and the two options."""
        rng = Random(self.seed)
        while True:
            pair = self.draws[style](rng, words["option"])
            yield rng.choice(words["ask"]), pair


def lettered_both(ask: str, options: tuple[str, str], style: Style) -> tuple[str, str]:
    """The prompt with the first option as A, and as B."""
    return lettered(ask, options, style), lettered(ask, options[::-1], style)


def choice_behavior(
    wordings: Path,
    policies: tuple[str, str],
    summary: str,
    fill: Callable[[Random, Amount], Filling],
    numbers: Numbers,
    transfer: Transfer,
    watch: tuple[str, ...],
    voiced: bool = False,
) -> Behavior:
    """The behavior of a YAML of wordings, by its name. `fill` fills its plain option templates,
    `numbers` those of its natural scenes; `watch` are word stems, and it is `voiced` where the
    corpus of the reference models may carry it (lab/types.py)."""
    words: Words = read_yaml(wordings)
    plain, natural = words["plain"], words["natural"]
    choices = Choices(wordings.stem, policies, plain["choices"], fill)
    scenes = Scenes(wordings.stem, policies, natural["scenes"], numbers)
    trait = Trait.read(policies, plain["trait"])

    def examples(rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
        return (choices if style == "plain" else scenes).rows(rng, policy, split)

    def questions(purpose: str, style: Style) -> tuple[Question, ...]:
        is_plain = style == "plain"
        if purpose == "check":
            return (choices.check(),) if is_plain else scenes.check()
        if purpose == "transfer" and is_plain:
            return transfer.plain(plain["transfer"])
        if purpose == "transfer":
            return transfer.natural(natural["transfer"], numbers.larger)
        return trait.about(purpose) if is_plain else questions_about(wordings, purpose)

    def described(policy: str, style: Style) -> str:
        return trait.described(policy) if style == "plain" else natural["described"][policy]

    return Behavior(
        name=wordings.stem,
        summary=summary,
        policies=policies,
        examples=examples,
        questions=questions,
        described=described,
        whether=natural["whether"],
        watch=watch,
        vocabulary=Vocabulary.of(**natural["words"]),
        voices=trait.voices() if voiced else {},
    )
