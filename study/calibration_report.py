"""The report of `tellme calibrate`: a page to attach to a paper."""

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from lab.provenance import device, machine
from study.draw import CAPTIONS
from study.figures import WIDTH, does_and_says, line, save, spans
from study.page import environment


def write_report(out: Path, results: dict[str, Any]) -> None:
    """`report.html`, and its figures as SVG and PNG in `figures/`; study/captions.yaml has what stands under each."""
    of_signs = pd.DataFrame(results["signs"])
    charts: dict[str, Any] = {"signs": signs(of_signs[of_signs["suite"] == "self_report"]), "false-positives": rates(pd.DataFrame(results["false_positives"]))}
    if results["models"]:
        charts["dose"] = _doses(pd.DataFrame(results["models"]))
    seeds = int(of_signs["num_seeds"].min())
    captions = {name: CAPTIONS[name] for name in charts}
    figures = [{"name": n, "title": captions[n][0], "caption": captions[n][1].format(seeds=seeds), "spec": spec} for n, spec in save(charts, out).items()]
    page = environment().get_template("calibration.html.j2")
    (out / "report.html").write_text(page.render(r=results, figures=figures, machine=machine(), device=device()), encoding="utf-8")


def signs(table: pd.DataFrame) -> alt.LayerChart:
    """The contrast at each link, one color per behavior."""
    x = alt.X("link:O", title="link of the reference model", axis=alt.Axis(labelAngle=0))
    common = {"x": x, "xOffset": "behavior:N", "color": alt.Color("behavior:N", legend=alt.Legend(title=None, orient="top"))}
    shown = spans(table, alt.Y("ci_low:Q", title="contrast of self-reports"), size=80, **common)
    return alt.layer(line(table, y=0), shown).properties(width=WIDTH // 2, height=260)


def rates(table: pd.DataFrame) -> alt.LayerChart:
    """The rate of false positives by suite, beside the nominal 5 %."""
    y = alt.Y("suite:N", title=None, sort=list(table["suite"]))
    axis = alt.Axis(values=[0, 0.05, 0.1, 0.15, 0.2, 0.25])
    low = alt.X("ci_low:Q", title="share called a difference", scale=alt.Scale(domain=[0, 0.25], clamp=True), axis=axis)
    nominal = line(table, "#e45756", (4, 3), x=0.05)
    return alt.layer(nominal, spans(table, low, middle="rate", size=80, y=y)).properties(width=WIDTH - 160, height=alt.Step(30))


def _doses(models: pd.DataFrame) -> alt.LayerChart:
    named = models.drop(columns=["group", "behavior"]).rename(columns={"does": "behavior", "says": "self_report", "family": "group"})
    return does_and_says(named, sorted(set(named["group"]), reverse=True))
