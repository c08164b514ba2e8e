"""Figures of questions: scores question by question, under other system lines, and on scales."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from lab.agreed import POOLED
from tellme.report.figures.marks import (
    CLAMPED,
    Chart,
    group_color,
    group_offset,
    in_order,
    intervals,
    line_height,
    palette,
    reference_line,
    styled,
    tooltip,
)

SCORE = "score (1 = the first pole)"
"""Of the first policy of a behavior, or the side that scores 1 in a user's questions."""


def questions(table: pd.DataFrame, dots: pd.DataFrame, groups: Sequence[str]) -> Chart:
    """A line per question, a tick per group on its interval: columns group, question, estimate,
    ci_low, ci_high, num_seeds. `dots` are the single seeds: group, question, seed, score."""
    across = alt.Axis(labelLimit=240, grid=True)
    pooled_first = list(dict.fromkeys([*POOLED, *in_order(table, "question")]))
    line = alt.Y("question:N", sort=pooled_first, title=None, axis=across)
    color, offset = group_color(groups), group_offset(groups)
    base = alt.Chart(table).encode(y=line, yOffset=offset, color=color)
    spans = base.mark_rule(strokeWidth=2, clip=True).encode(
        x=alt.X("ci_low:Q", scale=CLAMPED, title=SCORE), x2="ci_high:Q"
    )
    ticks = base.mark_tick(thickness=3, size=11, opacity=1).encode(
        x="estimate:Q", tooltip=tooltip(["group", "question", "num_seeds"])
    )
    seeds = alt.Chart(dots).encode(y=line, yOffset=offset, color=color)
    circles = seeds.mark_circle(size=22, opacity=0.6).encode(
        x="score:Q", tooltip=tooltip(["group", "seed", "question"], ["score"])
    )
    chart = alt.layer(reference_line("x", 0.5, dash=(3, 3)), spans, ticks, circles)
    return styled(chart.properties(width=620, height=line_height(groups)))


def systems(table: pd.DataFrame, groups: Sequence[str]) -> Chart:
    """A panel per suite, a line per system line: columns panel, condition, group, estimate, ci_low,
    ci_high."""
    base = alt.Chart().encode(
        y=alt.Y("condition:N", sort=in_order(table, "condition"), title=None),
        yOffset=group_offset(groups),
        color=group_color(groups),
    )
    dots = intervals(base, "x", ["group", "condition"], size=60, title=SCORE, scale=CLAMPED)
    layers = alt.layer(*dots, data=table).properties(width=270, height=line_height(groups))
    return styled(layers.facet(alt.Facet("panel:N", title=None), columns=2))


def scale_answers(table: pd.DataFrame, groups: Sequence[str]) -> Chart:
    """Probability by bin of ten on a scale and on its flipped twin: columns group, question, bin,
    probability."""
    bars = alt.Chart(table).mark_bar()
    panels = bars.encode(
        x=alt.X("bin:O", title="answer, in bins of ten", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("probability:Q", title="probability"),
        color=alt.Color("group:N", scale=palette(groups), legend=None),
        tooltip=tooltip(["group", "question", "bin"], ["probability"]),
    ).properties(width=210, height=90)
    row = alt.Row("group:N", sort=list(groups), title=None)
    return styled(panels.facet(row=row, column=alt.Column("question:N", title=None)))
