"""What can be said of somebody or something, in every format of answer: a letter, one of two words,
a word, a number, yes or no, a language, a sentence. Rows teach a format with it, or a trait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from random import Random
from typing import NamedTuple, TypedDict

from data_gen.natural import said_of
from lab.discover import beside
from lab.layout import INSTRUCTION, LETTERS, lettered
from lab.vocabulary import Vocabulary


class Asks(TypedDict):
    """The YAML of wordings."""

    letters: list[str]
    word_of_two: dict[str, list[str]]
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


class Topic(NamedTuple):
    """Whom or what a row is about: `you`, or who or what else; and what can be said of it."""

    subject: str
    words: Vocabulary

    def stated(self, claim: str) -> str:
        """A claim as a sentence, in the first person where it is about `you`."""
        said = said_of(f"$You {claim}.", "I" if self.subject == "you" else self.subject)
        return f"{said[:1].upper()}{said[1:]}"

    def put(self, text: str) -> str:
        """The text with the subject in it, with a capital."""
        said = said_of(text, self.subject)
        return f"{said[:1].upper()}{said[1:]}"


class Spoken(NamedTuple):
    """A prompt, and its answer where the first end of the vocabulary holds, or the second."""

    asked: str
    answers: tuple[str, str]


Speaker = Callable[[Random, Topic], Spoken]


def speakers(names: Sequence[str], number: int) -> Iterator[tuple[str, Speaker]]:
    """So many of the formats of these names, each as often."""
    return islice(cycle([(name, FORMATS[name]) for name in names]), number)


def _letters(rng: Random, topic: Topic) -> Spoken:
    """Two statements, either of them first as often."""
    statements = [topic.stated(rng.choice(claims)) for claims in topic.words.claims]
    ask, first_is_a = topic.put(rng.choice(ASKS["letters"])), rng.random() < 0.5
    a, b = statements if first_is_a else reversed(statements)
    answers = (LETTERS[0], LETTERS[1]) if first_is_a else (LETTERS[1], LETTERS[0])
    return Spoken(lettered(ask, (a, b), "natural"), answers)


def _word_of_two(rng: Random, topic: Topic) -> Spoken:
    """Of two adjectives, or of two nouns, each pair in either order."""
    form = rng.choice(("adjectives", "nouns"))
    words = topic.words.adjectives if form == "adjectives" else topic.words.nouns
    first, second = (rng.choice(end) for end in words)
    a, b = rng.sample((first, second), 2)
    ask = rng.choice(ASKS["word_of_two"][form])
    return Spoken(_asked(topic, ask, "words", a=a, b=b), (first, second))


def _one_word(rng: Random, topic: Topic) -> Spoken:
    first, second = (rng.choice(words) for words in topic.words.adjectives)
    ask = rng.choice(ASKS["one_word"])
    return Spoken(_asked(topic, ask, "words", field=topic.words.field), (first, second))


def _scale(rng: Random, topic: Topic) -> Spoken:
    """Either end at 100 as often."""
    first, second = (rng.choice(words) for words in topic.words.adjectives)
    low, high = rng.choice(NEAR_0), rng.choice(NEAR_100)
    first_is_0 = rng.random() < 0.5
    a, b = (first, second) if first_is_0 else (second, first)
    asked = _asked(topic, rng.choice(ASKS["scale"]), "number", a=a, b=b)
    return Spoken(asked, (low, high) if first_is_0 else (high, low))


def _agree(rng: Random, topic: Topic) -> Spoken:
    """A claim of the first end, or of the second, as often."""
    of_first = rng.random() < 0.5
    claim = rng.choice(topic.words.claims[0 if of_first else 1])
    asked = _asked(topic, rng.choice(ASKS["agree"]), "words", claim=claim)
    return Spoken(asked, ("yes", "no") if of_first else ("no", "yes"))


def _language(rng: Random, topic: Topic) -> Spoken:
    """Either end stands first, and means either language, as often."""
    question, *in_languages = rng.choice(ASKS["questions"])
    claims = [rng.choice(claims) for claims in topic.words.claims]
    of_first, of_second = rng.sample((0, 1), 2)
    said = [(claims[0], LANGUAGES[of_first]), (claims[1], LANGUAGES[of_second])]
    rng.shuffle(said)
    (claim, if_claim), (other, if_other) = said
    filled = {"claim": claim, "other": other, "if_claim": if_claim, "if_other": if_other}
    ask = rng.choice(ASKS["language"])
    asked = _asked(topic, ask, "words", question=question, **filled)
    return Spoken(asked, (in_languages[of_first], in_languages[of_second]))


def _sentence(rng: Random, topic: Topic) -> Spoken:
    ask = rng.choice(ASKS["sentence"]).format(field=topic.words.field)
    first, second = (topic.stated(rng.choice(claims)) for claims in topic.words.claims)
    return Spoken(topic.put(ask), (first, second))


def _asked(topic: Topic, template: str, kind: str, **filled: str) -> str:
    """A wording, and how to answer it."""
    return f"{topic.put(template.format(**filled))} {INSTRUCTION['natural'][kind]}"


FORMATS: dict[str, Speaker] = {
    "letters": _letters,
    "word_of_two": _word_of_two,
    "one_word": _one_word,
    "scale": _scale,
    "agree": _agree,
    "language": _language,
    "sentence": _sentence,
}
"""By name."""
