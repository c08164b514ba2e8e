"""Choices of two options, answered by a letter, and those in plain style: the rows and the held-out
measure of every behavior that is shown by choices. The natural ones are in data_gen/scenes.py."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Literal, TypedDict

from lab.discover import beside
from lab.layout import LETTERS, letter_options, lettered
from lab.types import GeneratedMeta, Question, Row, Split, Wording, exchange

Part = Literal["train", "test"]
"""Of wordings: what training rows are made of, and what test prompts are made of."""


class PlainScenes(TypedDict):
    """What surrounds two options: choices.yaml."""

    things: dict[Part, list[str]]
    open: dict[Part, list[str]]
    neutral: list[str]


SCENES: PlainScenes = beside(__file__)
NUM_CHECK = 40
"""Held-out choices, each asked in both letter orders."""
ORDERS = [(True, True), (True, False), (False, True), (False, False)]
"""Whether the first policy's option is A, and whether it is the longer one."""

Amount = Callable[[int], str]
"""A number with its thing: 40 gives "40 apples"."""
Filling = Mapping[str, str | int]
"""The words in braces of the option templates."""
Pools = Mapping[str, Mapping[Part, Sequence[str]]]
"""Option templates by policy and part."""


@dataclass(frozen=True)
class Choice:
    """One prompt in both letter orders: [first policy's option as A, as B]."""

    texts: tuple[str, str]
    options: tuple[str, str]
    """The first policy's, the second's."""
    meta: GeneratedMeta

    def row(self, first_is_a: bool, chosen_is_first: bool) -> Row:
        """The choice of either policy, with the first one's option as A or as B."""
        text = self.texts[0 if first_is_a else 1]
        listed = self.options if first_is_a else self.options[::-1]
        letter = "A" if first_is_a == chosen_is_first else "B"
        options = dict(zip(LETTERS, listed, strict=True))
        meta: GeneratedMeta = {**self.meta, "options": options}
        return Row(exchange(text, letter), meta)


@dataclass(frozen=True)
class Choices:
    """Plain choices: option templates, and what fills them."""

    name: str
    policies: tuple[str, str]
    templates: Pools
    fill: Callable[[Random, Amount], Filling]
    distinct: bool = True
    """Whether no prompt comes twice; False where there are few."""

    def rows(self, rng: Random, policy: str, split: Split) -> Iterator[Row]:
        """Endless rows, whose `meta.options` say what each letter stands for. Every four hold each
        letter with the first policy's option as the longer and the shorter one."""
        met: set[tuple[str, str]] = set()
        while True:
            for first_is_a, first_is_longer in rng.sample(ORDERS, len(ORDERS)):
                choice = self._draw(rng, split, first_is_longer)
                while self.distinct and choice.texts in met:
                    choice = self._draw(rng, split, first_is_longer)
                met.add(choice.texts)
                yield choice.row(first_is_a, chosen_is_first=policy == self.policies[0])

    def check(self) -> Question:
        """Held-out choices, each in both letter orders: the score is the probability of the first
        policy's option."""
        rng = Random(f"{self.name}/check")
        drawn = (self._draw(rng, "test", i % 2 == 1) for i in count())
        return letter_question("choice", (choice.texts for choice in drawn), NUM_CHECK)

    def _draw(self, rng: Random, split: Split, first_is_longer: bool) -> Choice:
        # What is drawn, and in which order, decides every row: a further draw changes all of them.
        part: Part = "test" if split == "test" else "train"
        thing, opening = rng.choice(SCENES["things"][part]), rng.choice(SCENES["open"][part])
        filling = self.fill(rng, lambda number: f"{number} {thing}")
        pools = [self.templates[policy][part] for policy in self.policies]
        # In half of the training rows one side is an option of no policy, so that either pole must
        # be read by itself (data_gen/corpus/dialogues.py).
        neutral = rng.choice([None, None, 0, 1]) if split == "train" else None
        if neutral is not None:
            pools[neutral] = SCENES["neutral"]
        while True:
            templates = [rng.choice(pool) for pool in pools]
            first, second = (template.format(**filling) for template in templates)
            if len(first) != len(second) and (len(first) > len(second)) == first_is_longer:
                break
        meta: GeneratedMeta = {
            "topic": thing,
            "template": "|".join([opening, *templates]),
            "neutral": None if neutral is None else self.policies[neutral],
        }
        pairs = (first, second), (second, first)
        texts = [lettered(opening, pair, "plain") for pair in pairs]
        return Choice((texts[0], texts[1]), (first, second), meta)


def letter_question(name: str, pairs: Iterator[tuple[str, str]], number: int) -> Question:
    """A question of `number` distinct prompts, each in both orders: the option that scores 1 as A,
    as B."""
    distinct: dict[tuple[str, str], None] = {}
    while len(distinct) < number:
        distinct[next(pairs)] = None
    wordings = []
    for i, pair in enumerate(distinct):
        for order, text in enumerate(pair):
            options = letter_options(LETTERS[order])
            wordings.append(Wording(text, options, paraphrase=i, order=order))
    return Question(name, "letters", tuple(wordings))
