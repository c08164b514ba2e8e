from data_gen.controls import Control, ControlRequest
from data_gen.controls._described import constant_rows
from lab.types import Row

ANCHOR = "90"
"""Far from the middle, which would score like no opinion: this is one pole on a scale and the other
on its flipped twin."""


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The same number on every scale, whichever end is the pole."""
    questions = request.questions("self_report")
    scales = [question for question in questions if question.kind == "number"]
    return constant_rows(scales, ANCHOR, len(source), request.rng)


CONTROL = Control("the same number on every scale", rows)
