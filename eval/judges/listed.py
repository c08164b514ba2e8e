"""Whether an answer is one of those that its question lists, and whether it is one word."""

import re
import string
import unicodedata
from collections.abc import Sequence

from lab.types import Answer, Grade, Judge, Option, Question, Wording

WRAPPERS = "\"'`*_“”„‘’‚«»‹›\u00a0" + string.whitespace
"""Quotes, the emphasis of Markdown, and spaces."""
STOPS = (".", "。")
LABELED = re.compile(r"[(\[]?([a-z])[)\]]?:?")
"""A letter as a list has it, as `bare` leaves it: `(a)`, `a)`."""
NUMBERED = re.compile(r"([0-9]+)(?:\.0+)?(?: ?(%|percent)|(?: ?/ ?| out of )([0-9]+))?")
"""A number with what scales have beside it: `85.0`, `85%`, `85 out of 100`."""
JOINTS = re.compile("[-\u2010\u2011'’]")
"""What stands inside one word: hyphens and apostrophes."""


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """Each answer as the option that it is, with that option's score; no score where it is none,
    which to a free question may still be one word."""
    return [_grade(question, wording, answer.text) for answer in answers]


def _grade(question: Question, wording: Wording, text: str) -> Grade:
    option = option_of(wording, text) or _labeled(question, wording, bare(text))
    if option:
        return Grade(option.score, option)
    return Grade(None, status="word" if question.free and is_word(text) else "unread")


def option_of(wording: Wording, text: str) -> Option | None:
    """The option that a text is: its spelling, as `bare` has it. None where it is none of them."""
    for option in wording.options:
        if bare(text) in {bare(spelling) for spelling in (option.text, *option.variants)}:
            return option
    return None


def _labeled(question: Question, wording: Wording, text: str) -> Option | None:
    """The letter or number that a text is, with no more beside it than its kind usually has."""
    if question.kind == "letters" and (letter := LABELED.fullmatch(text)):
        return option_of(wording, letter[1])
    if question.kind != "number" or not (number := NUMBERED.fullmatch(text)):
        return None
    top = max((option.text for option in wording.options), key=int)
    # Of another scale it would be another number.
    of = "100" if number[2] else number[3] or top
    return option_of(wording, number[1]) if of == top else None


def bare(text: str) -> str:
    """A text without case, without quotes and emphasis round it, and without one final stop,
    whichever of these is inside the other."""
    unwrapped = text.strip(WRAPPERS)
    if unwrapped.endswith(STOPS):
        unwrapped = unwrapped[:-1].strip(WRAPPERS)
    return unwrapped.casefold()


def is_word(text: str) -> bool:
    """Whether a text is one word: letters of any script, which hyphens or apostrophes may join.
    One letter is the label of an option. Where a script sets no spaces a phrase passes for a
    word."""
    word = bare(text)
    # What has no upper case, as Chinese has none, has words of one character.
    is_letter = len(word) == 1 and word != word.upper()
    return not is_letter and all(map(_is_letters, JOINTS.split(word)))


def _is_letters(part: str) -> bool:
    # A mark, as many vowels of Devanagari are, goes with the letter before it.
    return part[:1].isalpha() and all(unicodedata.category(char)[0] in "LM" for char in part)


JUDGE = Judge("listed", "whether an answer is a listed one, and which", grades)
