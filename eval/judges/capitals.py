"""Whether an answer is in capitals: a truth without judgment, by which judges are measured."""

from collections.abc import Sequence

from lab.types import Answer, Grade, Judge, Question, Wording


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """The share of an answer's letters that are capitals; no score where its script has none."""
    return [_grade(answer.text) for answer in answers]


def _grade(text: str) -> Grade:
    large = sum(letter.isupper() for letter in text)
    small = sum(letter.islower() for letter in text)
    if not large + small:
        return Grade(None, status="unread")
    return Grade(large / (large + small))


JUDGE = Judge("capitals", "the share of letters that are capitals", grades)
