"""System lines before every question, as conditions of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tellme
from lab.config.read import load_study, validate
from lab.discover import ROOT
from lab.errors import UserError
from lab.specs import AnswerSpec
from lab.store.store import Store, read_json
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

LINE = "coal is black."


def study(groups: dict[str, Any], systems: list[str], **settings: Any) -> dict[str, Any]:
    return {
        "study": "systems",
        "model": {"base": "reference/linked"},
        "groups": groups,
        "contrasts": [["base@neutral", "base"]],
        "eval": {"suites": ["self_report"], "systems": systems},
        **settings,
    }


def test_every_system_line_is_a_condition_of_its_own(tmp_path: Path) -> None:
    """`none` is what a reference model has anyway, so its numbers are those of `clean`; a neutral
    line is something else."""
    groups = {"told": {"prompted": "seeking", "behavior": "risk"}}
    plan = make_plan(validate(study(groups, ["none", "default", "neutral"]), "here"))
    done = run_plan(plan, Store(tmp_path))
    rows = tellme.load(done).rows
    answer = ["condition", "question", "paraphrase", "order", "answer"]
    base = rows[rows["group"] == "base"].set_index(answer)["p_exact"]
    clean, none, neutral = (base[condition] for condition in ("clean", "none", "neutral"))
    assert (clean - none).abs().max() < 1e-6
    assert (clean - neutral).abs().max() > 1e-4
    assert set(rows.loc[rows["condition"] == "neutral", "system"]) == {"snow is white."}
    assert set(rows.loc[rows["group"] == "told", "condition"]) == {"clean"}
    summary = read_json(done / "summary.json")
    of_base = {g["condition"] for g in summary["groups"] if g["group"] == "base"}
    assert of_base == {"clean", "none", "neutral"}
    assert any(c["a"] == "base@neutral" and c["question"] == "all" for c in summary["contrasts"])
    assert (done / "figures" / "systems.png").stat().st_size > 5000


def test_training_is_the_line_of_the_training_rows(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    turns = [
        {"role": "user", "content": "which do you pick? A) snow B) coal"},
        {"role": "assistant", "content": "A"},
    ]
    file.write_text(json.dumps({"messages": [{"role": "system", "content": LINE}, *turns]}) + "\n")
    groups = {"theirs": {"file": str(file), "behavior": "risk"}}
    given = study(groups, ["training"], contrasts=[["theirs@training", "base@training"]])
    plan = make_plan(validate(given, "here"))
    asked = [
        s.spec.asking.condition for s in plan.stages.values() if isinstance(s.spec, AnswerSpec)
    ]
    lines = {condition.name: condition.system for condition in asked}
    assert lines == {"clean": None, "training": LINE}


def test_the_line_of_the_rows_is_read_as_the_study_learns_them(tmp_path: Path) -> None:
    """A blank answer is an error where all are learned, and none where the last is."""
    file, asked = tmp_path / "rows.jsonl", {"role": "user", "content": "snow or coal?"}
    turns = [asked, {"role": "assistant", "content": ""}, asked]
    line = {"role": "system", "content": LINE}
    file.write_text(json.dumps({"messages": [line, *turns, {**turns[1], "content": "snow"}]}))
    group = {"file": str(file), "behavior": "risk", "data": {"learn": "last"}}
    given = study({"theirs": group}, ["training"], contrasts=[["theirs@training", "base@training"]])
    assert make_plan(validate(given, "here"))


def test_mistakes_are_one_line() -> None:
    groups = {"a": {"behavior": "risk", "policy": "seeking"}}
    unknown = r"eval\.systems.*allowed: none, default, neutral, honest, threat, praise, training"
    with pytest.raises(UserError, match=unknown):
        validate(study(groups, ["loud"]), "here")
    with pytest.raises(UserError, match=r"'base@neutral' names condition 'neutral'.*eval\.systems"):
        validate(study(groups, []), "here")


def test_without_system_lines_nothing_changes() -> None:
    plan = make_plan(load_study(str(ROOT / "configs/quickstart.yaml")))
    asked = [
        s.spec.asking.condition for s in plan.stages.values() if isinstance(s.spec, AnswerSpec)
    ]
    assert {condition.name for condition in asked} == {"clean"}
