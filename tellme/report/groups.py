"""What every group scores, with what its scores leave open: how much of what it says is listed, and
what it scores over that alone."""

import pandas as pd

from lab.agreed import POOLED
from tellme.report.analysis.contrasts import ESTIMATED, GroupRecord


class GroupLine(GroupRecord):
    """A group on all questions of a suite, or a pool of them."""

    listed: float
    """Mean listed mass."""
    conditional: float | None
    """Mean conditional score; None where a model gave no listed answer."""


def group_lines(groups: list[GroupRecord], questions: pd.DataFrame) -> list[GroupLine]:
    """The pooled estimates of groups as a page shows them. `questions` as from `per_question`, of
    the rows that the groups were estimated from."""
    by_name = dict(iter(questions.groupby(ESTIMATED, sort=False)))
    lines: list[GroupLine] = []
    for group in groups:
        if group["question"] not in POOLED:
            continue
        name = group["group"], group["condition"], group["suite"], group["behavior"]
        own = by_name[*name, group["question"]]
        conditional = None if own["conditional"].isna().any() else float(own["conditional"].mean())
        line: GroupLine = {
            **group,
            "listed": float(own["listed"].mean()),
            "conditional": conditional,
        }
        lines.append(line)
    return lines
