"""The report of `tellme calibrate`: a page to attach to a paper."""

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from lab.provenance import device, machine
from study.figures import WIDTH, does_and_says, themed
from study.page import environment


def write_report(out: Path, results: dict[str, Any]) -> None:
    """`report.html`, and its figures as SVG and PNG in `figures/`."""
    (out / "figures").mkdir(exist_ok=True)
    figures = []
    for name, title, caption, chart in _figures(results):
        drawn = themed(chart)
        drawn.save(out / "figures" / f"{name}.svg")
        drawn.save(out / "figures" / f"{name}.png", ppi=160)
        figures.append({"name": name, "title": title, "caption": caption, "spec": drawn.to_json(indent=None)})
    page = environment().get_template("calibration.html.j2")
    text = page.render(r=results, figures=figures, machine=machine(), device=device())
    (out / "report.html").write_text(text, encoding="utf-8")


def _figures(results: dict[str, Any]) -> list[tuple[str, str, str, Any]]:
    of_signs = pd.DataFrame(results["signs"])
    seeds = int(of_signs["num_seeds"].min())
    drawn = [
        (
            "signs",
            "Self-report against the link",
            f"Contrast of self-reports, first less second policy, after fine-tuning on choices alone. Bars: 95 % t interval over {seeds} fine-tuned models a side, questions fixed.",
            signs(of_signs[of_signs["suite"] == "self_report"]),
        ),
        (
            "false-positives",
            "False positives",
            "Share of null contrasts, three against three adapters trained on shuffled labels, that the test calls a difference at 5 %. Bars: 95 % jackknife over adapters.",
            rates(pd.DataFrame(results["false_positives"])),
        ),
    ]
    if results["models"]:
        drawn.append(
            (
                "dose",
                "Self-report against behavior at every dose",
                "One mark per fine-tuned model: mean self-report against behavior on held-out choices.",
                _doses(pd.DataFrame(results["models"])),
            )
        )
    return drawn


def signs(table: pd.DataFrame) -> alt.LayerChart:
    """The contrast at each link, one color per behavior."""
    x = alt.X("link:O", title="link of the reference model", axis=alt.Axis(labelAngle=0))
    common = {"x": x, "xOffset": "behavior:N", "color": alt.Color("behavior:N", legend=alt.Legend(title=None, orient="top"))}
    zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(color="#999").encode(y="y:Q")
    low = alt.Y("ci_low:Q", title="contrast of self-reports")
    rule = alt.Chart(table).mark_rule(strokeWidth=2).encode(y=low, y2="ci_high:Q", **common)
    dot = alt.Chart(table).mark_point(filled=True, size=80, opacity=1).encode(y="estimate:Q", **common)
    return alt.layer(zero, rule, dot).properties(width=WIDTH // 2, height=260)


def rates(table: pd.DataFrame) -> alt.LayerChart:
    """The rate of false positives by suite, beside the nominal 5 %."""
    y = alt.Y("suite:N", title=None, sort=list(table["suite"]))
    nominal = alt.Chart(pd.DataFrame({"x": [0.05]})).mark_rule(strokeDash=[4, 3], color="#e45756").encode(x="x:Q")
    low = alt.X(
        "ci_low:Q",
        title="share called a difference",
        scale=alt.Scale(domain=[0, 0.25], clamp=True),
        axis=alt.Axis(values=[0, 0.05, 0.1, 0.15, 0.2, 0.25]),
    )
    rule = alt.Chart(table).mark_rule(strokeWidth=2, clip=True).encode(x=low, x2="ci_high:Q", y=y)
    dot = alt.Chart(table).mark_point(filled=True, size=80, opacity=1).encode(x="rate:Q", y=y)
    return alt.layer(nominal, rule, dot).properties(width=WIDTH - 160, height=alt.Step(30))


def _doses(models: pd.DataFrame) -> alt.LayerChart:
    named = models.drop(columns=["group", "behavior"]).rename(columns={"does": "behavior", "says": "self_report", "family": "group"})
    return does_and_says(named, sorted(set(named["group"]), reverse=True))
