"""`tellme report A B C`: the contrasts that finished studies share, side by side and pooled with
the base as cluster."""

import time
from collections import Counter
from pathlib import Path

from lab.errors import UserError
from lab.store.provenance import machine, write_provenance
from lab.store.store import Store, make_key, write_json
from tellme.report.analysis.shared import (
    Compared,
    Comparison,
    dependent,
    labeled,
    read_study,
    shared_contrasts,
)
from tellme.report.figures.contrasts import forest
from tellme.report.figures.save import save, specification
from tellme.report.figures.tables import forest_table
from tellme.report.pages.page import environment

VERSION = 2
SLUG_LENGTH = 60
"""Characters of the studies' names in that of the folder: a file system has its limit."""


def compare(folders: list[Path]) -> Path:
    """Write `compare.json`, the forest plot and `compare.html` into runs/compare/ beside the first
    study; returns that folder.

    Raises UserError where a study is given twice or the studies share no contrast."""
    began = time.time()
    studies = [read_study(folder) for folder in folders]
    _refuse_twice(studies)
    studies, keys = labeled(studies), [study.key for study in studies]
    shared = shared_contrasts(studies)
    if not shared:
        raise UserError(
            f"studies {', '.join(keys)} share no contrast (suite, behavior and both sides); `tellme"
            " report` on each shows what it has"
        )
    comparison: Comparison = {
        "studies": [{"key": s.key, "label": s.label, "base": s.base} for s in studies],
        "contrasts": shared,
        "warnings": dependent(studies),
    }
    key = make_key("compare", VERSION, {}, sorted(keys))

    def write(out: Path) -> None:
        write_json(out / "compare.json", comparison)
        spec = specification(forest(forest_table(shared)))
        save({"forest": spec}, out)
        page = environment().get_template("compare.html.j2")
        figures = [{"name": "forest", "spec": spec}]
        text = page.render(found=comparison, figures=figures, machine=machine())
        (out / "compare.html").write_text(text, encoding="utf-8")
        write_provenance(out, "compare", key, {}, keys, began)

    slug = "-".join(dict.fromkeys(study.study for study in studies))[:SLUG_LENGTH]
    return Store(folders[0].parents[1]).publish("compare", slug, key, write)


def _refuse_twice(studies: list[Compared]) -> None:
    for key, number in Counter(study.key for study in studies).items():
        if number > 1:
            raise UserError(f"study {key!r} is given {number} times; name each finished study once")
