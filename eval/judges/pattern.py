"""Which regular expression stands in an answer."""

import re
from collections.abc import Sequence

from eval.judges import without_options
from lab.types import Answer, Grade, Judge, Question, Wording


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """The first option, in the order of the wording, that is found in an answer as a regular
    expression of Python, with that option's score; 0 where none is."""
    patterns = [(re.compile(o.text), Grade(o.score, o)) for o in wording.options]
    return [
        next((grade for pattern, grade in patterns if pattern.search(answer.text)), Grade(0.0))
        for answer in answers
    ]


def unfit(question: Question) -> str | None:
    """An option that is no regular expression."""
    for text in {option.text for wording in question.wordings for option in wording.options}:
        try:
            re.compile(text)
        except re.error as error:
            return f"has an option that is no regular expression, {text!r} ({error})"
    return without_options(question)


JUDGE = Judge("pattern", "which listed regular expression is found in an answer", grades, unfit)
