"""From a chart to files: Vega-Lite for the page, SVG and PNG beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from tellme.report.figures.marks import Chart

PPI = 160
"""Pixels an inch of PNG files: legible in a paper's column."""


def specification(chart: Chart) -> dict[str, Any]:
    """The Vega-Lite specification of a chart, its data in it, for `vegaEmbed` and for files."""
    # Altair's limit of 5,000 rows is one of notebooks; a report of many seeds has more.
    with alt.data_transformers.enable("default", max_rows=None):
        spec: dict[str, Any] = chart.to_dict()
    return spec


def save(specs: Mapping[str, dict[str, Any]], out: Path) -> None:
    """Every figure as SVG and PNG in `out`/figures."""
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    for name, spec in specs.items():
        svg = vl_convert.vegalite_to_svg(spec)
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (folder / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, ppi=PPI))
