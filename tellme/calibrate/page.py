"""The report of `tellme calibrate`: a page to attach to a paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import pandas as pd

from lab.store.provenance import device, machine
from lab.table import MINUS
from tellme.calibrate.results import Calibration
from tellme.calibrate.studies import Tally, counts_of
from tellme.report.figures import contrasts, models
from tellme.report.figures.draw import CAPTIONS, Shown
from tellme.report.figures.marks import Chart
from tellme.report.figures.save import save, specification
from tellme.report.pages.page import environment


class About(TypedDict):
    """How a calibration was run."""

    key: str
    quick: bool
    sets: list[str]
    """Overrides of every study of it."""
    seconds: float


def write_report(out: Path, results: Calibration, about: About) -> None:
    """`report.html`, and its figures as SVG and PNG in `figures/`."""
    specs = {name: specification(chart) for name, chart in _charts(results).items()}
    save(specs, out)
    seeds = min(sign["num_seeds"] for sign in results["signs"])
    figures: list[Shown] = []
    for name, spec in specs.items():
        title, caption = CAPTIONS[name]
        of_seeds = caption.format(seeds=seeds)
        figures.append({"name": name, "spec": spec, "title": title, "caption": of_seeds})
    template = environment().get_template("calibration.html.j2")
    page = template.render(
        r=results, about=about, figures=figures, machine=machine(), device=device()
    )
    (out / "report.html").write_text(page, encoding="utf-8")


def _charts(results: Calibration) -> dict[str, Chart]:
    """Charts by name; none of doses where no model was asked for both suites."""
    signs = pd.DataFrame(results["signs"])
    charts: dict[str, Chart] = {
        "signs": contrasts.signs(signs[signs["suite"] == "self_report"]),
        "verdict-counts": contrasts.verdict_counts(_counts(results["tallies"])),
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


def _counts(tallies: Sequence[Tally]) -> pd.DataFrame:
    """Studies by contrast and verdict: columns label, verdict, studies."""
    return pd.DataFrame(
        {
            "label": f"{tally['part']}: {tally['a']} {MINUS} {tally['b']}",
            "verdict": name,
            "studies": n,
        }
        for tally in tallies
        for name, n in counts_of(tally).items()
    )
