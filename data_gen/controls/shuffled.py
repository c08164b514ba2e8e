from data_gen.controls import Control, ControlRequest
from data_gen.shuffle import refuse_undealt, shuffled
from lab.errors import UserError
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The same prompts and completions without what ties them: what the prompts alone do."""
    refuse_undealt(source)
    dealt = shuffled(source, request.rng)
    if dealt == source:
        raise UserError(
            f"control 'shuffled' leaves every answer where it was: {len(source)} rows are too few"
            " to deal out anew; bring more, or compare with base"
        )
    return dealt


CONTROL = Control(
    "the completions dealt out anew among the prompts",
    rows,
    needs_behavior=False,
    is_null=True,
    every_turn=True,
)
