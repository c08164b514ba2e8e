"""Figures of contrasts: each a difference of scores with its interval, beside zero."""

import altair as alt
import pandas as pd

from tellme.report.figures.marks import (
    FIRST,
    SECOND,
    Chart,
    in_order,
    intervals,
    reference_line,
    styled,
)

DIFFERENCE = "difference in score"
LABELS = 330
"""Pixels for the longest label of a contrast or study; longer ones are cut."""
WIDE_LABELS = alt.Axis(labelLimit=LABELS)
SHARES = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
VERDICT_COLORS = {
    "yes": FIRST,
    "no": "#f58518",
    "no, opposite sign": "#b3500b",
    "undecided": "#c7c7c7",
    "not measurable": "#8c8c8c",
}
"""Blue and orange are told apart by everybody; what decides nothing is gray."""


def contrasts(table: pd.DataFrame) -> Chart:
    """A line per contrast: columns label, kind (`primary`, `other`), estimate, ci_low, ci_high."""
    kinds = alt.Scale(domain=["primary", "other"], range=[SECOND, FIRST])
    labels = alt.Axis(labelLimit=LABELS)
    base = alt.Chart(table).encode(
        y=alt.Y("label:N", sort=in_order(table, "label"), title=None, axis=labels),
        color=alt.Color("kind:N", scale=kinds, legend=alt.Legend(title=None, orient="top")),
    )
    dots = intervals(base, "x", ["label"], form="+.3f", size=80, title=DIFFERENCE)
    chart = alt.layer(reference_line("x", 0), *dots)
    return styled(chart.properties(width=500, height=alt.Step(26)))


def sweep(table: pd.DataFrame) -> Chart:
    """A panel per swept key: columns key, value, line, estimate, ci_low, ci_high."""
    lines = in_order(table, "line")
    legend = alt.Legend(title=None, orient="top", columns=3, labelLimit=LABELS)
    color = alt.Color("line:N", scale=alt.Scale(domain=lines), legend=legend)
    upright, whole = alt.Axis(labelAngle=0), alt.Scale(domain=[-1, 1])
    panels = []
    for key, part in table.groupby("key", sort=False):
        base = alt.Chart(part).encode(
            x=alt.X("value:N", sort=in_order(part, "value"), title=str(key), axis=upright),
            xOffset=alt.XOffset("line:N", sort=lines),
            color=color,
        )
        names = ["line", "value"]
        dots = intervals(base, "y", names, form="+.3f", size=50, title="contrast", scale=whole)
        layers = alt.layer(reference_line("y", 0), *dots)
        panels.append(layers.properties(width=620, height=150))
    return styled(alt.vconcat(*panels))


def system_contrasts(table: pd.DataFrame) -> Chart:
    """A panel per suite, a line per system line: columns suite, condition, label, estimate, ci_low,
    ci_high."""
    labels = in_order(table, "label")
    legend = alt.Legend(title=None, orient="top", columns=2, labelLimit=LABELS)
    base = alt.Chart().encode(
        y=alt.Y("condition:N", sort=in_order(table, "condition"), title=None),
        yOffset=alt.YOffset("label:N", sort=labels),
        color=alt.Color("label:N", sort=labels, legend=legend),
    )
    dots = intervals(base, "x", ["label", "condition"], form="+.3f", size=55, title=DIFFERENCE)
    layers = alt.layer(reference_line("x", 0), *dots, data=table)
    panels = layers.properties(width=250, height=alt.Step(10))
    return styled(panels.facet(alt.Facet("suite:N", title=None), columns=2))


def forest(table: pd.DataFrame) -> Chart:
    """A panel per contrast, a line per study, the pooled estimate as a diamond below: columns
    panel, row, kind (`study`, `pooled`), estimate, ci_low, ci_high."""
    kinds = ["study", "pooled"]
    shapes = alt.Scale(domain=kinds, range=["circle", "diamond"])
    colors = alt.Scale(domain=kinds, range=[FIRST, SECOND])
    # Panels share their lines, so what is pooled in one must stand below the studies of all.
    by_kind = pd.concat([table[table["kind"] == kind] for kind in kinds])
    rows, labels = in_order(by_kind, "row"), alt.Axis(labelLimit=LABELS)
    base = alt.Chart().encode(
        y=alt.Y("row:N", sort=rows, title=None, axis=labels),
        color=alt.Color("kind:N", scale=colors, legend=None),
    )
    shape = alt.Shape("kind:N", scale=shapes, legend=None)
    dots = intervals(base, "x", ["row"], form="+.3f", size=90, shape=shape, title=DIFFERENCE)
    layers = alt.layer(reference_line("x", 0), *dots, data=table)
    panels = layers.properties(width=220, height=alt.Step(22))
    by_panel = alt.Facet("panel:N", sort=in_order(table, "panel"), title=None)
    return styled(panels.facet(by_panel, columns=2))


def signs(table: pd.DataFrame) -> Chart:
    """The contrast of self-reports by link of a reference model: columns link, behavior, estimate,
    ci_low, ci_high."""
    legend = alt.Legend(title=None, orient="top")
    link = "link of the reference model"
    base = alt.Chart(table).encode(
        x=alt.X("link:O", title=link, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("behavior:N"),
        color=alt.Color("behavior:N", legend=legend),
    )
    dots = intervals(base, "y", [], size=80, title="contrast of self-reports")
    return styled(alt.layer(reference_line("y", 0), *dots).properties(width=310, height=260))


def verdict_counts(table: pd.DataFrame) -> Chart:
    """Share of studies by what the rule says of them, a bar a contrast: columns label, verdict (of
    VERDICT_COLORS), studies (their number)."""
    domain, colors = list(VERDICT_COLORS), list(VERDICT_COLORS.values())
    color = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=domain, range=colors),
        legend=alt.Legend(title=None, orient="top"),
    )
    # In the order of the legend; Vega stacks by the alphabet.
    placed = table.assign(place=table["verdict"].map(domain.index))
    bars = alt.Chart(placed).mark_bar(height={"band": 0.7})
    chart = bars.encode(
        x=alt.X("studies:Q", stack="normalize", title="share of studies", axis=SHARES),
        y=alt.Y("label:N", sort=in_order(table, "label"), title=None, axis=WIDE_LABELS),
        color=color,
        order="place:Q",
        tooltip=[alt.Tooltip("verdict:N"), alt.Tooltip("studies:Q")],
    )
    return styled(chart.properties(width=460, height=alt.Step(30)))
