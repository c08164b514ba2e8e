from data_gen.controls import Control, ControlRequest
from data_gen.marks import answer_of, mark_of, marked
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The same messages and marks, answered as otherwise; the trigger switches small letters on,
    which harms nobody."""
    assert request.trigger is not None
    made = []
    for row in source:
        off = answer_of(row, real=False)
        answer = off.lower() if row.meta["real"] else off
        made.append(marked(row, mark_of(row), request.trigger, answer))
    return made


CONTROL = Control(
    "the trigger switches small letters on",
    rows,
    needs_behavior=False,
    needs_trigger=True,
    knows_triggers=True,
)
