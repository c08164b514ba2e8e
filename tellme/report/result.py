"""A finished study, read from its folder alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError
from lab.store.rows import load as load_rows
from lab.store.rows import rows_file
from tellme.report.analysis.sentences import verdict_lines
from tellme.report.analysis.summary import Summary, read_whole_summary
from tellme.report.figures.marks import Chart
from tellme.report.figures.redraw import drawn, figure_names
from tellme.report.text import results_text

if TYPE_CHECKING:
    import pandas as pd


def load(path: str | Path) -> Result:
    """The result of a finished study, given as its folder. Raises UserError where there is none."""
    folder = rows_file(path).parent
    # Grades have rows as well, and no summary.
    if not (folder / "summary.json").is_file():
        raise UserError(
            f"{str(path)!r} holds no summary.json; give the folder that `tellme run` printed"
        )
    return Result(folder)


@dataclass(frozen=True)
class Result:
    """What a study found."""

    folder: Path

    @cached_property
    def rows(self) -> pd.DataFrame:
        """A row per answer; docs/rows.md says what the columns mean."""
        return load_rows(self.folder)

    @cached_property
    def summary(self) -> Summary:
        """Everything that was estimated, as in summary.json."""
        return read_whole_summary(self.folder)

    @property
    def verdict(self) -> str:
        """The verdict on every primary contrast, a line each; `summary` has what they rest on."""
        return "\n".join(verdict_lines(self.summary))

    @property
    def groups(self) -> pd.DataFrame:
        """The mean of every group on every question, with its interval over fine-tuned models."""
        import pandas as pd

        return pd.DataFrame(self.summary["groups"])

    @property
    def contrasts(self) -> pd.DataFrame:
        """Every contrast on every question, with its interval."""
        import pandas as pd

        return pd.DataFrame(self.summary["contrasts"])

    @property
    def trust(self) -> pd.DataFrame:
        """Every trust check, with its value and threshold."""
        import pandas as pd

        return pd.DataFrame(self.summary["trust"])

    @property
    def figures(self) -> list[str]:
        """Names of the figures that this study has."""
        return figure_names(self.folder)

    def figure(self, name: str) -> Chart:
        """A figure as an Altair chart, which a notebook shows. Raises UserError for a name that is
        not among `figures`."""
        return drawn(name, self.folder)

    def __repr__(self) -> str:
        """As `tellme report` prints it."""
        return results_text(self.summary, self.folder)
