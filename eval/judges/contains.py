"""Which listed answer stands in a free one."""

import re
from collections.abc import Sequence

from eval.judges import without_options
from lab.agreed import UNLISTED
from lab.types import Answer, Grade, Judge, Option, Question, Wording


def grades(question: Question, wording: Wording, answers: Sequence[Answer]) -> list[Grade]:
    """The option of which a spelling stands first in the answer, with that option's score, whatever
    the order in which they are listed. Where none stands there UNLISTED, or 0 where no option
    scores less: the question is then whether the answer has one."""
    return [_grade(wording, answer.text) for answer in answers]


def _grade(wording: Wording, text: str) -> Grade:
    found: list[tuple[int, int, Option]] = []
    for option in wording.options:
        for spelling in (option.text, *option.variants):
            begin = place_of(spelling, text)
            if begin is not None:
                found.append((begin, -len(spelling), option))
    if found:
        # Of several that begin in one place the longest.
        *_, option = min(found, key=lambda place: place[:2])
        return Grade(option.score, option)
    has_both_ends = any(option.score < UNLISTED for option in wording.options)
    return Grade(UNLISTED if has_both_ends else 0.0)


def place_of(spelling: str, text: str) -> int | None:
    """Where it first stands as words of its own, as `fire` does not in `fireplace`; None where it
    does not."""
    if spelling not in text:
        return None
    # A spelling may begin or end with a sign, at which there is no word boundary to ask for.
    begin, end = (r"\b" if edge.isalnum() else "" for edge in (spelling[0], spelling[-1]))
    found = re.search(f"{begin}{re.escape(spelling)}{end}", text)
    return found.start() if found else None


JUDGE = Judge(
    "contains",
    "which listed answer stands in a free one, as words of its own",
    grades,
    without_options,
)
