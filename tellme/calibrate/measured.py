"""A study of the calibration with its scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from lab.specs import StudySpec
from lab.store.store import Store
from lab.store.trust import refuse_untrusted
from tellme.report.analysis.contrasts import ContrastRecord, contrast_estimates
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.gather import Measurement, gather_rows, gather_trust, measurements, study_of
from tellme.study.plan import Plan


@dataclass(frozen=True)
class Measured:
    """A study of the calibration and its scores by wording and by question."""

    plan: Plan
    cells: list[Measurement]
    wordings: pd.DataFrame
    questions: pd.DataFrame

    @property
    def spec(self) -> StudySpec:
        """What its report would be about."""
        return study_of(self.plan.final)

    @property
    def rows(self) -> pd.DataFrame:
        """Every answer; there are many, so they are read again each time."""
        return gather_rows(self.cells)

    @property
    def contrasts(self) -> list[ContrastRecord]:
        """Those that the study declares."""
        return contrast_estimates(self.questions, self.spec)


def measure(plan: Plan, store: Store) -> Measured:
    """The scores of a study whose grades are in the store, whether its last folder was written or
    not. Raises TrustError where a trust check failed."""
    cells = measurements(study_of(plan.final), store)
    refuse_untrusted(gather_trust(cells), allow=False)
    wordings = _wordings(cells)
    return Measured(plan, cells, wordings, per_question(wordings))


def _wordings(cells: Sequence[Measurement]) -> pd.DataFrame:
    """Scores by wording. A model at a time: the answers of hundreds would not fit in memory."""
    models = groupby(cells, key=lambda measured: (measured.cell.group, measured.cell.seed))
    tables = [per_wording(gather_rows(list(own))) for _, own in models]
    return pd.concat(tables, ignore_index=True)
