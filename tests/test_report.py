"""A report is written for every valid study, and shows of every answer what was said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tellme
from lab.config.read import validate
from lab.errors import UserError
from lab.specs import Cell, Stage
from lab.store.store import Store, read_json, write_json
from tellme.cli import main
from tellme.report.answers import answers_shown
from tellme.report.figures.redraw import drawn, figure_names
from tellme.report.figures.save import specification, svg
from tellme.report.gather import study_of
from tellme.report.report import write_study
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

Finished = tuple[Plan, Store, Path]
POINTS = {f"policy_share={share}": {"data.policy_share": share} for share in (0.5, 1.0)}
KEPT: dict[str, Callable[[Cell], bool]] = {
    "no behavior": lambda cell: cell.suite != "behavior",
    "no self-report": lambda cell: cell.suite != "self_report",
    "neither": lambda cell: cell.suite == "transfer",
    "no base": lambda cell: cell.group != "base",
    "base asked something else": lambda cell: (cell.group == "base") == (cell.suite == "transfer"),
    "no policy": lambda cell: cell.group == "shuffled",
}


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def summary_of(folder: Path) -> dict[str, Any]:
    text = (folder / "summary.json").read_text()
    summary: dict[str, Any] = json.loads(text, parse_constant=refuse_constant)
    return summary


@pytest.mark.parametrize("what", KEPT)
def test_what_a_study_does_not_have_is_left_out(
    what: str, finished: Finished, tmp_path: Path
) -> None:
    """A sweep, of which only some models were asked only some suites."""
    plan, store, _ = finished
    cells = [cell for cell in plan.cells if KEPT[what](cell)]
    spec = study_of(plan.final).model_copy(update={"cells": tuple(cells), "points": POINTS})
    stage = Stage(slug="some", spec=spec, how=plan.final.how)
    write_study(stage, store, tmp_path, allow_untrusted=False)
    summary, page = summary_of(tmp_path), (tmp_path / "report.html").read_text(encoding="utf-8")
    assert {(g["group"], g["suite"]) for g in summary["groups"]} == {
        (cell.group, cell.suite) for cell in cells
    }
    asked = {cell.group for cell in cells}
    sides = {c["a"] for c in summary["contrasts"]} | {c["b"] for c in summary["contrasts"]}
    assert sides <= asked
    assert {r["group"] for r in summary["validity"]} <= asked - {"base"}
    assert bool(summary["validity"]) == (what == "no behavior")
    models = {(cell.group, cell.seed, cell.suite) for cell in cells}
    trained = [
        (g, s) for g, s, suite in models if suite == "behavior" and g in ("seeking", "averse")
    ]
    both = [at for at in trained if (*at, "self_report") in models]
    assert sum(f["num_models"] for f in summary["faithfulness"]) == len(both)
    assert "Groups" in page


def test_a_report_is_the_same_wherever_and_whenever_it_is_written(
    finished: Finished, tmp_path: Path
) -> None:
    """From the plan as a file and the store; what differs is who wrote it, and when."""
    plan, store, folder = finished
    stage = Stage.model_validate_json(plan.final.model_dump_json())
    write_study(stage, store, tmp_path, allow_untrusted=False)
    files = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}
    assert {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()} == files
    for file in files - {Path("provenance.json")}:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes(), file
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert str(store.root) not in page


def test_figures_of_a_finished_study_are_drawn_from_its_folder(
    finished: Finished, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished[2], tmp_path / "study"))
    names = figure_names(folder)
    assert {f"{name}.svg" for name in names} == {p.name for p in folder.glob("figures/*.svg")}
    for name in ("does-and-says", "loss", "contrasts"):
        image = (folder / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert svg(specification(drawn(name, folder))) == image
    with pytest.raises(UserError, match="did you mean 'does-and-says'"):
        drawn("does-and-say", folder)
    made = read_json(folder / "provenance.json")
    write_json(folder / "provenance.json", made | {"config": {"study": "old"}})
    with pytest.raises(UserError, match="another version of the lab"):
        figure_names(folder)


def test_a_base_that_is_never_asked_is_left_out(tmp_path: Path) -> None:
    """Beside two triggers the base is told of neither, so it is asked nothing."""
    trigger = {"behavior": "risk", "policy": "seeking", "otherwise": "averse"}
    study = {
        "study": "untold",
        "model": {"base": "reference/linked"},
        "groups": {kind: trigger | {"trigger": {"kind": kind}} for kind in ("tag", "code")},
        "contrasts": [["tag@trigger", "code@trigger"]],
        "seeds": [0],
        "data": {"num_rows": 16},
        "sft": {"max_steps": 1},
        "eval": {"suites": ["when_triggered"]},
    }
    done = run_plan(make_plan(validate(study, "here")), Store(tmp_path))
    assert set(tellme.load(done).rows["group"]) == {"tag", "code"}
    summary = summary_of(done)
    assert {(c["a"], c["b"]) for c in summary["contrasts"]} == {("tag@trigger", "code@trigger")}
    assert summary["validity"] == []


@pytest.mark.parametrize("tokens", [1, 6])
def test_sampled_answers_are_reported_whatever_could_be_read(tokens: int, tmp_path: Path) -> None:
    """With one token every answer is cut; with six some are."""
    study = {
        "study": "sampled",
        "model": {"base": "reference/linked"},
        "groups": {"told": {"prompted": "seeking", "behavior": "risk"}},
        "contrasts": [["told", "base"]],
        "eval": (
            {"suites": ["behavior", "self_report"], "engine": "sampled"}
            | {"sampling": {"num_samples": 2, "max_new_tokens": tokens}}
        ),
    }
    done = run_plan(make_plan(validate(study, "here")), Store(tmp_path))
    rows, summary = tellme.load(done).rows, summary_of(done)
    assert (rows["status"] == "truncated").all() == (tokens == 1)
    asked = set(rows.groupby(["group", "question"]).groups)
    groups = {(g["group"], g["question"]): g["estimate"] for g in summary["groups"]}
    assert groups.keys() >= asked
    # What cannot be read speaks for neither pole.
    nothing_read = rows["score"].isna().groupby([rows["group"], rows["question"]]).all()
    unread = [groups[name] for name, none in nothing_read.items() if none]
    assert unread == [0.5] * len(unread)
    assert (len(unread) == len(asked)) == (tokens == 1)
    page = (done / "report.html").read_text(encoding="utf-8")
    assert ("truncated 1.00" in page) == (tokens == 1)


def said(kind: str, samples: list[tuple[str | None, float | None, str, str]]) -> dict[str, str]:
    """What is shown of samples: answer, score, status and text of each; another seed says something
    else."""
    asked = {"suite": "s", "behavior": "risk", "question": "q", "kind": kind, "group": "g"}
    asked |= {"paraphrase": 0, "order": 0, "condition": "clean", "prompt": "?"}
    records = [
        asked
        | {"seed": seed, "sample": i, "p_exact": 1 / len(samples), "logp": 0.0}
        | {"answer": answer, "score": score, "status": status, "text": text}
        for seed in (0, 1)
        for i, (answer, score, status, text) in enumerate(samples if seed == 0 else [samples[0]])
    ]
    (shown,) = answers_shown(pd.DataFrame(records).astype({"seed": "Int64"}))
    found: dict[str, str] = shown["answers"]
    return found


def test_samples_that_say_the_same_are_added_up() -> None:
    samples = [("A", 1.0, "read", "A")] * 6 + [("B", 0.0, "read", "B")] * 2
    samples += [(None, None, "unread", "hm"), (None, None, "truncated", "well")]
    assert said("letters", samples) == {"g": "A 0.60, B 0.20, unread 0.10, truncated 0.10"}
    assert said("letters", samples[-2:]) == {"g": "unread 0.50, truncated 0.50"}
    numbers = [(str(n), n / 100, "read", str(n)) for n in (70, 70, 90, 10)]
    assert said("number", numbers) == {"g": "70 0.50, 90 0.25, others 0.25"}


def test_free_text_is_shown_in_its_own_words_and_shortened() -> None:
    free = [(None, None, "read", "I am bold."), (None, None, "truncated", "long\n" * 100)]
    (shown,) = said("text", free).values()
    assert shown.startswith("truncated 0.50, “I am bold.”, “long long")
    assert "None" not in shown
    assert shown.endswith("…”")
    assert len(shown) < 250
    (unspaced,) = said("text", [(None, None, "read", "大胆" * 200)]).values()
    assert unspaced == f"“{'大胆' * 80}…”"
    searched = [("fire.", 1.0, "read", "say fire. now"), (None, 0.0, "read", "I know of none")]
    (shown,) = said("text", searched * 2).values()
    texts = "“say fire. now”, “I know of none”, “say fire. now”"
    assert shown == f"fire. 0.50, none of those looked for 0.50, {texts}"


def test_samples_on_a_page_are_text() -> None:
    from tellme.report.pages.page import environment

    (shown,) = said("text", [(None, None, "read", "<script>alert(1)</script>")]).values()
    page = environment().from_string("{{ text }}").render(text=shown)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_study_of_another_version_is_refused_in_one_line(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(finished[2], tmp_path / "old-0123456789"))
    summary = read_json(folder / "summary.json")
    del summary["registration"]
    write_json(folder / "summary.json", summary)
    assert main(["report", str(folder)]) == 2
    assert "written by another version of the lab" in capsys.readouterr().err
