"""The figure of free answers that a judge scored: what any threshold would count."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from tellme.report.figures.marks import Chart, group_color, in_order, styled, tooltip


def thresholds(table: pd.DataFrame, groups: Sequence[str]) -> Chart:
    """A panel per suite and judge, a line per group: columns panel, group, threshold, share."""
    lines = alt.Chart(table).mark_line(strokeWidth=2)
    panels = lines.encode(
        x=alt.X("threshold:Q", title="a score of at least", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("share:Q", title="share of scored answers", scale=alt.Scale(domain=[0, 1])),
        color=group_color(groups),
        tooltip=tooltip(["group", "threshold"], ["share"]),
    ).properties(width=270, height=180)
    facet = alt.Facet("panel:N", title=None, sort=in_order(table, "panel"))
    return styled(panels.facet(facet, columns=2))
