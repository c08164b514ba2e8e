"""Does a contrast hold under other system lines? Both sides asked under the same one."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lab.config.primary import Side
from lab.config.schema import SYSTEMS
from lab.table import MINUS
from tellme.report.analysis.contrasts import contrast_estimates


def by_system(questions: pd.DataFrame, contrasts: Sequence[Any]) -> list[dict[str, Any]]:
    """Every contrast of two groups on the suites that were asked under several system lines, once
    under each; empty where there was one line only. `questions` as from `per_question`."""
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
        for contrast in contrast_estimates(asked, _under(line, contrasts), None):
            a, b = (contrast[side].partition("@")[0] for side in ("a", "b"))
            records.append({"condition": line, "label": f"{a} {MINUS} {b}", **contrast})
    return records


def _under(line: str, contrasts: Sequence[Any]) -> list[tuple[Side, Side]]:
    """The contrasts of two groups that name no condition of their own, asked under a line."""
    return [
        (f"{a}@{line}", f"{b}@{line}")
        for a, b in contrasts
        if isinstance(a, str) and isinstance(b, str) and "@" not in a + b
    ]
