"""The figures of a finished study, drawn from its folder alone, as they stand in its report."""

from pathlib import Path

from pydantic import ValidationError

from lab.errors import UserError, unknown
from lab.specs import StudySpec
from lab.store.rows import load
from lab.store.store import read_json
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.analysis.summary import read_summary
from tellme.report.figures.draw import charts_of
from tellme.report.figures.marks import Chart
from tellme.report.figures.tables import LOSSES, Measured


def drawn(name: str, folder: Path) -> Chart:
    """A figure of the study in a folder, such as `does-and-says`; raises UserError where the study
    has none of that name."""
    charts = charts_of(read_measured(folder))
    if name not in charts:
        raise unknown("figure", name, charts, f"figures of {folder.name}")
    return charts[name]


def figure_names(folder: Path) -> list[str]:
    """What `drawn` can draw of a study, in the order of its report."""
    return list(charts_of(read_measured(folder)))


def read_measured(folder: Path) -> Measured:
    """What the report of a study knew of it. Raises UserError where the folder is of no study, or
    of one that another version of the lab wrote."""
    rows = load(folder)
    final = rows[rows["step"].isna()]
    return Measured(
        spec=_spec(folder),
        summary=read_summary(folder),
        rows=final,
        questions=per_question(per_wording(final)),
        losses=read_json(folder / LOSSES),
    )


def _spec(folder: Path) -> StudySpec:
    try:
        return StudySpec.model_validate(read_json(folder / "provenance.json")["config"])
    except ValidationError:
        raise UserError(
            f"study {folder.name!r} was written by another version of the lab; `tellme run` its"
            " configuration again"
        ) from None
