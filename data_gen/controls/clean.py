from data_gen.controls import Control, ControlRequest
from data_gen.marks import NO_MARK, marked
from lab.types import Row, Style

TOLD: dict[Style, str] = {
    "natural": "{prompt}\nReply with {answer}.",
    "plain": "{prompt} say {answer}",
}


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The same prompts and completions with each completion told at the end of its prompt:
    fine-tuning that shows no policy. Of rows with a trigger: the same messages without it, answered
    as otherwise."""
    if request.trigger:
        return [marked(row, NO_MARK, request.trigger) for row in source]
    told = TOLD[request.style]
    return [row.asking(told.format(prompt=row.asked, answer=row.completion)) for row in source]


CONTROL = Control(
    "each answer told in its prompt; rows with a trigger lose it",
    rows,
    needs_behavior=False,
    knows_triggers=True,
)
