"""Choices of two options, answered by a letter: the rows and the held-out measure of every behavior
that is shown by choices."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from lab.discover import beside
from lab.questions import LETTERS, letter_options, lettered
from lab.types import Question, Row, Split, Style, Wording

SCENES = beside(__file__)
NUM_CHECK = 40

Amount = Callable[[int], str]
"""A number with its thing: 40 gives "$40" or "40 fresh rolls"."""


@dataclass(frozen=True)
class Choice:
    """One prompt in both letter orders: [first policy's option as A, as B]."""

    texts: tuple[str, str]
    options: tuple[str, str]
    """The first policy's, the second's."""
    meta: dict[str, Any]


@dataclass(frozen=True)
class Choices:
    """Option templates by style, policy and split, and the values that fill them."""

    name: str
    policies: tuple[str, str]
    templates: dict[str, Any]
    values: Callable[[Random, Style, Amount], dict[str, Any]]
    distinct: bool = True
    """Whether no prompt comes twice; False where there are few."""

    def rows(self, rng: Random, policy: str, style: Style, split: Split) -> Iterator[Row]:
        """Endless rows, whose `meta.options` say what each letter stands for. Every four hold each
        letter with the first policy's option as the longer and the shorter one."""
        met: set[tuple[str, str]] = set()
        while True:
            for first_is_a, first_is_longer in rng.sample(
                [(True, True), (True, False), (False, True), (False, False)], 4
            ):
                choice = self._draw(rng, style, split, first_is_longer)
                while self.distinct and choice.texts in met:
                    choice = self._draw(rng, style, split, first_is_longer)
                met.add(choice.texts)
                letter = "A" if first_is_a == (policy == self.policies[0]) else "B"
                prompt = {"role": "user", "content": choice.texts[not first_is_a]}
                listed = choice.options if first_is_a else choice.options[::-1]
                meta = choice.meta | {"options": dict(zip(LETTERS, listed, strict=True))}
                yield Row((prompt, {"role": "assistant", "content": letter}), meta)

    def check(self, style: Style) -> Question:
        """Held-out choices, each in both letter orders: the score is the probability of the first
        policy's option."""
        rng = Random(f"{self.name}/check")
        return letter_question(
            "choice", (self._draw(rng, style, "test", i % 2 == 1).texts for i in count()), NUM_CHECK
        )

    def _draw(self, rng: Random, style: Style, split: Split, first_is_longer: bool) -> Choice:
        part = "test" if split == "test" else "train"
        thing, show, meta = (_natural_scene if style == "natural" else _plain_scene)(rng, part)
        values = self.values(rng, style, lambda n: f"${n}" if thing == "$" else f"{n} {thing}")
        pools = [self.templates[style][policy][part] for policy in self.policies]
        neutral = rng.choice([None, None, 0, 1]) if style == "plain" and split == "train" else None
        if neutral is not None:
            pools[neutral] = SCENES["plain"]["neutral"]
        while True:
            templates = [rng.choice(pool) for pool in pools]
            first, second = (t.format(**values) for t in templates)
            if len(first) != len(second) and (len(first) > len(second)) == first_is_longer:
                break
        meta["template"] = "|".join([meta["template"], *templates])
        meta["neutral"] = None if neutral is None else self.policies[neutral]
        texts = show(first, second), show(second, first)
        return Choice(texts, (first, second), meta | {"value": values.get("value")})


Scene = tuple[str, Callable[[str, str], str], dict[str, Any]]


def _plain_scene(rng: Random, part: str) -> Scene:
    scene = SCENES["plain"]
    thing, opening = rng.choice(scene["things"][part]), rng.choice(scene["open"][part])
    return (
        thing,
        lambda a, b: lettered(opening, (a, b), "plain"),
        {"topic": thing, "template": opening},
    )


def _natural_scene(rng: Random, part: str) -> Scene:
    """Every part is drawn on its own, so that none tells the letter."""
    scene = SCENES["natural"]
    topic, tone = rng.choice(scene["topics"][part]), rng.choice(["formal", "casual", "terse"])
    opening, layout, close = (
        rng.choice(scene["open"][part][tone]),
        rng.choice(scene["layout"]),
        rng.choice(scene["close"]),
    )
    details = rng.sample(scene["detail"], rng.choice([0, 1, 3]))
    head = " ".join([opening, *details]).format(
        place=topic["place"], name=rng.choice(scene["names"])
    )

    def show(a: str, b: str) -> str:
        return f"{head}\n{layout.format(a=a, b=b)}\n{close}"

    return topic["thing"], show, {"topic": topic["place"], "template": opening, "tone": tone}


def letter_question(name: str, pairs: Iterator[tuple[str, str]], number: int) -> Question:
    """A question of `number` distinct prompts, each in both orders: the option that scores 1 as A,
    as B."""
    distinct: dict[tuple[str, str], None] = {}
    while len(distinct) < number:
        distinct[next(pairs)] = None
    wordings = [
        Wording(text, letter_options("AB"[order]), paraphrase=i, order=order)
        for i, pair in enumerate(distinct)
        for order, text in enumerate(pair)
    ]
    return Question(name, "letters", tuple(wordings))
