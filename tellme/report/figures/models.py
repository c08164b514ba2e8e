"""Figures of models: what each does against what it says, and both over training."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from tellme.report.figures.marks import (
    CLAMPED,
    UNIT,
    Chart,
    group_color,
    in_order,
    styled,
    tooltip,
)

WIDTH = 620
"""Pixels of a figure that fills the page."""


def does_and_says(table: pd.DataFrame, groups: Sequence[str]) -> Chart:
    """A mark per model: columns group, seed, behavior and self_report (mean scores). On the dashed
    line a model reports just what it does."""
    ends = alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]}))
    diagonal = ends.mark_line(strokeDash=[3, 3], color="#999").encode(x="x:Q", y="y:Q")
    dots = alt.Chart(table).mark_point(filled=True, size=110, opacity=0.85)
    marks = dots.encode(
        x=alt.X("behavior:Q", scale=UNIT, title="does: behavior on held-out prompts"),
        y=alt.Y("self_report:Q", scale=UNIT, title="says: mean of all self-report questions"),
        color=group_color(groups),
        tooltip=tooltip(["group", "seed"], ["behavior", "self_report"]),
    )
    return styled(alt.layer(diagonal, marks).properties(width=380, height=380))


def over_training(table: pd.DataFrame, groups: Sequence[str]) -> Chart:
    """A panel per suite, a line per group with its band: columns panel, group, step, estimate,
    ci_low, ci_high."""
    columns = min(3, table["panel"].nunique())
    steps = sorted({0, *map(int, table["step"])})
    # Steps are a few at first and many later; a plain logarithm has no place for step 0.
    scale = alt.Scale(type="symlog", constant=4)
    base = alt.Chart().encode(
        x=alt.X("step:Q", title="optimizer step", scale=scale, axis=alt.Axis(values=steps)),
        color=group_color(groups),
    )
    band = base.mark_area(opacity=0.2).encode(
        y=alt.Y("ci_low:Q", title="score", scale=CLAMPED), y2="ci_high:Q"
    )
    line = base.mark_line(point=True).encode(y="estimate:Q", tooltip=tooltip(["group", "step"]))
    layers = alt.layer(band, line, data=table).properties(width=WIDTH // columns, height=220)
    by_panel = alt.Facet("panel:N", sort=in_order(table, "panel"), title=None)
    return styled(layers.facet(by_panel, columns=columns))


def loss(table: pd.DataFrame, groups: Sequence[str]) -> Chart:
    """A line per fine-tune: columns group, seed, step, loss (nats per token of the completion)."""
    lines = alt.Chart(table).mark_line(opacity=0.8)
    chart = lines.encode(
        x=alt.X("step:Q", title="optimizer step"),
        y=alt.Y("loss:Q", title="loss on the completion (nats per token)"),
        color=group_color(groups),
        detail=alt.Detail("seed:N"),
        tooltip=tooltip(["group", "seed", "step"], ["loss"]),
    )
    return styled(chart.properties(width=WIDTH, height=220))
