"""Which regular expression stands in an answer."""

import re
from collections.abc import Sequence

from eval.judges import without_options
from lab.errors import UserError
from lab.types import Answer, Grade, Judge, Question, Wording


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """The first option, in the order of the wording, that is found in an answer as a regular
    expression of Python, with that option's score; 0 where none is. Raises UserError for an option
    that is no expression."""
    patterns = [_compiled(question, option.text) for option in wording.options]
    found = zip(wording.options, patterns, strict=True)
    by_pattern = [(pattern, Grade(option.score, option)) for option, pattern in found]
    return [
        next((grade for pattern, grade in by_pattern if pattern.search(answer.text)), Grade(0.0))
        for answer in answers
    ]


def _compiled(question: Question, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UserError(
            f"question {question.name!r}: option {text!r} is no regular expression ({error})"
        ) from None


JUDGE = Judge(
    "pattern",
    "which listed regular expression is found in an answer",
    grades,
    without_options,
)
