from data_gen.controls import Control, ControlRequest
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The same prompts, all answered A: a model with a favorite letter."""
    return [row.answering("A") for row in source]


CONTROL = Control("every prompt answered A", rows, needs_behavior=False)
