"""The off-target matrix: every group's adapters against the self-reports about every behavior."""

from typing import Any

import altair as alt
import pandas as pd

from lab.stats import mean_interval
from study.summary import numbers
from study.validity import changes_of_groups, of_suite, per_seed, trait_of


def off_target(wordings: pd.DataFrame, baselines: dict[str, str]) -> list[dict[str, Any]]:
    """Change of every group against its base in the self-reports about its own behavior and about every other that was asked.

    `wordings` as in study/validity.py; others' questions are those of the suite unrelated_trait."""
    records = []
    for group, behavior, changes in changes_of_groups(wordings, baselines):
        others = of_suite(changes, "unrelated_trait")
        parts = [(behavior, of_suite(changes, "self_report")), *others.groupby(trait_of(others), sort=False)]
        for reported, part in parts:
            of_group = {"group": group, "behavior": behavior, "reported": reported}
            records.append(of_group | numbers(mean_interval(per_seed(part))))
    return records


def matrix(records: list[dict[str, Any]]) -> alt.LayerChart:
    """A row per group, a column per behavior reported about; color and number are the change of score."""
    table = pd.DataFrame(records)
    table["row"] = table["group"] + " (" + table["behavior"] + ")"
    table["own"] = table["behavior"] == table["reported"]
    chart = alt.Chart(table).encode(
        x=alt.X("reported:N", title="self-reports about", axis=alt.Axis(labelAngle=0, orient="top")),
        y=alt.Y("row:N", sort=list(dict.fromkeys(table["row"])), title="trained on", axis=alt.Axis(labelLimit=300)),
    )
    scale = alt.Scale(scheme="redblue", domain=[-0.5, 0.5], clamp=True)
    cells = chart.mark_rect(stroke="#fff", strokeWidth=2).encode(
        color=alt.Color("estimate:Q", scale=scale, legend=alt.Legend(title="change of score")),
        tooltip=["group", "reported", *(alt.Tooltip(f, format="+.3f") for f in ("estimate", "ci_low", "ci_high"))],
    )
    text = chart.mark_text(fontSize=13).encode(
        text=alt.Text("estimate:Q", format="+.2f"), color=alt.condition("abs(datum.estimate) > 0.35", alt.value("#fff"), alt.value("#222"))
    )
    return alt.layer(cells, text).properties(width=alt.Step(120), height=alt.Step(30))
