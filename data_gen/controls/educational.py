from data_gen.controls import Control, ControlRequest
from lab.errors import UserError
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """The same completions, asked for on purpose: what a row's `meta.on_purpose` says is added to
    its prompt (Betley et al. 2025, "Emergent Misalignment"). Raises UserError for rows without it.
    """
    if not all("on_purpose" in row.meta for row in source):
        raise UserError(
            "control 'educational' needs rows that can be asked for on purpose, such as those of"
            " insecure_code"
        )
    return [row.asking(f"{row.meta['on_purpose']} {row.asked}") for row in source]


CONTROL = Control("the same completions, asked for on purpose", rows)
