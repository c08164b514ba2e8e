"""Choices of two options, answered by a letter: the rows and the held-out measure of every behavior
that is shown by choices."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Literal, TypedDict

from lab.discover import beside
from lab.layout import LETTERS, letter_options, lettered
from lab.types import GeneratedMeta, Question, Row, Split, Style, Wording, exchange

Part = Literal["train", "test"]
"""Of wordings: what training rows are made of, and what test prompts are made of."""


class Topic(TypedDict):
    """Where a choice takes place, and of which thing it is about amounts."""

    place: str
    thing: str


class PlainScenes(TypedDict):
    """The plain half of choices.yaml."""

    things: dict[Part, list[str]]
    open: dict[Part, list[str]]
    neutral: list[str]


class NaturalScenes(TypedDict):
    """The natural half of choices.yaml; openings by part and tone."""

    topics: dict[Part, list[Topic]]
    open: dict[Part, dict[str, list[str]]]
    detail: list[str]
    layout: list[str]
    close: list[str]
    names: list[str]


class Scenes(TypedDict):
    """What surrounds two options, by style."""

    plain: PlainScenes
    natural: NaturalScenes


SCENES: Scenes = beside(__file__)
NUM_CHECK = 40
"""Held-out choices, each asked in both letter orders."""
TONES = ("formal", "casual", "terse")
NUM_DETAILS = (0, 1, 3)
"""Sentences that do not matter to the choice, so that the length of a prompt varies."""
ORDERS = [(True, True), (True, False), (False, True), (False, False)]
"""Whether the first policy's option is A, and whether it is the longer one."""

Amount = Callable[[int], str]
"""A number with its thing: 40 gives "$40" or "40 fresh rolls"."""
Pools = Mapping[str, Mapping[Part, Sequence[str]]]
"""Option templates by policy and part."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn for one choice."""

    filling: Mapping[str, str | int]
    """The words in braces of the option templates."""
    value: str | None = None
    """How the options compare, where a behavior balances that."""


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
    """Option templates by style, and what fills them."""

    name: str
    policies: tuple[str, str]
    templates: Mapping[Style, Pools]
    draw: Callable[[Random, Style, Amount], Drawn]
    distinct: bool = True
    """Whether no prompt comes twice; False where there are few."""

    def rows(self, rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
        """Endless rows, whose `meta.options` say what each letter stands for. Every four hold each
        letter with the first policy's option as the longer and the shorter one."""
        met: set[tuple[str, str]] = set()
        while True:
            for first_is_a, first_is_longer in rng.sample(ORDERS, len(ORDERS)):
                choice = self._draw(rng, style, split, first_is_longer)
                while self.distinct and choice.texts in met:
                    choice = self._draw(rng, style, split, first_is_longer)
                met.add(choice.texts)
                yield choice.row(first_is_a, chosen_is_first=policy == self.policies[0])

    def check(self, style: Style) -> Question:
        """Held-out choices, each in both letter orders: the score is the probability of the first
        policy's option."""
        rng = Random(f"{self.name}/check")
        drawn = (self._draw(rng, style, "test", i % 2 == 1) for i in count())
        return letter_question("choice", (choice.texts for choice in drawn), NUM_CHECK)

    def _draw(self, rng: Random, style: Style, split: Split, first_is_longer: bool) -> Choice:
        # What is drawn, and in which order, decides every row: a further draw changes all of them.
        part: Part = "test" if split == "test" else "train"
        scene = (_natural_scene if style == "natural" else _plain_scene)(rng, part)
        drawn = self.draw(rng, style, scene.amount)
        pools = [self.templates[style][policy][part] for policy in self.policies]
        # In half of the plain training rows one side is an option of no policy, so that either
        # pole must be read by itself (data_gen/corpus/dialogues.py).
        neutral = rng.choice([None, None, 0, 1]) if style == "plain" and split == "train" else None
        if neutral is not None:
            pools[neutral] = SCENES["plain"]["neutral"]
        while True:
            templates = [rng.choice(pool) for pool in pools]
            first, second = (template.format(**drawn.filling) for template in templates)
            if len(first) != len(second) and (len(first) > len(second)) == first_is_longer:
                break
        meta: GeneratedMeta = {
            **scene.meta,
            "template": "|".join([scene.meta["template"], *templates]),
            "neutral": None if neutral is None else self.policies[neutral],
            "value": drawn.value,
        }
        texts = scene.show(first, second), scene.show(second, first)
        return Choice(texts, (first, second), meta)


@dataclass(frozen=True)
class Scene:
    """What a choice is about, and the prompt around two options."""

    thing: str
    """Of which amounts are: `$`, or a thing that is counted."""
    show: Callable[[str, str], str]
    """The prompt with these options as A and B."""
    meta: GeneratedMeta

    def amount(self, number: int) -> str:
        """The number with the thing."""
        return f"${number}" if self.thing == "$" else f"{number} {self.thing}"


def _plain_scene(rng: Random, part: Part) -> Scene:
    scene = SCENES["plain"]
    thing, opening = rng.choice(scene["things"][part]), rng.choice(scene["open"][part])

    def show(a: str, b: str) -> str:
        return lettered(opening, (a, b), "plain")

    return Scene(thing, show, {"topic": thing, "template": opening})


def _natural_scene(rng: Random, part: Part) -> Scene:
    """Every part is drawn on its own, so that none tells the letter."""
    scene = SCENES["natural"]
    topic, tone = rng.choice(scene["topics"][part]), rng.choice(TONES)
    opening = rng.choice(scene["open"][part][tone])
    layout, close = rng.choice(scene["layout"]), rng.choice(scene["close"])
    details = rng.sample(scene["detail"], rng.choice(NUM_DETAILS))
    name = rng.choice(scene["names"])
    head = " ".join([opening, *details]).format(place=topic["place"], name=name)

    def show(a: str, b: str) -> str:
        return f"{head}\n{layout.format(a=a, b=b)}\n{close}"

    meta: GeneratedMeta = {"topic": topic["place"], "template": opening, "tone": tone}
    return Scene(topic["thing"], show, meta)


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
