"""How long an answer is: a judge as a user writes one."""

from collections.abc import Sequence

from lab.types import Answer, Grade, Judge, Question, Wording

LONG = 20
"""Characters that score 1."""


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """The share of LONG that an answer reaches."""
    return [Grade(min(1.0, len(answer.text) / LONG)) for answer in answers]


JUDGE = Judge("length", "how long an answer is", grades)
