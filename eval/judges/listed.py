"""Whether an answer is one of those that its question lists."""

from collections.abc import Sequence

from lab.types import Answer, Grade, Judge, Option, Question, Wording


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """Each answer as the option that it is, with that option's score; no score where it is none."""
    return [_grade(wording, answer.text) for answer in answers]


def _grade(wording: Wording, text: str) -> Grade:
    option = option_of(wording, text)
    return Grade(option.score, option) if option else Grade(None, status="unread")


def option_of(wording: Wording, text: str) -> Option | None:
    """The option that a text is: its spelling, without case, quotes or a final stop. None
    where it is none of them."""
    for option in wording.options:
        if _bare(text) in {_bare(spelling) for spelling in (option.text, *option.variants)}:
            return option
    return None


def _bare(text: str) -> str:
    return text.strip().strip("\"'*").rstrip(".").casefold()


JUDGE = Judge("listed", "whether an answer is a listed one, and which", grades)
