"""What figures share: colors of groups, intervals with their dots, lines of reference, tooltips."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict, Unpack

import altair as alt
import pandas as pd

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart | alt.HConcatChart

COLORS = (
    "#4c78a8", "#e45756", "#54a24b", "#b279a2", "#f58518",
    "#72b7b2", "#9d755d", "#bab0ac", "#eeca3b", "#d67195",
)  # fmt: skip
"""Of groups, in their order: Tableau's ten, which stay apart in print."""
OF_BASE = "#555555"
"""The base is gray in every figure: what is colored was trained."""
FIRST, SECOND = COLORS[:2]
AXIS = {"labelFontSize": 12, "titleFontSize": 12, "gridColor": "#eee", "domainColor": "#888"}
QUANTITIES = {"seed", "step", "bin", "num_seeds"}
"""Columns that tooltips show as numbers."""
LINE, GROUP = 44, 9
"""Pixels of a line of groups, and of a group, whose dots would touch in less."""
UNIT = alt.Scale(domain=[0, 1])
CLAMPED = alt.Scale(domain=[0, 1], clamp=True)
"""Of scores: an interval may leave [0, 1], a figure need not."""

Direction: TypeAlias = Literal["x", "y"]


class Channel(TypedDict, total=False):
    """How values lie along a direction; what is left out is Altair's own."""

    title: str
    scale: alt.Scale
    axis: alt.Axis


def styled(chart: Chart) -> Chart:
    """A finished chart in the style of the house: no frame, legible labels."""
    configured: Chart = (
        chart.configure_view(stroke=None)
        .configure_axis(**AXIS)
        .configure_legend(labelFontSize=12)
        .configure_header(labelFontSize=12)
    )
    return configured


def in_order(table: pd.DataFrame, column: str) -> list[str]:
    """The values of a column as they come, to sort an axis by. Left to itself an axis goes by the
    first layer, and the rules of `intervals` have no line where there is no interval."""
    return list(table[column].unique())


def palette(groups: Sequence[str]) -> alt.Scale:
    """A color for every group, the same in all figures of a report."""
    others = [group for group in groups if group != "base"]
    colors = {group: COLORS[i % len(COLORS)] for i, group in enumerate(others)}
    return alt.Scale(domain=list(groups), range=[colors.get(g, OF_BASE) for g in groups])


def group_color(groups: Sequence[str], legend: bool = True) -> alt.Color:
    """Color by the column `group`, with a legend above."""
    shown = alt.Legend(title=None, orient="top", symbolOpacity=1) if legend else None
    return alt.Color("group:N", scale=palette(groups), legend=shown)


def group_offset(groups: Sequence[str]) -> alt.YOffset:
    """Groups below each other within a line."""
    return alt.YOffset("group:N", sort=list(groups))


def line_height(groups: Sequence[str]) -> alt.Step:
    """Height of a line that holds all groups: together LINE pixels, and GROUP each at the least."""
    return alt.Step(max(GROUP, LINE // max(1, len(groups))))


def tooltip(
    names: Sequence[str],
    numbers: Sequence[str] = ("estimate", "ci_low", "ci_high"),
    form: str = ".3f",
) -> list[alt.Tooltip]:
    """What hovering shows: columns as they are, then numbers in a format."""
    plain = [alt.Tooltip(n, type="quantitative" if n in QUANTITIES else "nominal") for n in names]
    formatted = [alt.Tooltip(n, type="quantitative", format=form) for n in numbers]
    return [*plain, *formatted]


def intervals(
    base: alt.Chart,
    direction: Direction,
    names: Sequence[str],
    *,
    middle: str = "estimate",
    form: str = ".3f",
    size: int = 70,
    shape: alt.Shape | None = None,
    **channel: Unpack[Channel],
) -> list[alt.Chart]:
    """A rule from `ci_low` to `ci_high` along a direction, with a dot at `middle`; lines without an
    interval have the dot alone."""
    along = alt.X if direction == "x" else alt.Y
    ends = {direction: along("ci_low:Q", **channel), f"{direction}2": "ci_high:Q"}
    # An interval may leave a figure; a dot never does, and stays whole on its edge.
    rule = base.mark_rule(strokeWidth=2, clip=True).encode(**ends)
    dot = base.mark_point(filled=True, size=size, opacity=1).encode(
        along(f"{middle}:Q"), tooltip=tooltip(names, [middle, "ci_low", "ci_high"], form)
    )
    return [rule, dot if shape is None else dot.encode(shape)]


def reference_line(
    direction: Direction, at: float, color: str = "#999", dash: Sequence[float] = (1, 0)
) -> alt.Chart:
    """A line across the figure: zero, chance, a nominal rate."""
    # Data of its own, of one record: else the line is drawn once for every row of the figure.
    once = alt.Chart(alt.InlineData(values=[{}]))
    mark = once.mark_rule(color=color, strokeDash=list(dash))
    line: alt.Chart = mark.encode(**{direction: alt.datum(at)})
    return line
