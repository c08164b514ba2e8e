"""Figure of a check: what a base does in every format of answers."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from lab.stats.verdict import LEAST_LISTED
from tellme.report.analysis.formats import CHANCE, MOST_ONE_SIDED, FormatRecord
from tellme.report.figures.marks import (
    COLORS,
    OF_BASE,
    UNIT,
    Chart,
    in_order,
    intervals,
    reference_line,
    styled,
)

LISTED, ACCURACY, HABIT = "listed mass", "accuracy", "share of a habit"
LIMITS = {LISTED: (LEAST_LISTED,), ACCURACY: (CHANCE,), HABIT: (1 - MOST_ONE_SIDED, MOST_ONE_SIDED)}
"""What each is compared with."""
PANEL = 230
"""Pixels of a panel's width."""
STEP = 22
"""Of a line's height."""


def followed_table(records: Sequence[FormatRecord]) -> pd.DataFrame:
    """Three lines a format and condition: columns format, condition, measure, estimate, ci_low,
    ci_high."""
    lines: list[dict[str, str | float | None]] = []
    for record in records:
        named = {"format": record["format"], "condition": record["condition"]}
        within = {"ci_low": record["ci_low"], "ci_high": record["ci_high"]}
        none = {"ci_low": None, "ci_high": None}
        lines.append({**named, "measure": LISTED, "estimate": record["listed"], **none})
        lines.append({**named, "measure": ACCURACY, "estimate": record["accuracy"], **within})
        lines.append({**named, "measure": HABIT, "estimate": record["share"], **none})
    return pd.DataFrame(lines)


def follows(table: pd.DataFrame) -> Chart:
    """A panel for each measure, a line per format, a color per condition: columns as in
    `followed_table`."""
    panels = [
        _panel(table[table["measure"] == name], name, limits, first=name == LISTED)
        for name, limits in LIMITS.items()
    ]
    return styled(alt.hconcat(*panels))


def _panel(table: pd.DataFrame, name: str, limits: Sequence[float], first: bool) -> Chart:
    conditions = in_order(table, "condition")
    lines = alt.Axis(labelLimit=160) if first else alt.Axis(labels=False, ticks=False)
    base = alt.Chart(table).encode(
        y=alt.Y("format:N", sort=in_order(table, "format"), title=None, axis=lines),
        yOffset=alt.YOffset("condition:N", sort=conditions),
        color=alt.Color(
            "condition:N",
            scale=alt.Scale(domain=conditions, range=[OF_BASE, *COLORS][: len(conditions)]),
            legend=alt.Legend(title=None, orient="top") if first else None,
        ),
    )
    marks = intervals(base, "x", ["format", "condition"], scale=UNIT, title=name)
    rules = [reference_line("x", limit, dash=(3, 3)) for limit in limits]
    return alt.layer(*rules, *marks).properties(width=PANEL, height=alt.Step(STEP))
