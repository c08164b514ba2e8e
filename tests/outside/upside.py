"""The other letter: a control as a user writes one."""

from data_gen.controls import Control, ControlRequest
from lab.types import Row

OTHER = {"A": "B", "B": "A"}


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The same prompts, answered the other way round."""
    return [row.answering(OTHER[row.completion]) for row in source]


CONTROL = Control("every answer the other way round", rows, needs_behavior=False)
