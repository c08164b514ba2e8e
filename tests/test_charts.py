"""The figures: every one can be drawn, and odd names and missing numbers come through whole."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import vl_convert

from tellme.report.figures import contrasts, matrices, models, questions, verdict
from tellme.report.figures.marks import Chart
from tellme.report.figures.save import specification
from tellme.report.figures.tables import forest_table
from tellme.report.pages.page import environment

ODD = 'it\'s "<b>" & é</script>'
GROUPS = ["base", ODD]


def lines(**columns: Any) -> pd.DataFrame:
    """Two lines, of which the second has an interval."""
    interval = {"estimate": [0.5, 0.2], "ci_low": [None, 0.1], "ci_high": [None, 0.3]}
    return pd.DataFrame({"group": GROUPS, "condition": ["clean", ODD], **interval, **columns})


SEEDS = pd.DataFrame(
    {"group": GROUPS, "question": ["all", ODD], "seed": [math.nan, 1], "score": [0.5, 0.1]}
)
SCALES = pd.DataFrame(
    {"group": GROUPS, "question": ["love", ODD], "bin": [0, 100], "probability": [0.2, 1.0]}
)
CANDIDATES = pd.DataFrame(
    {"group": GROUPS, "question": [ODD, "coal."], "score": [0.2, 1.0], "real": [True, False]}
)
MODELS = pd.DataFrame(
    {"group": GROUPS, "seed": [math.nan, 1], "behavior": [0.5, 1], "self_report": [None, 1]}
)
COUNTS = pd.DataFrame(
    {"label": ["a", "a", ODD], "verdict": ["yes", "undecided", "no"], "studies": [3, 0, 2]}
)
LOSSES = pd.DataFrame({"group": GROUPS, "seed": [0, 1], "step": [4, 4], "loss": [math.nan, 1 / 3]})
EVIDENCE = pd.DataFrame(
    [
        {"panel": ODD, "row": row, "kind": kind, "estimate": 0.2, "of": ODD, "said": said}
        | {"ci_low": low, "ci_high": high}
        for row, kind, low, high, said in (
            ("", "margin", -0.1, 0.1, ""),
            ("does", "does", None, None, "+0.200"),
            (ODD, "says", 0.1, 0.3, "+0.200 (+0.100 to +0.300)"),
            (ODD, "model", None, None, ""),
            ("traits", "trait", None, None, ""),
            ("traits", "limit", -0.15, 0.15, ""),
        )
    ]
)
FIGURES: dict[str, tuple[Callable[..., Chart], tuple[Any, ...]]] = {
    "verdict": (verdict.verdict, (EVIDENCE,)),
    "verdict-bare": (verdict.verdict, (EVIDENCE[:2],)),
    "contrasts": (contrasts.contrasts, (lines(label=["a", ODD], kind=["primary", "other"]),)),
    "sweep": (
        contrasts.sweep,
        (lines(key=["data.policy_share", ODD], value=["1", ODD], line=["a", ODD]),),
    ),
    "system-contrasts": (
        contrasts.system_contrasts,
        (lines(suite=["behavior", ODD], label=["a", ODD]),),
    ),
    "forest": (
        contrasts.forest,
        (lines(panel=[ODD, ODD], row=["a", ODD], kind=["study", "pooled"]),),
    ),
    "signs": (contrasts.signs, (lines(link=[0.0, 1.0], behavior=["risk", ODD]),)),
    "verdict-counts": (contrasts.verdict_counts, (COUNTS,)),
    "questions": (
        questions.questions,
        (lines(question=["all", ODD], num_seeds=[1, 2]), SEEDS, GROUPS),
    ),
    "systems": (questions.systems, (lines(panel=["a", ODD]), GROUPS)),
    "scale-answers": (questions.scale_answers, (SCALES, GROUPS)),
    "attack": (matrices.attack, (lines(), GROUPS, ["clean", ODD])),
    "which-trigger": (matrices.which_trigger, (CANDIDATES,)),
    "off-target": (
        matrices.off_target,
        (lines(behavior=["risk", ODD], reported=["risk", ODD]),),
    ),
    "does-and-says": (models.does_and_says, (MODELS, GROUPS)),
    "over-training": (models.over_training, (lines(panel=["a", ODD], step=[0, 8]), GROUPS)),
    "loss": (models.loss, (LOSSES, GROUPS)),
}
"""Every figure with a tiny table, in which a number is missing wherever one can be."""


def spec_of(name: str) -> dict[str, Any]:
    function, arguments = FIGURES[name]
    return specification(function(*arguments))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_whatever_is_missing(name: str) -> None:
    image = vl_convert.vegalite_to_svg(spec_of(name))
    assert "&lt;b&gt;" in image
    assert "NaN" not in image
    assert "undefined" not in image


def test_odd_names_and_missing_numbers_come_through() -> None:
    spec = spec_of("loss")
    first, second = next(iter(spec["datasets"].values()))
    assert (first["loss"], second["loss"], second["group"]) == (None, pytest.approx(1 / 3), ODD)
    color = spec["encoding"]["color"]["scale"]
    assert color == {"domain": ["base", ODD], "range": ["#555555", "#4c78a8"]}


def test_a_line_without_an_interval_keeps_its_place() -> None:
    """The first of two has none; its label stands above the other's."""
    image = vl_convert.vegalite_to_svg(spec_of("contrasts"))
    labels = re.findall(r"translate\([-\d.]+,([\d.]+)\)[^>]*>([^<]*)</text>", image)
    heights = {html.unescape(text): float(height) for height, text in labels}
    assert heights["a"] < next(y for text, y in heights.items() if text.startswith(ODD))


def test_bars_of_verdicts_are_stacked_in_the_order_of_their_legend() -> None:
    spec = spec_of("verdict-counts")
    domain = spec["encoding"]["color"]["scale"]["domain"]
    (table,) = spec["datasets"].values()
    assert [line["place"] for line in table] == [domain.index(line["verdict"]) for line in table]
    assert spec["encoding"]["order"]["field"] == "place"


def test_a_page_keeps_a_specification_inside_its_script() -> None:
    line = {"base": "x/one", "label": ODD, "estimate": 0.2, "ci_low": None, "ci_high": None}
    contrast = {
        "a": "a",
        "b": "b",
        "suite": "s",
        "behavior": "risk",
        "studies": [line],
        "pooled": {**line, "num_bases": 1},
    }
    spec = specification(contrasts.forest(forest_table([contrast])))
    page = environment().from_string("{{ spec | tojson }}").render(spec=spec)
    assert "</script>" not in page
    assert page.count('"diamond"') == 1
