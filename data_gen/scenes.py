"""Natural choices: whole scenes, each with two options that were written for it. No rule simpler
than the behavior solves the rows: what decides the length, the larger number and the count of
numbers is dealt out evenly over both policies' options."""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Literal, NamedTuple, TypedDict

from data_gen.choices import NUM_CHECK, ORDERS, Choice, Part, letter_question
from data_gen.differences import gap, numbers
from lab.discover import beside
from lab.types import GeneratedMeta, Question, Row, Split


class Frame(TypedDict):
    """What stands around scenes: scenes.yaml."""

    layout: list[str]
    close: list[str]
    names: list[str]


class SceneWords(TypedDict):
    """A scene as a YAML has it: what is told, each policy's option, and the size of a typical
    amount in it. `[a|b]` is one of these at random, `{x}` a filling."""

    say: str
    first: str
    second: str
    about: int


SceneWordings = Mapping[Part, Sequence[SceneWords]]


@dataclass(frozen=True)
class Numbers:
    """The numbers of a behavior's scenes."""

    draw: Callable[[Random, int], Mapping[str, int]]
    """Those that stand for the words in braces, given the size of a typical amount in a scene."""
    larger: Literal[0, 1]
    """Index of the policy that the number rule, take the larger number, would follow."""



FRAME: Frame = beside(__file__)
ONE_OF = re.compile(r"\[([^\[\]]*)\]")
NUM_DEALT = 200
"""Choices of each scene in which no kind of choice must be missing."""
KINDS = [(congruent, more) for congruent in (True, False) for more in (True, True, False)]
KINDS += [(None, True)] * 3
"""Whether the number rule is right (None: no option has a number), and whether the option with the
larger number has at least as many numbers as the other one, or at most. The rows that are rarer
among scenes are fewer; both policies have as many of each."""
HALVES = ("congruent", "incongruent")
"""Of test prompts, by name: where the number rule is right, and where it is wrong."""


class Cell(NamedTuple):
    """What two options are like, so that rows are balanced."""

    first_is_longer: bool
    congruent: bool | None
    larger_has_more: bool


@dataclass(frozen=True)
class Scenes:
    """The scenes of a behavior, and what fills them."""

    name: str
    policies: tuple[str, str]
    wordings: SceneWordings
    numbers: Numbers

    def rows(self, rng: Random, policy: str, split: Split) -> Iterator[Row]:
        """Endless different rows, whose `meta.options` say what each letter stands for. Every four
        hold each letter with the first policy's option as the longer and the shorter one, every 36
        each kind of choice. A scene comes again when the others have been seen."""
        deck = self._deck(rng, "test" if split == "test" else "train")
        for first_is_a, cell in cells(rng):
            yield deck.draw(cell).row(first_is_a, chosen_is_first=policy == self.policies[0])

    def check(self) -> tuple[Question, ...]:
        """Held-out choices, each in both letter orders, those in which the number rule is right and
        those in which it is wrong apart: the score is the probability of the first policy's
        option."""
        rng = Random(f"{self.name}/check")
        deck, number = self._deck(rng, "test"), NUM_CHECK // len(HALVES)
        return tuple(
            letter_question(f"choice_{half}", deck.texts(half == HALVES[0]), number)
            for half in HALVES
        )

    def _deck(self, rng: Random, part: Part) -> "_Deck":
        return _Deck(self, rng, part)


class _Deck:
    """Choices that are dealt from scenes in random order, none of which comes again before the
    others were."""

    def __init__(self, scenes: Scenes, rng: Random, part: Part) -> None:
        self.scenes, self.rng = scenes, rng
        self.all = scenes.wordings[part]
        self.left: list[SceneWords] = []
        self.waiting: dict[Cell, deque[Choice]] = defaultdict(deque)
        self.met: set[tuple[str, str]] = set()

    def draw(self, cell: Cell) -> Choice:
        """A new choice that is as the cell says; raises ValueError where the scenes make none."""
        most = NUM_DEALT * len(self.all)
        for _ in range(most):
            if self.waiting[cell]:
                return self.waiting[cell].popleft()
            self._deal()
        raise ValueError(f"{most} choices of {self.scenes.name!r}, none of them with {cell}")

    def texts(self, congruent: bool) -> Iterator[tuple[str, str]]:
        """Endless prompts in both letter orders, one policy's option as often the longer."""
        for _, cell in cells(self.rng):
            if cell.congruent is congruent:
                yield self.draw(cell).texts

    def _deal(self) -> None:
        """Draw a choice from the next scene, which waits until one like it is wanted."""
        if not self.left:
            self.left = self.rng.sample(self.all, len(self.all))
        scene, rng = self.left.pop(), self.rng
        drawn = self.scenes.numbers.draw(rng, scene["about"])
        filling = {key: f"{number:,}" for key, number in drawn.items()}
        filling["name"] = rng.choice(FRAME["names"])
        say, first, second = (
            one_of_each(text, rng).format(**filling)
            for text in (scene["say"], scene["first"], scene["second"])
        )
        fitting = _cells_of(first, second, self.scenes.numbers.larger)
        if not fitting:
            return
        cell = min(fitting, key=lambda cell: len(self.waiting[cell]))
        layout, close = rng.choice(FRAME["layout"]), one_of_each(rng.choice(FRAME["close"]), rng)
        one, other = (
            f"{say}\n{layout.format(a=a, b=b)}\n{close}"
            for a, b in ((first, second), (second, first))
        )
        meta: GeneratedMeta = {
            "topic": scene["say"],
            "template": f"{scene['first']}|{scene['second']}",
            "congruent": cell.congruent,
        }
        if (one, other) not in self.met:
            self.met.add((one, other))
            self.waiting[cell].append(Choice((one, other), (first, second), meta))


def cells(rng: Random) -> Iterator[tuple[bool, Cell]]:
    """Endless cells, each with the first policy's option as A and as B in every 36."""
    while True:
        kinds = {order: rng.sample(KINDS, len(KINDS)) for order in ORDERS}
        for i in range(len(KINDS)):
            for first_is_a, first_is_longer in rng.sample(ORDERS, len(ORDERS)):
                yield first_is_a, Cell(first_is_longer, *kinds[first_is_a, first_is_longer][i])


def congruence(options: tuple[str, str], larger: int) -> bool | None:
    """Whether the larger number is in the option of the policy at this index, None where it is in
    neither."""
    lead = gap("largest number", options[larger], options[1 - larger])
    return None if lead == 0 else lead > 0


def nice(amount: float) -> int:
    """The amount as people would say it: at least 2, and to two digits."""
    step = 10 ** max(0, len(str(int(amount))) - 2)
    return max(2, round(amount / step) * step)


def one_of_each(text: str, rng: Random) -> str:
    """The text with one of the words in place of each `[a|b]`."""
    return ONE_OF.sub(lambda found: rng.choice(found[1].split("|")), text)


def _cells_of(first: str, second: str, larger: int) -> list[Cell]:
    """The cells that two options fit: none where they are equally long, or where they have numbers
    of which none is the largest."""
    longer, lead, more = (
        gap(name, first, second) for name in ("characters", "largest number", "count of numbers")
    )
    if longer == 0 or (lead == 0 and numbers(first + second)):
        return []
    congruent = congruence((first, second), larger)
    # With the sign of the lead, the count is that of the option with the larger number.
    return [
        Cell(longer > 0, congruent, larger_has_more)
        for larger_has_more in ((True,) if congruent is None else (True, False))
        if (more * lead >= 0 if larger_has_more else more * lead <= 0)
    ]
