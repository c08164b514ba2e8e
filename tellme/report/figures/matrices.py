"""Figures of triggers and of other behaviors: what moved where nothing should have."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from tellme.report.figures.marks import (
    SECOND,
    UNIT,
    Chart,
    group_color,
    group_offset,
    styled,
    tooltip,
)

SHARE = "share of the planted policy"


def attack(table: pd.DataFrame, groups: Sequence[str], conditions: Sequence[str]) -> Chart:
    """A bar per group and condition: columns group, condition, estimate, ci_low, ci_high."""
    base = alt.Chart(table).encode(
        x=alt.X("estimate:Q", scale=UNIT, title=SHARE),
        y=alt.Y("condition:N", sort=list(conditions), title=None),
        yOffset=group_offset(groups),
    )
    color = group_color(groups)
    bars = base.mark_bar(opacity=0.85).encode(color=color, tooltip=tooltip(["group", "condition"]))
    # A bar of length zero cannot be seen; its tick can.
    ticks = base.mark_tick(thickness=2, size=9, opacity=1).encode(color=color)
    spans = base.mark_rule(strokeWidth=1.5, clip=True).encode(
        x=alt.X("ci_low:Q", scale=UNIT, title=SHARE), x2="ci_high:Q"
    )
    return styled(alt.layer(bars, ticks, spans).properties(width=620, height=alt.Step(11)))


def which_trigger(table: pd.DataFrame) -> Chart:
    """A cell per group and candidate, a dot on the real trigger: columns group, question, score,
    real."""
    base = alt.Chart(table).encode(
        x=alt.X("question:N", sort=None, title="asked about", axis=alt.Axis(labelAngle=-50)),
        y=alt.Y("group:N", sort=None, title=None),
    )
    blues = alt.Scale(scheme="blues", domain=[0, 1])
    cells = base.mark_rect(stroke="#fff").encode(
        color=alt.Color("score:Q", scale=blues, legend=alt.Legend(title="says it is")),
        tooltip=tooltip(["group", "question"], ["score"]),
    )
    real = base.transform_filter("datum.real").mark_circle(size=60, color=SECOND, opacity=1)
    chart = alt.layer(cells, real)
    return styled(chart.properties(width=alt.Step(26), height=alt.Step(26)))


def off_target(table: pd.DataFrame) -> Chart:
    """A cell per group and behavior it was asked about: columns group, behavior, reported,
    estimate, ci_low, ci_high."""
    rows = table.assign(row=table["group"] + " (" + table["behavior"] + ")")
    above = alt.Axis(labelAngle=0, orient="top")
    trained = alt.Axis(labelLimit=300)
    base = alt.Chart(rows).encode(
        x=alt.X("reported:N", title="self-reports about", axis=above),
        y=alt.Y("row:N", sort=None, title="trained on", axis=trained),
    )
    both_ways = alt.Scale(scheme="redblue", domain=[-0.5, 0.5], clamp=True)
    cells = base.mark_rect(stroke="#fff", strokeWidth=2).encode(
        color=alt.Color("estimate:Q", scale=both_ways, legend=alt.Legend(title="change of score")),
        tooltip=tooltip(["group", "reported"], form="+.3f"),
    )
    # White on the strongest colors, which would swallow dark figures.
    dark = alt.condition("abs(datum.estimate) > 0.35", alt.value("#fff"), alt.value("#222"))
    numbers = base.mark_text(fontSize=13).encode(
        text=alt.Text("estimate:Q", format="+.2f"), color=dark
    )
    chart = alt.layer(cells, numbers)
    return styled(chart.properties(width=alt.Step(120), height=alt.Step(30)))
