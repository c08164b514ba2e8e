"""The figure of a verdict: what models do, say of themselves, of others and of unrelated traits."""

import altair as alt
import numpy as np
import pandas as pd

from tellme.report.figures.marks import (
    FIRST,
    SECOND,
    Chart,
    in_order,
    intervals,
    reference_line,
    styled,
    tooltip,
)

WIDTH, LINE = 400, 34
"""Pixels of a panel's width and of a line."""
LABELS = 380
BESIDE = WIDTH + 10
"""Where the numbers stand, right of the panel."""
LEAST, EDGE = 0.2, 0.03
"""How far a panel reaches to both sides at least, and how far beyond what it shows."""
WHOLE = ["does", "says", "control", "others"]
"""Kinds of line that have an interval."""
COLORS = ["#333333", SECOND, FIRST, FIRST]
SHADE, OF_TRAITS = "#ececec", "#cfd8e3"
"""Of the margin, and of where 95 % of unrelated traits lie."""


def verdict(table: pd.DataFrame) -> Chart:
    """A panel per primary contrast: columns panel, row, kind, estimate, ci_low, ci_high, said, of.

    Kinds are those of WHOLE, with an interval and the numbers beside it (`said`); `model`, a small
    dot below; `trait`, a dot; and from `ci_low` to `ci_high` the zones `margin` and `limit`, the
    last where 95 % of unrelated traits lie. `of` says what a line is over."""
    drawn = table[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float)
    first, last = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    ends = [min(-LEAST, first) - EDGE, max(LEAST, last) + EDGE]
    panels = [_panel(part, str(name), ends) for name, part in table.groupby("panel", sort=False)]
    return styled(alt.vconcat(*panels))


def _panel(table: pd.DataFrame, title: str, ends: list[float]) -> Chart:
    by_kind = {str(kind): part for kind, part in table.groupby("kind", sort=False)}
    nothing = table.iloc[:0]
    whole = table[table["kind"].isin(WHOLE)]
    rows = in_order(table[table["row"] != ""], "row")
    lines = alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=LABELS, ticks=False))
    scale = alt.Scale(domain=ends)
    difference = alt.X("ci_low:Q", title="difference in score", scale=scale)
    color = alt.Color("kind:N", scale=alt.Scale(domain=WHOLE, range=COLORS), legend=None)
    margin = alt.Chart(by_kind["margin"]).mark_rect(color=SHADE)
    limit = alt.Chart(by_kind.get("limit", nothing)).mark_rect(color=OF_TRAITS)
    models = alt.Chart(by_kind.get("model", nothing)).mark_point(filled=True, size=16, opacity=0.7)
    traits = alt.Chart(by_kind.get("trait", nothing)).mark_point(size=55, color="#333333")
    numbers = alt.Chart(whole).mark_text(align="left", fontSize=12, color="#333333")
    base = alt.Chart(whole).encode(y=lines, color=color)
    layers = [
        margin.encode(x=difference, x2="ci_high:Q"),
        limit.encode(x=difference, x2="ci_high:Q", y=lines),
        reference_line("x", 0),
        models.encode(
            x="estimate:Q", y=lines, yOffset=alt.value(LINE * 0.82), color=alt.value("#777")
        ),
        traits.encode(x="estimate:Q", y=lines, tooltip=tooltip(["of"], ["estimate"])),
        *intervals(base, "x", ["row", "of"], form="+.3f", size=90, scale=scale),
        numbers.encode(x=alt.value(BESIDE), y=lines, text="said:N"),
    ]
    chart: Chart = alt.layer(*layers).properties(
        title=alt.Title(title, anchor="start", fontSize=13), width=WIDTH, height=alt.Step(LINE)
    )
    return chart
