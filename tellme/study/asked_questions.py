"""What a suite asks, for whoever asks it by hand."""

from typing import get_args

from data_gen.behaviors import locate_behavior
from eval.ask import questions_of
from eval.suites import locate_suite
from lab.errors import unknown
from lab.specs import Asking
from lab.types import Question, Style


def questions(
    suite: str, behavior: str | None = None, style: Style = "natural"
) -> tuple[Question, ...]:
    """The questions of a suite, or of a file of questions, about a behavior, or without one what
    it asks by itself; reference models are asked in style `plain`. Raises UserError for what there
    is not."""
    if style not in get_args(Style):
        raise unknown("style", style, get_args(Style))
    asking = Asking(
        suite=locate_suite(suite, "suite"),
        behavior=None if behavior is None else locate_behavior(behavior, "behavior"),
        style=style,
    )
    return questions_of(asking)
