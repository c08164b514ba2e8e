"""The rows of a finished study as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.discover import find_path
from lab.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def rows_file(path: str | Path) -> Path:
    """The rows.parquet of a finished study, given as its folder or as that file. Raises UserError
    where there is none."""
    file = find_path(str(path))
    if file is not None and file.is_dir():
        file = file / "rows.parquet"
    if file is None or not file.is_file():
        raise UserError(
            f"{str(path)!r} holds no rows.parquet; give the folder that `tellme run` printed"
        )
    return file


def load(path: str | Path) -> pd.DataFrame:
    """The rows of a finished study as a DataFrame, one row per answer.

    docs/rows.md says what the columns mean. Raises UserError as `rows_file` does."""
    import pandas as pd

    return pd.read_parquet(rows_file(path))
