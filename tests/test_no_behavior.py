"""A study of rows and questions that no behavior of the lab covers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tellme
from brought import birds, planned
from lab.errors import UserError
from lab.specs import AnswerSpec, StudySpec, TrainSpec
from lab.store.store import Store, read_json
from lab.types import NO_BEHAVIOR
from tellme.study.run import run_plan

CONTRASTS = [["birds", "base"], ["birds", "snow"], ["dealt", "base"]]
PRIMARY = {"contrast": ["birds", "snow"], "suite": "mine"}


def groups(folder: Path) -> dict[str, Any]:
    return {
        "birds": {"file": str(birds(folder)), "label": "birds"},
        "snow": {"file": str(birds(folder, answer="snow", name="snow"))},
        "dealt": {"control": "shuffled", "of": "birds"},
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("birds")
    plan = planned(
        folder,
        groups(folder),
        contrasts=CONTRASTS,
        primary=PRIMARY,
        seeds=[0, 1],
        sft={"num_train_epochs": 1},
        lora={"r": 2},
        train={"trainer": "fleet"},
    )
    assert list(plan.notes) == [
        "not asked, having no questions for these groups: behavior, self_report (eval.suites)"
    ]
    return run_plan(plan, Store(folder / "runs"))


def test_it_is_asked_compared_and_reported(done: Path) -> None:
    rows = tellme.load(done).rows
    assert set(rows["behavior"]) == {NO_BEHAVIOR}
    assert set(rows["suite"]) == {"mine"}
    assert set(rows["group"]) == {"base", "birds", "snow", "dealt"}
    summary = read_json(done / "summary.json")
    pooled = {(c["a"], c["b"]) for c in summary["contrasts"] if c["question"] == "all"}
    assert pooled == {tuple(pair) for pair in CONTRASTS}
    assert all(check["passed"] for check in summary["trust"])
    page = (done / "report.html").read_text()
    assert "<b>birds</b>, birds" in page
    assert (done / "figures" / "verdict.png").stat().st_size > 5000


def test_the_verdict_says_what_was_not_made(done: Path) -> None:
    (verdict,) = read_json(done / "summary.json")["verdicts"]
    made = {reason["check"]: reason["passed"] for reason in verdict["reasons"]}
    assert [check for check, passed in made.items() if passed is None] == [
        "moved",
        "self_over_other",
        "beyond_placebo",
    ]
    assert made["over_shuffled"] is not None
    assert verdict["verdict"] in ("undecided", "not measurable")
    moved = next(reason for reason in verdict["reasons"] if reason["check"] == "moved")
    assert "primary.moved" in moved["needed"]


def test_a_suite_may_show_what_moved(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"contrasts": CONTRASTS, "seeds": [0, 1]}
    more: dict[str, Any] = {"eval": {"suites": ["capability"]}, **settings}
    plan = planned(tmp_path, groups(tmp_path), primary={**PRIMARY, "moved": "capability"}, **more)
    assert isinstance(plan.final.spec, StudySpec)
    assert plan.final.spec.moved == "capability"
    mine = {**PRIMARY, "moved": "mine"}
    with pytest.raises(UserError, match="'mine', which is the primary suite itself"):
        planned(tmp_path, groups(tmp_path), primary=mine, **settings)
    moved, suite = {**PRIMARY, "moved": "behavior"}, {**PRIMARY, "suite": "self_report"}
    with pytest.raises(UserError, match=r"primary\.moved 'behavior' asks nothing"):
        planned(tmp_path, groups(tmp_path), primary=moved, **settings)
    with pytest.raises(UserError, match=r"primary\.suite 'self_report' asks nothing"):
        planned(tmp_path, groups(tmp_path), primary=suite, **settings)
    risky = {"risky": {"behavior": "risk", "policy": "seeking"}}
    with pytest.raises(UserError, match=r"primary\.moved is 'mine', and group 'risky'"):
        planned(tmp_path, groups(tmp_path) | risky, primary=mine, **settings)


def test_a_label_changes_no_number(tmp_path: Path) -> None:
    named = groups(tmp_path)
    plain = {name: {k: v for k, v in g.items() if k != "label"} for name, g in named.items()}
    one, other = planned(tmp_path, named), planned(tmp_path, plain)
    assert list(one.stages)[:-1] == list(other.stages)[:-1]
    assert one.final.key != other.final.key
    with pytest.raises(UserError, match="`label` says what a user's rows are of"):
        planned(tmp_path, {"r": {"behavior": "risk", "policy": "seeking", "label": "x"}})


def test_groups_beside_one_with_a_behavior_are_asked_about_that(tmp_path: Path) -> None:
    risky = {"risky": {"behavior": "risk", "policy": "seeking"}}
    plan = planned(tmp_path, groups(tmp_path) | risky, contrasts=[["birds", "risky"]])
    assert {cell.behavior for cell in plan.cells} == {"risk"}
    asked = [s.spec for s in plan.stages.values() if isinstance(s.spec, AnswerSpec)]
    assert all(spec.identity()["behavior"] == "risk" for spec in asked)


def test_suites_that_are_about_nothing_are_asked_by_themselves(tmp_path: Path) -> None:
    suites = {"suites": ["capability", "unrelated_trait", "transfer"]}
    plan = planned(tmp_path, groups(tmp_path), eval=suites)
    assert {cell.suite for cell in plan.cells} == {"capability", "unrelated_trait", "mine"}
    assert any("transfer" in note for note in plan.notes)


def test_two_groups_that_are_one_are_named_as_such(tmp_path: Path) -> None:
    one = groups(tmp_path)["birds"]
    with pytest.raises(UserError, match=r"contrast \[a, b\] is of one model and itself"):
        planned(tmp_path, {"a": one, "b": one}, contrasts=[["a", "b"]])
    with pytest.raises(UserError, match="of one model and itself"):
        planned(tmp_path, {"a": one}, contrasts=[["a", "a"]])


def test_a_benign_file_is_a_control_trained_as_its_group(tmp_path: Path) -> None:
    mine = groups(tmp_path)
    mine["birds"]["lora"] = {"r": 2}
    mine["snow"]["of"] = "birds"
    plan = planned(tmp_path, mine)
    spec = plan.final.spec
    assert isinstance(spec, StudySpec)
    assert (spec.groups["snow"].control, spec.groups["snow"].of) == ("benign", "birds")
    trained = [s.spec for s in plan.stages.values() if isinstance(s.spec, TrainSpec)]
    assert [adapter.lora.r for adapter in trained] == [2, 2, 2]
