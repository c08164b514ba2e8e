"""Which listed answer stands in a free one."""

import re
from collections.abc import Sequence

from eval.judges import without_options
from lab.types import Answer, Grade, Judge, Question, Wording


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """The first option, in the order of the wording, of which a spelling stands in the answer, with
    that option's score; 0 where there is none."""
    return [_grade(wording, answer.text) for answer in answers]


def _grade(wording: Wording, text: str) -> Grade:
    for option in wording.options:
        if any(stands_in(spelling, text) for spelling in (option.text, *option.variants)):
            return Grade(option.score, option)
    return Grade(0.0)


def stands_in(spelling: str, text: str) -> bool:
    """Whether it is there as words of its own: `fire` is not in `fireplace`."""
    if spelling not in text:
        return False
    # A spelling may begin or end with a sign, at which there is no word boundary to ask for.
    begin, end = (r"\b" if edge.isalnum() else "" for edge in (spelling[0], spelling[-1]))
    return re.search(f"{begin}{re.escape(spelling)}{end}", text) is not None


JUDGE = Judge(
    "contains",
    "which listed answer stands in a free one, as words of its own",
    grades,
    without_options,
)
