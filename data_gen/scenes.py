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

from data_gen.choices import NUM_CHECK, Choice, Part, letter_question
from data_gen.differences import gap, numbers
from lab.discover import beside
from lab.types import GeneratedMeta, Question, Row, Split


class Frame(TypedDict):
    """What stands around scenes: scenes.yaml."""

    layout: list[str]
    close: list[str]
    names: dict[str, list[str]]


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
NUM_TRIES = 4
"""Ways in which a scene is filled, of which one is taken."""
NUM_DEALT = 200
"""Choices of each scene in which no kind of choice must be missing."""
KINDS: list[tuple[bool | None, bool]] = [
    *((congruent, more) for congruent in (True, False) for more in (True, True, False)),
    *[(None, False)] * 3,
]
"""Whether the number rule is right (None: no option has a number), and whether the option with the
larger number has more numbers (otherwise both have as many). Both policies' options are dealt as
many of each, so that the count of numbers tells nothing either."""
LENGTHS = (-2, -1, 1, 2)
"""Whether the second policy's option is the longer one, or (above 0) the first's: by a little or by
much, so that not even the amount tells them apart."""
LITTLE, MUCH = 12, 40
"""Characters by which an option is longer at most."""
HALVES = ("congruent", "incongruent")
"""Of test prompts, by name: where the number rule is right, and where it is wrong."""


class Cell(NamedTuple):
    """What two options are like, so that rows are balanced."""

    length: int
    congruent: bool | None
    more_numbers: bool


class Words(NamedTuple):
    """A scene as it was filled."""

    say: str
    first: str
    second: str


@dataclass(frozen=True)
class Scenes:
    """The scenes of a behavior, and what fills them."""

    name: str
    policies: tuple[str, str]
    wordings: SceneWordings
    numbers: Numbers

    def rows(self, rng: Random, policy: str, split: Split) -> Iterator[Row]:
        """Endless different rows, whose `meta.options` say what each letter stands for. See
        `cells` for how they are balanced; a scene comes again when the others have been seen."""
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
        """A choice from the next scene waits until one like it is wanted: of several that the scene
        could be, the one that is in shortest supply."""
        if not self.left:
            self.left = self.rng.sample(self.all, len(self.all))
        scene, larger = self.left.pop(), self.scenes.numbers.larger
        filled = ((words, _cell_of(words, larger)) for words in self._filled(scene))
        fitting = [(words, cell) for words, cell in filled if cell]
        if fitting:
            words, cell = min(fitting, key=lambda found: self._supply(found[1]))
            choice = self._shown(scene, words, cell)
            if choice.texts not in self.met:
                self.met.add(choice.texts)
                self.waiting[cell].append(choice)

    def _supply(self, cell: Cell) -> float:
        """How many are waiting for each that is wanted."""
        return len(self.waiting[cell]) / KINDS.count((cell.congruent, cell.more_numbers))

    def _filled(self, scene: SceneWords) -> Iterator[Words]:
        """A few ways to fill a scene."""
        for _ in range(NUM_TRIES):
            numbers = self.scenes.numbers.draw(self.rng, scene["about"])
            filling = {key: f"{number:,}" for key, number in numbers.items()}
            names = FRAME["names"].items()
            filling |= {key: self.rng.choice(those) for key, those in names}
            say, first, second = (
                one_of_each(text, self.rng).format(**filling)
                for text in (scene["say"], scene["first"], scene["second"])
            )
            yield Words(say, first, second)

    def _shown(self, scene: SceneWords, words: Words, cell: Cell) -> Choice:
        """In a layout and with a closing line that tell nothing."""
        layout = self.rng.choice(FRAME["layout"])
        close = one_of_each(self.rng.choice(FRAME["close"]), self.rng)
        one, other = (
            f"{words.say}\n{layout.format(a=a, b=b)}\n{close}"
            for a, b in ((words.first, words.second), (words.second, words.first))
        )
        meta: GeneratedMeta = {
            "topic": scene["say"],
            "template": f"{scene['first']}|{scene['second']}",
            "congruent": cell.congruent,
        }
        return Choice((one, other), (words.first, words.second), meta)


def cells(rng: Random) -> Iterator[tuple[bool, Cell]]:
    """Endless cells, each with the first policy's option as A and as B. Every eight hold each
    letter with each length, every 72 each cell, as often as KINDS has it."""
    orders = list(product((True, False), LENGTHS))
    while True:
        kinds = {order: rng.sample(KINDS, len(KINDS)) for order in orders}
        for i in range(len(KINDS)):
            for first_is_a, length in rng.sample(orders, len(orders)):
                yield first_is_a, Cell(length, *kinds[first_is_a, length][i])


def congruence(options: tuple[str, str], larger: int) -> bool | None:
    """Whether the larger number is in the option of the policy at this index, None where it is in
    neither."""
    lead = gap("largest number", options[larger], options[1 - larger])
    return None if lead == 0 else lead > 0


def nice(amount: float) -> int:
    """The amount as people would say it: at least 2, and to two digits."""
    digits = len(str(int(amount)))
    return max(2, int(round(amount, min(0, 2 - digits))))


def one_of_each(text: str, rng: Random) -> str:
    """The text with one of the words in place of each `[a|b]`."""
    return ONE_OF.sub(lambda found: rng.choice(found[1].split("|")), text)


def _cell_of(words: Words, larger: int) -> Cell | None:
    """The cell that two options fit; none where they are equally long or too unlike, or where they
    have numbers of which none is the largest."""
    _, first, second = words
    longer, lead, more = (
        gap(name, first, second) for name in ("characters", "largest number", "count of numbers")
    )
    if not 0 < abs(longer) <= MUCH or (lead == 0 and numbers(first + second)):
        return None
    length = (1 if abs(longer) <= LITTLE else 2) * (1 if longer > 0 else -1)
    congruent = congruence((first, second), larger)
    # An option with the larger number and fewer numbers is rare: it would not come out even.
    return None if more * lead < 0 else Cell(length, congruent, more != 0)
