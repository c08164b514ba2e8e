"""The report of `tellme calibrate`: a page to attach to a paper."""

from pathlib import Path
from typing import Any

import pandas as pd

from lab.provenance import device, machine
from study.draw import CAPTIONS
from study.figures import chart, save
from study.page import environment


def write_report(out: Path, results: dict[str, Any]) -> None:
    """`report.html`, and its figures as SVG and PNG in `figures/`; study/captions.yaml has what
    stands under each."""
    signs, models = pd.DataFrame(results["signs"]), pd.DataFrame(results["models"])
    charts = {
        "signs": chart("signs", signs[signs["suite"] == "self_report"]),
        "false-positives": chart("false-positives", results["false_positives"]),
    }
    if len(models):
        named = models.drop(columns=["group", "behavior"]).rename(
            columns={"does": "behavior", "says": "self_report", "family": "group"}
        )
        charts["dose"] = chart(
            "does-and-says", named, groups=sorted(set(named["group"]), reverse=True)
        )
    save(charts, out)
    seeds = int(signs["num_seeds"].min())
    figures = [
        {
            "name": n,
            "title": CAPTIONS[n][0],
            "caption": CAPTIONS[n][1].format(seeds=seeds),
            "spec": spec,
        }
        for n, spec in charts.items()
    ]
    page = environment().get_template("calibration.html.j2")
    (out / "report.html").write_text(
        page.render(r=results, figures=figures, machine=machine(), device=device()),
        encoding="utf-8",
    )
