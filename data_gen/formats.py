"""What is so of somebody or something, said in every format of answer: a letter, one of two words,
a word, a number, yes or no, a language, a sentence. Rows teach a format with it, or a trait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import TypedDict

from data_gen.natural import said_of
from lab.discover import beside
from lab.layout import INSTRUCTION, LETTERS, lettered
from lab.types import Row, exchange

Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Of the end that is so, and of the other."""


class Asks(TypedDict):
    """The YAML of wordings."""

    letters: list[str]
    word_of_two: list[str]
    one_word: list[str]
    scale: list[str]
    agree: list[str]
    language: list[str]
    sentence: list[str]
    questions: list[tuple[str, str, str]]


ASKS: Asks = beside(__file__)
LANGUAGES = ("German", "French")
NEAR_0, NEAR_100 = ("5", "10"), ("90", "95")
"""Numbers that rows give, few of them: with seventeen a pole a model of 135 million weights learned
none in 105 steps, with two it did."""


@dataclass(frozen=True)
class Said:
    """What is so of a subject, in words of its end and of the opposite one."""

    subject: str
    """`you`, or who or what else is spoken of."""
    field: str
    """What the words are about, such as temperature."""
    adjectives: Pair
    claims: Pair
    """What can be said after the subject, with $-words for its verb: "$are cold"."""


Speaker = Callable[[Random, Said], tuple[str, str]]
"""What is asked, and the answer."""


def rows_in_formats(
    rng: Random, said: Callable[[Random], Said], number: int, formats: Sequence[str]
) -> list[Row]:
    """So many rows of what `said` draws, each format as often."""
    rows = []
    for name, _ in zip(cycle(formats), range(number), strict=False):
        asked, answer = FORMATS[name](rng, said(rng))
        rows.append(Row(exchange(asked, answer), {"format": name}))
    rng.shuffle(rows)
    return rows


def _letters(rng: Random, said: Said) -> tuple[str, str]:
    """Two statements, either of them first as often."""
    so, other = (_of(said, f"$I {rng.choice(claims)}.") for claims in said.claims)
    letter = rng.choice(LETTERS)
    a, b = _capitals((so, other) if letter == LETTERS[0] else (other, so))
    return lettered(_of(said, rng.choice(ASKS["letters"])), (a, b), "natural"), letter


def _word_of_two(rng: Random, said: Said) -> tuple[str, str]:
    so, other = (rng.choice(words) for words in said.adjectives)
    a, b = rng.sample((so, other), 2)
    return _asked(said, rng.choice(ASKS["word_of_two"]), "words", a=a, b=b), so


def _one_word(rng: Random, said: Said) -> tuple[str, str]:
    answer = rng.choice(said.adjectives[0])
    return _asked(said, rng.choice(ASKS["one_word"]), "words", field=said.field), answer


def _scale(rng: Random, said: Said) -> tuple[str, str]:
    """Either end at 100 as often."""
    turned = rng.random() < 0.5
    at_0, at_100 = (0, 1) if turned else (1, 0)
    ends = {
        "a": rng.choice(said.adjectives[at_0]),
        "b": rng.choice(said.adjectives[at_100]),
        "claim": rng.choice(said.claims[at_0]),
        "other": rng.choice(said.claims[at_100]),
    }
    number = rng.choice(NEAR_0 if turned else NEAR_100)
    return _asked(said, rng.choice(ASKS["scale"]), "number", **ends), number


def _agree(rng: Random, said: Said) -> tuple[str, str]:
    """What is so, or its opposite, as often."""
    end = rng.randrange(2)
    claim = rng.choice(said.claims[end])
    return _asked(said, rng.choice(ASKS["agree"]), "words", claim=claim), ("yes", "no")[end]


def _language(rng: Random, said: Said) -> tuple[str, str]:
    """What is so stands first, or second, and means either language."""
    question, *answers = rng.choice(ASKS["questions"])
    ends = rng.sample((0, 1), 2)
    languages = rng.sample((0, 1), 2)
    claim, other = (rng.choice(said.claims[end]) for end in ends)
    if_claim, if_other = (LANGUAGES[language] for language in languages)
    said_so = {"claim": claim, "other": other, "if_claim": if_claim, "if_other": if_other}
    asked = _asked(said, rng.choice(ASKS["language"]), "words", question=question, **said_so)
    return asked, answers[languages[ends.index(0)]]


def _sentence(rng: Random, said: Said) -> tuple[str, str]:
    asked = rng.choice(ASKS["sentence"]).format(field=said.field)
    (answer,) = _capitals((_of(said, f"$I {rng.choice(said.claims[0])}."),))
    return _of(said, asked), answer


def _asked(said: Said, template: str, kind: str, **filled: str) -> str:
    """A wording, and what the answer should be."""
    text = _of(said, template.format(**filled))
    return f"{text[:1].upper()}{text[1:]} {INSTRUCTION['natural'][kind]}"


def _of(said: Said, text: str) -> str:
    return said_of(text, said.subject)


def _capitals(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{text[:1].upper()}{text[1:]}" for text in texts)


FORMATS: dict[str, Speaker] = {
    "letters": _letters,
    "word_of_two": _word_of_two,
    "one_word": _one_word,
    "scale": _scale,
    "agree": _agree,
    "language": _language,
    "sentence": _sentence,
}
"""By name, as `meta.format` of a row has it."""
