"""Checkpoint curves: what models do and say as training goes on."""

from typing import Any

import altair as alt
import pandas as pd

from lab.stats import mean_interval
from study.figures import WIDTH
from study.summary import per_question, per_wording


def questions_by_step(rows: pd.DataFrame, last: dict[tuple[str, int], int]) -> dict[int, pd.DataFrame]:
    """Per optimizer step the table of `per_question` over the adapters measured there; 0 is the base.

    `rows` are those of a study with `eval.steps`; `last` is the number of steps behind each final adapter, by group and seed."""
    at = [
        int(step) if pd.notna(step) else last.get((group, seed), 0) if pd.notna(seed) else 0
        for group, seed, step in zip(rows["group"], rows["seed"], rows["step"], strict=True)
    ]
    kept = rows.assign(at=at)
    kept = kept[(kept["at"] > 0) | (kept["group"] == "base")]
    return {step: per_question(per_wording(kept[kept["at"] == step])) for step in sorted(set(at) & set(kept["at"]))}


def curve_estimates(by_step: dict[int, pd.DataFrame]) -> list[dict[str, Any]]:
    """Mean score over the questions of a suite by group and step, with its interval over seeds."""
    records = []
    for step, questions in by_step.items():
        for names, part in questions[questions["question"] == "all"].groupby(["group", "condition", "suite", "behavior"], sort=False):
            found = mean_interval([float(v) for v in part.groupby("seed", dropna=False)["score"].mean()])
            interval = {"estimate": found.estimate, "ci_low": found.low, "ci_high": found.high}
            keys = dict(zip(("group", "condition", "suite", "behavior"), names, strict=True))
            records.append(keys | {"step": step} | interval | {"num_seeds": found.num_seeds})
    return records


def over_training(curves: list[dict[str, Any]], color: alt.Color) -> alt.FacetChart:
    """A panel per suite and behavior: every group's mean score by step, from the base at step 0."""
    table = pd.DataFrame([c for c in curves if c["condition"] == "clean"])
    groups = [g for g in dict.fromkeys(table["group"]) if g != "base"]
    starts = table[table["group"] == "base"]
    table = pd.concat([*(starts.assign(group=g) for g in groups), table[table["group"] != "base"]])
    table["panel"] = table["suite"] + " of " + table["behavior"]
    scale = alt.Scale(type="symlog", constant=4)
    ticks = [0, *sorted(set(table["step"]) - {0})]
    x = alt.X("step:Q", title="optimizer step", scale=scale, axis=alt.Axis(values=ticks))
    chart = alt.Chart(table)
    band = chart.mark_area(opacity=0.2).encode(x=x, y=alt.Y("ci_low:Q", title="score", scale=alt.Scale(domain=[0, 1], clamp=True)), y2="ci_high:Q", color=color)
    tips = ["group", "step", *(alt.Tooltip(f, format=".3f") for f in ("estimate", "ci_low", "ci_high"))]
    line = chart.mark_line(point=True).encode(x=x, y="estimate:Q", color=color, tooltip=tips)
    panels = list(dict.fromkeys(table["panel"]))
    columns = min(3, len(panels))
    panel = alt.layer(band, line).properties(width=WIDTH // columns, height=220)
    return panel.facet(facet=alt.Facet("panel:N", title=None, sort=panels), columns=columns)
