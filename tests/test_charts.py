"""The charts as templates: odd names and missing numbers come through whole."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
import vl_convert
from tellme.report.figures.figures import chart

from tellme.report.compare import forest
from tellme.report.pages.page import environment

ODD = 'it\'s "<b>" & é</script>'


def test_odd_names_and_missing_numbers_come_through() -> None:
    table = pd.DataFrame(
        {"group": ["base", ODD], "seed": [0, 1], "step": [4, 4], "loss": [math.nan, 1 / 3]}
    )
    spec = chart("loss", table, groups=["base", ODD])
    first, second = spec["data"]["values"]
    assert (first["loss"], second["loss"], second["group"]) == (None, pytest.approx(1 / 3), ODD)
    color = spec["encoding"]["color"]["scale"]
    assert color == {"domain": ["base", ODD], "range": ["#555555", "#4c78a8"]}
    assert "&lt;b&gt;" in vl_convert.vegalite_to_svg(spec)


def test_a_page_keeps_a_specification_inside_its_script() -> None:
    line: dict[str, Any] = {
        "base": "x/one",
        "label": ODD,
        "estimate": 0.2,
        "ci_low": None,
        "ci_high": None,
    }
    spec = forest(
        [
            {
                "a": "a",
                "b": "b",
                "suite": "s",
                "behavior": "risk",
                "studies": [line],
                "pooled": line | {"num_bases": 1},
            }
        ]
    )
    page = environment().from_string("{{ spec | tojson }}").render(spec=spec)
    assert "</script>" not in page
    assert page.count('"diamond"') == 1
