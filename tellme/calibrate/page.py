"""The report of `tellme calibrate`: a page to attach to a paper."""

from pathlib import Path
from typing import Any

import pandas as pd

from lab.store.provenance import device, machine
from tellme.report.figures import contrasts, models
from tellme.report.figures.draw import CAPTIONS
from tellme.report.figures.marks import Chart
from tellme.report.figures.save import save, specification
from tellme.report.pages.page import environment


def write_report(out: Path, results: dict[str, Any]) -> None:
    """`report.html`, and its figures as SVG and PNG in `figures/`."""
    specs = {name: specification(chart) for name, chart in _charts(results).items()}
    save(specs, out)
    seeds = min(sign["num_seeds"] for sign in results["signs"])
    figures = []
    for name, spec in specs.items():
        title, caption = CAPTIONS[name]
        shown = {"title": title, "caption": caption.format(seeds=seeds)}
        figures.append({"name": name, "spec": spec} | shown)
    template = environment().get_template("calibration.html.j2")
    page = template.render(r=results, figures=figures, machine=machine(), device=device())
    (out / "report.html").write_text(page, encoding="utf-8")


def _charts(results: dict[str, Any]) -> dict[str, Chart]:
    """Charts by name; none of doses where no model was asked for both suites."""
    signs = pd.DataFrame(results["signs"])
    charts = {
        "signs": contrasts.signs(signs[signs["suite"] == "self_report"]),
        "false-positives": contrasts.false_positives(pd.DataFrame(results["false_positives"])),
    }
    fine_tuned = pd.DataFrame(results["models"])
    if len(fine_tuned):
        # The chart of a study, with the scores of the two suites under their names, and the groups
        # before the sweep: a point is a model, whatever its dose.
        columns = {"does": "behavior", "says": "self_report", "family": "group"}
        named = fine_tuned.drop(columns=["group", "behavior"]).rename(columns=columns)
        families = sorted(set(named["group"]), reverse=True)
        charts["dose"] = models.does_and_says(named, families)
    return charts
