"""Does a contrast hold under other system lines? Both sides asked under the same one."""

from collections.abc import Sequence

import pandas as pd

from lab.config.schema import SYSTEMS
from lab.specs import StudySpec
from lab.table import MINUS
from tellme.report.analysis.contrasts import ContrastRecord, described_contrasts
from tellme.report.analysis.families import Pair


class SystemRecord(ContrastRecord):
    """A contrast under a system line."""

    condition: str
    label: str


def by_system(questions: pd.DataFrame, spec: StudySpec) -> list[SystemRecord]:
    """Every contrast of two groups on the suites that were asked under several system lines, once
    under each; empty where there was one line only. All are descriptive: a line that the study
    names in a contrast of its own is tested there. `questions` as from `per_question`."""
    lines = [line for line in ("clean", *SYSTEMS) if line in set(questions["condition"])]
    if len(lines) < 2:
        return []
    suites = [
        suite
        for suite, conditions in questions.groupby("suite")["condition"]
        if len(set(conditions) & set(lines)) > 1
    ]
    pooled = questions[questions["suite"].isin(suites) & (questions["question"] == "all")]
    records = []
    for line in lines:
        asked = pooled[pooled["condition"] == line]
        for contrast in described_contrasts(asked, _under(line, spec.contrasts), spec):
            a, b = (side.partition("@")[0] for side in (contrast["a"], contrast["b"]))
            label = f"{a} {MINUS} {b}"
            record: SystemRecord = {"condition": line, "label": label, **contrast}
            records.append(record)
    return records


def _under(line: str, contrasts: Sequence[Pair]) -> list[Pair]:
    """The contrasts of two groups that name no condition of their own, asked under a line."""
    return [
        (f"{a}@{line}", f"{b}@{line}")
        for a, b in contrasts
        if isinstance(a, str) and isinstance(b, str) and "@" not in a + b
    ]
