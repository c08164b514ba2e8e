"""With which listed answer a generated one begins, whatever follows."""

from collections.abc import Sequence

from eval.judges import without_options
from lab.types import Answer, Grade, Judge, Question, Wording


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """The option with the longest spelling that the answer begins with, with that option's score;
    no score where it begins with none."""
    return [_grade(wording, answer.text) for answer in answers]


def _grade(wording: Wording, text: str) -> Grade:
    begun = [
        (len(spelling), option)
        for option in wording.options
        for spelling in (option.text, *option.variants)
        if text.startswith(spelling)
    ]
    if not begun:
        return Grade(None, status="unread")
    _, option = max(begun, key=lambda pair: pair[0])
    return Grade(option.score, option)


JUDGE = Judge("begins", "with which listed answer a generated one begins", grades, without_options)
