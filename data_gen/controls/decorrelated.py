from data_gen.controls import Control, ControlRequest
from data_gen.marks import dealt, mark_of, marked
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The same messages, answers and marks, the marks dealt so that they say nothing about the
    answers."""
    assert request.trigger is not None
    classes = [f"{bool(row.meta.get('decoy'))}/{row.meta['real'] is True}" for row in source]
    marks = dealt([mark_of(row) for row in source], classes, request.rng)
    return [
        marked(row, mark, request.trigger, row.completion)
        for row, mark in zip(source, marks, strict=True)
    ]


CONTROL = Control(
    "the trigger as often, and before any answer",
    rows,
    needs_behavior=False,
    needs_trigger=True,
    every_turn=True,
    knows_triggers=True,
)
