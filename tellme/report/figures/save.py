"""From a chart to files: Vega-Lite for the page, SVG and PNG beside it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import altair as alt
import vl_convert

from lab.types import Fields
from tellme.report.figures.marks import Chart

PPI = 160
"""Pixels an inch of PNG files: legible in a paper's column."""
REFERENCE = re.compile(r'(?P<kind>(id="|url\(#)(clip|gradient_))(?P<number>\d+)')
"""To a clipping path or a gradient, or its definition."""

Specification: TypeAlias = Fields
"""Of a chart, in the words of Vega-Lite."""


def specification(chart: Chart) -> Specification:
    """The Vega-Lite specification of a chart, its data in it, for `vegaEmbed` and for files."""
    # Altair's limit of 5,000 rows is one of notebooks; a report of many seeds has more.
    with alt.data_transformers.enable("default", max_rows=None):
        spec: Specification = chart.to_dict()
    return spec


def save(specs: Mapping[str, Specification], out: Path) -> None:
    """Every figure as SVG and PNG in `out`/figures."""
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    for name, spec in specs.items():
        image = svg(spec)
        (folder / f"{name}.svg").write_text(image, encoding="utf-8")
        (folder / f"{name}.png").write_bytes(vl_convert.svg_to_png(image, ppi=PPI))


def svg(spec: Specification) -> str:
    """An image that is the same however many were drawn before: the renderer numbers what a mark
    refers to through the whole process."""
    image: str = vl_convert.vegalite_to_svg(spec)
    numbers: dict[str, int] = {}

    def renumbered(found: re.Match[str]) -> str:
        return f"{found['kind']}{numbers.setdefault(found['number'], len(numbers))}"

    return REFERENCE.sub(renumbered, image)
