"""The figures of a report, as Vega-Lite charts: one source for the interactive page, SVG and PNG."""

import json
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

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


def tips(*names: str, form: str = ".3f", numbers: tuple[str, ...] = ("estimate", "ci_low", "ci_high")) -> list[Any]:
    return [*names, *(alt.Tooltip(name, format=form) for name in numbers)]


def spans(table: pd.DataFrame, low: alt.X | alt.Y, *seen: str, middle: str = "estimate", form: str = ".3f", size: int = 70, **common: Any) -> alt.LayerChart:
    """A dot on its interval for every line of a table. `low` is the axis with the lower end on it."""
    dot_axis, high = (alt.Y(f"{middle}:Q"), alt.Y2("ci_high:Q")) if isinstance(low, alt.Y) else (alt.X(f"{middle}:Q"), alt.X2("ci_high:Q"))
    rule = alt.Chart(table).mark_rule(strokeWidth=2, clip=True).encode(low, high, **{name: channel for name, channel in common.items() if name != "shape"})
    shown = tips(*seen, form=form, numbers=(middle, "ci_low", "ci_high"))
    return alt.layer(rule, alt.Chart(table).mark_point(filled=True, size=size, opacity=1, clip=True).encode(dot_axis, tooltip=shown, **common))


def line(table: pd.DataFrame, color: str = "#999", dash: tuple[int, int] = (1, 0), **at: float) -> alt.Chart:
    """A line at a value of x or y."""
    return alt.Chart(table).mark_rule(color=color, strokeDash=list(dash)).encode(**{axis: alt.datum(value) for axis, value in at.items()})


def save(charts: dict[str, Any], out: Path) -> dict[str, str]:
    """Every chart as SVG and PNG in `out`/figures; returns their specifications for a page."""
    (out / "figures").mkdir(exist_ok=True)
    specs = {}
    for name, chart in charts.items():
        spec = themed(chart).to_dict()
        svg = vl_convert.vegalite_to_svg(spec)
        (out / "figures" / f"{name}.svg").write_text(svg, encoding="utf-8")
        (out / "figures" / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, ppi=160))
        specs[name] = json.dumps(spec)
    return specs


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
    mean = alt.Chart(mine).mark_tick(thickness=3, size=11, opacity=1)
    mean = mean.encode(x=alt.X("estimate:Q", scale=SCORE), tooltip=tips("group", "question", "num_seeds"), **common)
    dot = (
        alt.Chart(dots)
        .mark_circle(size=22, opacity=0.6)
        .encode(x=alt.X("score:Q", scale=SCORE), tooltip=tips("group", "seed", "question", numbers=("score",)), **common)
    )
    height = alt.Step(max(9, 44 // max(1, len(groups))))
    return alt.layer(line(mine, dash=(3, 3), x=0.5), rule, mean, dot).properties(width=WIDTH, height=height)


def does_and_says(pairs: pd.DataFrame, groups: list[str]) -> alt.LayerChart:
    """One dot per fine-tuned model: what it does against what it says."""
    diagonal = alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]})).mark_line(strokeDash=[3, 3], color="#999").encode(x="x:Q", y="y:Q")
    x = alt.X("behavior:Q", scale=SCORE, title="does: behavior on held-out prompts")
    y = alt.Y("self_report:Q", scale=SCORE, title="says: mean of all self-report questions")
    seen = tips("group", "seed", numbers=("behavior", "self_report"))
    dots = alt.Chart(pairs).mark_point(filled=True, size=110, opacity=0.85).encode(x=x, y=y, color=legend(groups), tooltip=seen)
    return alt.layer(diagonal, dots).properties(width=380, height=380)


def conditions(table: pd.DataFrame, groups: list[str]) -> alt.FacetChart:
    """Small multiples: a panel per suite and behavior, a row per condition, each group with its interval."""
    table = table.assign(panel=table["suite"] + " of " + table["behavior"])
    common = {
        "y": alt.Y("condition:N", sort=list(dict.fromkeys(table["condition"])), title=None),
        "yOffset": alt.YOffset("group:N", sort=groups),
        "color": legend(groups),
    }
    low = alt.X("ci_low:Q", title="score (1 = pole of the first policy)", scale=alt.Scale(domain=[0, 1], clamp=True))
    panel = spans(table, low, "group", "condition", size=60, **common).properties(width=WIDTH // 2 - 40, height=alt.Step(max(9, 44 // max(1, len(groups)))))
    return panel.facet(facet=alt.Facet("panel:N", title=None), columns=2)


def scale_answers(answers: pd.DataFrame, groups: list[str]) -> alt.FacetChart:
    """How the probability of a 0-100 answer is spread: two modes at the ends are not a mean in the middle."""
    x, y = alt.X("bin:O", title="answer, in bins of ten", axis=alt.Axis(labelAngle=0)), alt.Y("probability:Q", title="probability")
    color, seen = alt.Color("group:N", scale=_palette(groups), legend=None), tips("group", "question", "bin", numbers=("probability",))
    bars = alt.Chart(answers).mark_bar().encode(x=x, y=y, color=color, tooltip=seen)
    return bars.properties(width=210, height=90).facet(row=alt.Row("group:N", sort=groups, title=None), column=alt.Column("question:N", title=None))


def contrasts(table: pd.DataFrame) -> alt.LayerChart:
    """Every declared contrast on the pooled questions, with its interval; zero is no difference."""
    y = alt.Y("label:N", sort=list(table["label"]), title=None, axis=alt.Axis(labelLimit=330))
    color = alt.Color("kind:N", scale=alt.Scale(domain=["primary", "other"], range=["#e45756", "#4c78a8"]), legend=alt.Legend(title=None, orient="top"))
    shown = spans(table, alt.X("ci_low:Q", title="difference in score"), "label", form="+.3f", size=80, y=y, color=color)
    return alt.layer(line(table, x=0), shown).properties(width=WIDTH - 120, height=alt.Step(26))


def sweep(table: pd.DataFrame) -> alt.VConcatChart:
    """One panel per swept key: the contrast at each value, with its interval. Columns key, value, line and the numbers."""
    panels = []
    lines = list(dict.fromkeys(table["line"]))
    color = alt.Color("line:N", scale=alt.Scale(domain=lines), legend=alt.Legend(title=None, orient="top", columns=3, labelLimit=330))
    for key, part in table.groupby("key", sort=False):
        x = alt.X("value:N", sort=list(dict.fromkeys(part["value"])), title=str(key), axis=alt.Axis(labelAngle=0))
        low, shift = alt.Y("ci_low:Q", title="contrast", scale=alt.Scale(domain=[-1, 1])), alt.XOffset("line:N", sort=lines)
        shown = spans(part, low, "line", "value", form="+.3f", size=50, x=x, xOffset=shift, color=color)
        panels.append(alt.layer(line(part, y=0), shown).properties(width=WIDTH, height=150))
    return alt.vconcat(*panels)


def losses(curves: pd.DataFrame, groups: list[str]) -> alt.Chart:
    """Training loss on the completion, one line per adapter."""
    x, y = alt.X("step:Q", title="optimizer step"), alt.Y("loss:Q", title="loss on the completion (nats per token)")
    chart = alt.Chart(curves).mark_line(opacity=0.8)
    chart = chart.encode(x=x, y=y, color=legend(groups), detail="seed:N", tooltip=tips("group", "seed", "step", numbers=("loss",)))
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
    summed = kept.groupby(["group", "seed", "question", "paraphrase", "order", "bin"], dropna=False, sort=False)["p_exact"].sum().reset_index()
    mean: pd.DataFrame = summed.groupby(["group", "question", "bin"], sort=False)["p_exact"].mean().reset_index()
    return mean.rename(columns={"p_exact": "probability"})


def themed(chart: Any) -> Any:
    return (
        chart.configure_view(stroke=None)
        .configure_axis(labelFontSize=12, titleFontSize=12, gridColor="#eee", domainColor="#888")
        .configure_legend(labelFontSize=12)
        .configure_header(labelFontSize=12)
    )
