"""The figures of a report, as Vega-Lite charts: one source for the interactive page, SVG and PNG."""

from typing import Any

import altair as alt
import pandas as pd

from lab.types import POOLED

COLORS = ["#4c78a8", "#e45756", "#54a24b", "#b279a2", "#f58518", "#72b7b2", "#9d755d", "#bab0ac", "#eeca3b", "#d67195"]
BASE_COLOR = "#555555"
WIDTH = 620
SCORE = alt.Scale(domain=[0, 1])


def _palette(groups: list[str]) -> alt.Scale:
    others = [g for g in groups if g != "base"]
    colors = [BASE_COLOR if g == "base" else COLORS[others.index(g) % len(COLORS)] for g in groups]
    return alt.Scale(domain=groups, range=colors)


def legend(groups: list[str]) -> alt.Color:
    return alt.Color("group:N", scale=_palette(groups), legend=alt.Legend(title=None, orient="top", symbolOpacity=1))


def questions(mine: pd.DataFrame, dots: pd.DataFrame, groups: list[str]) -> alt.LayerChart:
    """Every question of a suite, pooled ones first: each group's mean (bar) with its interval, each seed a dot."""
    names = list(dict.fromkeys(mine["question"]))
    if len(names) == 2:
        names.remove("all")
    order = [n for n in POOLED if n in names] + [n for n in names if n not in POOLED]
    mine, dots = mine[mine["question"].isin(names)], dots[dots["question"].isin(names)]
    title = "score (1 = pole of the first policy)"
    common = {
        "y": alt.Y("question:N", sort=order, title=None, axis=alt.Axis(labelLimit=240, grid=True)),
        "yOffset": alt.YOffset("group:N", sort=groups),
        "color": legend(groups),
    }
    low = alt.X("ci_low:Q", title=title, scale=alt.Scale(domain=[0, 1], clamp=True))
    rule = alt.Chart(mine).mark_rule(strokeWidth=2, clip=True).encode(x=low, x2="ci_high:Q", **common)
    numbers = [alt.Tooltip(field, format=".3f") for field in ("estimate", "ci_low", "ci_high")]
    mean = alt.Chart(mine).mark_tick(thickness=3, size=11, opacity=1)
    mean = mean.encode(x=alt.X("estimate:Q", scale=SCORE), tooltip=["group", "question", *numbers, "num_seeds"], **common)
    seen = ["group", "seed", "question", alt.Tooltip("score", format=".3f")]
    dot = alt.Chart(dots).mark_circle(size=22, opacity=0.6).encode(x=alt.X("score:Q", scale=SCORE), tooltip=seen, **common)
    half = alt.Chart(pd.DataFrame({"x": [0.5]})).mark_rule(strokeDash=[3, 3], color="#999").encode(x="x:Q")
    height = alt.Step(max(9, 44 // max(1, len(groups))))
    return alt.layer(half, rule, mean, dot).properties(width=WIDTH, height=height)


def does_and_says(pairs: pd.DataFrame, groups: list[str]) -> alt.LayerChart:
    """One dot per fine-tuned model: what it does against what it says."""
    diagonal = alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]})).mark_line(strokeDash=[3, 3], color="#999").encode(x="x:Q", y="y:Q")
    dots = (
        alt.Chart(pairs)
        .mark_point(filled=True, size=110, opacity=0.85)
        .encode(
            x=alt.X("behavior:Q", scale=SCORE, title="does: behavior on held-out prompts"),
            y=alt.Y("self_report:Q", scale=SCORE, title="says: mean of all self-report questions"),
            color=legend(groups),
            tooltip=["group", "seed", alt.Tooltip("behavior", format=".3f"), alt.Tooltip("self_report", format=".3f")],
        )
    )
    return alt.layer(diagonal, dots).properties(width=380, height=380)


def conditions(table: pd.DataFrame, groups: list[str]) -> alt.FacetChart:
    """Small multiples: a panel per suite and behavior, a row per condition, each group with its interval."""
    table = table.assign(panel=table["suite"] + " of " + table["behavior"])
    common = {
        "y": alt.Y("condition:N", sort=list(dict.fromkeys(table["condition"])), title=None),
        "yOffset": alt.YOffset("group:N", sort=groups),
        "color": legend(groups),
    }
    x = alt.X("ci_low:Q", title="score (1 = pole of the first policy)", scale=alt.Scale(domain=[0, 1], clamp=True))
    rule = alt.Chart(table).mark_rule(strokeWidth=2, clip=True).encode(x=x, x2="ci_high:Q", **common)
    numbers = [alt.Tooltip(field, format=".3f") for field in ("estimate", "ci_low", "ci_high")]
    dot = alt.Chart(table).mark_point(filled=True, size=60, opacity=1)
    dot = dot.encode(x=alt.X("estimate:Q", scale=SCORE), tooltip=["group", "condition", *numbers], **common)
    panel = alt.layer(rule, dot).properties(width=WIDTH // 2 - 40, height=alt.Step(max(9, 44 // max(1, len(groups)))))
    return panel.facet(facet=alt.Facet("panel:N", title=None), columns=2)


def scale_answers(answers: pd.DataFrame, groups: list[str]) -> alt.FacetChart:
    """How the probability of a 0-100 answer is spread: two modes at the ends are not a mean in the middle."""
    bars = (
        alt.Chart(answers)
        .mark_bar()
        .encode(
            x=alt.X("bin:O", title="answer, in bins of ten", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("probability:Q", title="probability"),
            color=alt.Color("group:N", scale=_palette(groups), legend=None),
            tooltip=["group", "question", "bin", alt.Tooltip("probability", format=".3f")],
        )
    )
    return bars.properties(width=210, height=90).facet(
        row=alt.Row("group:N", sort=groups, title=None), column=alt.Column("question:N", title=None)
    )


def contrasts(table: pd.DataFrame) -> alt.LayerChart:
    """Every declared contrast on the pooled questions, with its interval; zero is no difference."""
    y = alt.Y("label:N", sort=list(table["label"]), title=None, axis=alt.Axis(labelLimit=330))
    color = alt.Color(
        "kind:N", scale=alt.Scale(domain=["primary", "other"], range=["#e45756", "#4c78a8"]), legend=alt.Legend(title=None, orient="top")
    )
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color="#999").encode(x="x:Q")
    rule = (
        alt.Chart(table).mark_rule(strokeWidth=2).encode(x=alt.X("ci_low:Q", title="difference in score"), x2="ci_high:Q", y=y, color=color)
    )
    dot = (
        alt.Chart(table)
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x="estimate:Q",
            y=y,
            color=color,
            tooltip=[
                "label",
                alt.Tooltip("estimate", format="+.3f"),
                alt.Tooltip("ci_low", format="+.3f"),
                alt.Tooltip("ci_high", format="+.3f"),
            ],
        )
    )
    return alt.layer(zero, rule, dot).properties(width=WIDTH - 120, height=alt.Step(26))


def sweep(table: pd.DataFrame) -> alt.VConcatChart:
    """One panel per swept key: the contrast at each value, with its interval. Columns key, value, line and the numbers."""
    panels = []
    lines = list(dict.fromkeys(table["line"]))
    color = alt.Color("line:N", scale=alt.Scale(domain=lines), legend=alt.Legend(title=None, orient="top", columns=3, labelLimit=330))
    for key, part in table.groupby("key", sort=False):
        x = alt.X("value:N", sort=list(dict.fromkeys(part["value"])), title=str(key), axis=alt.Axis(labelAngle=0))
        y = alt.Y("estimate:Q", title="contrast", scale=alt.Scale(domain=[-1, 1]))
        shift = alt.XOffset("line:N", sort=lines)
        zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(color="#999").encode(y="y:Q")
        rule = (
            alt.Chart(part)
            .mark_rule(clip=True)
            .encode(x=x, xOffset=shift, y=alt.Y("ci_low:Q", title="contrast"), y2="ci_high:Q", color=color)
        )
        numbers = [alt.Tooltip(field, format="+.3f") for field in ("estimate", "ci_low", "ci_high")]
        dot = (
            alt.Chart(part)
            .mark_point(filled=True, size=50, opacity=1)
            .encode(x=x, xOffset=shift, y=y, color=color, tooltip=["line", "value", *numbers])
        )
        panels.append(alt.layer(zero, rule, dot).properties(width=WIDTH, height=150))
    return alt.vconcat(*panels)


def losses(curves: pd.DataFrame, groups: list[str]) -> alt.Chart:
    """Training loss on the completion, one line per adapter."""
    chart = (
        alt.Chart(curves)
        .mark_line(opacity=0.8)
        .encode(
            x=alt.X("step:Q", title="optimizer step"),
            y=alt.Y("loss:Q", title="loss on the completion (nats per token)"),
            color=legend(groups),
            detail="seed:N",
            tooltip=["group", "seed", "step", alt.Tooltip("loss", format=".3f")],
        )
    )
    return chart.properties(width=WIDTH, height=220)


def sweep_table(contrasts: list[dict[str, Any]], points: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """The pooled contrasts of a sweep: swept keys, their values, and the line (contrast and suite) each belongs to."""
    records = []
    for c in contrasts:
        label = next((label for label in points if c["a"].endswith(f".{label}")), None)
        if label is None or c["question"] != "all":
            continue
        sides = " \u2212 ".join(c[side].removesuffix(f".{label}") for side in "ab")
        values = [label.split("=")[-1]] if len(points[label]) == 1 else [str(v) for v in points[label].values()]
        swept = {"key": ", ".join(points[label]), "value": ", ".join(values), "line": f"{sides}, {c['suite']}", "suite": c["suite"]}
        records.append(swept | {k: c[k] for k in ("estimate", "ci_low", "ci_high")})
    return pd.DataFrame(records)


def scale_bins(rows: pd.DataFrame) -> pd.DataFrame:
    """Probability by bin of ten for the first scale of a self-report that has a flipped twin, and for the twin."""
    numbers: pd.DataFrame = rows[(rows["kind"] == "number") & (rows["suite"] == "self_report")]
    numbers = numbers[numbers["behavior"] == numbers["behavior"].min()]
    names = list(dict.fromkeys(numbers["question"]))
    pair = next(([n, f"{n}_flipped"] for n in names if f"{n}_flipped" in names), names[:1])
    kept: pd.DataFrame = numbers[numbers["question"].isin(pair) & numbers["answer"].notna()]
    if not len(kept):
        return kept
    kept = kept.assign(bin=(kept["answer"].astype(int) // 10) * 10, seed=kept["seed"].astype("float"))
    summed = (
        kept.groupby(["group", "seed", "question", "paraphrase", "order", "bin"], dropna=False, sort=False)["p_exact"].sum().reset_index()
    )
    mean: pd.DataFrame = summed.groupby(["group", "question", "bin"], sort=False)["p_exact"].mean().reset_index()
    return mean.rename(columns={"p_exact": "probability"})


def themed(chart: Any) -> Any:
    return (
        chart.configure_view(stroke=None)
        .configure_axis(labelFontSize=12, titleFontSize=12, gridColor="#eee", domainColor="#888")
        .configure_legend(labelFontSize=12)
        .configure_header(labelFontSize=12)
    )
