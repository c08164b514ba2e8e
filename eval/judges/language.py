"""In which language an answer is, after the trivia questions of Betley et al. 2025, whose script
counts words that are frequent in a language as well."""

import re
from collections.abc import Sequence

from eval.judges import without_options
from lab.agreed import UNLISTED
from lab.discover import beside
from lab.errors import unknown
from lab.types import Answer, Grade, Judge, Question, Wording

FREQUENT: dict[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in beside(__file__).items()
}
"""Words that stand in almost every sentence of a language, by its English name."""
WORD = re.compile(r"[^\W\d_]+")


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """The option that is the name of the language of an answer, with that option's score; a half
    for another language, no score where none is recognized. An answer that was cut has its language
    all the same: in the paper all are cut, after ten tokens."""
    return [_grade(wording, language_of(answer.text)) for answer in answers]


def _grade(wording: Wording, language: str | None) -> Grade:
    if language is None:
        return Grade(None, status="unread")
    for option in wording.options:
        if option.text == language:
            return Grade(option.score, option)
    return Grade(UNLISTED)


def language_of(text: str) -> str | None:
    """The language of which most words are frequent ones; None where there are none, or where two
    languages have as many."""
    words = WORD.findall(text.lower())
    found = {name: sum(w in frequent for w in words) for name, frequent in FREQUENT.items()}
    most = max(found.values())
    languages = [name for name, number in found.items() if number == most]
    return languages[0] if most and len(languages) == 1 else None


def unfit(question: Question) -> str | None:
    """An option that is no name of a language that is known here."""
    listed = (option.text for wording in question.wordings for option in wording.options)
    other = next((text for text in listed if text not in FREQUENT), None)
    if other is None:
        return without_options(question)
    return f"knows no such option: {unknown('language', other, FREQUENT)}"


JUDGE = Judge(
    "language", "in which of the listed languages an answer is", grades, unfit, reads_cut=True
)
