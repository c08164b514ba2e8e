"""What a check of a base found: check.json and check.html, which is one file and needs no network.
Written from the rows of the check alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pandas as pd

from lab.formats import FORMATS, Format
from lab.specs import CheckSpec
from lab.stats.verdict import LEAST_LISTED
from lab.store.provenance import device, machine, write_provenance
from lab.store.store import read_json, write_json
from lab.store.trust import Check
from lab.table import aligned, between_text
from lab.types import Style
from tellme.report.analysis.formats import LEAST_TURN, MOST_ONE_SIDED, FormatRecord, formats
from tellme.report.figures.draw import CAPTIONS
from tellme.report.figures.formats import followed_table, follows
from tellme.report.figures.save import specification, svg
from tellme.report.pages.page import environment

CHECK, PAGE, ROWS = "check.json", "check.html", "rows.parquet"
NUM_EXAMPLES = 2
"""Prompts of a format that a page shows."""
NUM_ANSWERS = 2
"""Listed answers of an example, the most probable first."""
TABLE = ("format", "asked", "listed", "accuracy", "95 % interval", "facts", "habit", "verdict")


class BaseCheck(TypedDict):
    """`check.json`."""

    base: str
    identity: str
    dtype: str
    style: Style
    formats: list[FormatRecord]
    not_asked: list[Format]
    """Formats that are not used in the style of this base."""
    trust: list[Check]


class Example(TypedDict):
    """A prompt with what a base answers."""

    format: Format
    prompt: str
    right: str
    """The answer that is right; the best of several."""
    answers: str
    """Listed ones, each with its probability."""
    instead: str
    """The first tokens of what it would rather say, or what it said."""


def write_check(spec: CheckSpec, key: str, out: Path, began: float) -> None:
    """Write check.json, check.html and provenance beside the rows and trust.json of a check, which
    are in `out`."""
    rows = pd.read_parquet(out / ROWS)
    found = formats(rows)
    asked = {record["format"] for record in found}
    checked: BaseCheck = {
        "base": spec.base.name,
        "identity": spec.base.identity,
        "dtype": spec.base.dtype,
        "style": spec.base.style,
        "formats": found,
        "not_asked": [name for name in FORMATS if name not in asked],
        "trust": read_json(out / "trust.json"),
    }
    write_json(out / CHECK, checked)
    (out / PAGE).write_text(_page(checked, rows), encoding="utf-8")
    write_provenance(out, "check", key, spec.identity(), [], began)


def _page(checked: BaseCheck, rows: pd.DataFrame) -> str:
    title, caption = CAPTIONS["follows"]
    # An image: the scripts of a figure that can be pointed at take seconds to make, and every study
    # with a primary waits for the check of its base.
    image = svg(specification(follows(followed_table(checked["formats"]))))
    page = environment().get_template("check.html.j2")
    return page.render(
        c=checked,
        formats=FORMATS,
        examples=examples(rows),
        title=title,
        caption=caption,
        image=image,
        figures=[],
        least_listed=LEAST_LISTED,
        most_one_sided=MOST_ONE_SIDED,
        least_turn=LEAST_TURN,
        machine=machine(),
        device=device(),
    )


def examples(rows: pd.DataFrame) -> list[Example]:
    """A few prompts of every format as chats are, both ways round where there are two: the first of
    each format."""
    clean = rows[rows["condition"] == "clean"]
    shown = []
    for name in FORMATS:
        of_format = clean[clean["format"] == name]
        for number in of_format["number"].unique()[:NUM_EXAMPLES]:
            shown.append(_example(name, of_format[of_format["number"] == number]))
    return shown


def _example(name: Format, prompt: pd.DataFrame) -> Example:
    likely = prompt.nlargest(NUM_ANSWERS, "p")
    best = prompt.nlargest(1, "right")
    answers = (f"{a} {p:.3f}" for a, p in zip(likely["answer"], likely["p"], strict=True))
    tokens = json.loads(prompt["outside_top"].iloc[0])
    said = json.loads(prompt["said"].iloc[0])
    rather = [f"“{text}”" for text in said] or [f"{text!r} {p:.3f}" for text, p in tokens]
    return {
        "format": name,
        "prompt": str(prompt["prompt"].iloc[0]),
        "right": str(best["answer"].iloc[0]),
        "answers": ", ".join(answers),
        "instead": ", ".join(rather),
    }


def check_text(checked: BaseCheck, folder: Path) -> str:
    """What `tellme check` prints: a line for every format, and the path of the page last."""
    lines = [TABLE, *map(_cells, checked["formats"])]
    unused = ", ".join(checked["not_asked"])
    return "\n".join(
        [
            f"base {checked['base']}: {checked['identity']}, {checked['dtype']}",
            *aligned(lines),
            *([f"not used with {checked['style']} prompts: {unused}"] if unused else []),
            f"page: {folder / PAGE}",
        ]
    )


def _cells(record: FormatRecord) -> tuple[str, ...]:
    return (
        record["format"],
        asked_text(record),
        f"{record['listed']:.3f}",
        f"{record['accuracy']:.2f}",
        between_text(record, ".2f"),
        str(record["num_items"]),
        habit_text(record),
        record["said"],
    )


def asked_text(record: FormatRecord) -> str:
    """How chats were: with a system line of ours, or without."""
    clean = record["condition"] == "clean"
    return "as it is" if clean else f"{record['condition']} line"


def habit_text(record: FormatRecord) -> str:
    """The number that shows a habit of a format, in words; empty where it has none."""
    if record["turn"] is not None:
        return f"turns by {record['turn']:.0f}"
    if record["share"] is None:
        return ""
    return f"{FORMATS[record['format']].habit} {record['share']:.2f}"


def read_check(folder: Path) -> BaseCheck:
    """What a check found, from its folder."""
    checked: BaseCheck = read_json(folder / CHECK)
    return checked
