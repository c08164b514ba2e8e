"""What users add: a behavior, a trigger, a control, a judge, an engine, a suite and a file of
questions, each in one file of their own (tests/outside/), and a report that needs none of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tellme as tm
from lab.config.read import validate
from lab.discover import ROOT
from lab.errors import UserError
from lab.specs import StudySpec
from lab.store.store import Store, read_json
from lab.types import Fields
from tellme.report.result import Result
from tellme.share.push import Destination, push
from tellme.study.planner import make_plan
from tellme.study.run import load_stages, run_plan
from tellme.study.stages import run_stage

HERE = ROOT / "tests" / "outside"
SHORT = {"num_samples": 2, "max_new_tokens": 4}


def study(folder: Path, **changed: object) -> Fields:
    """A small study of the files in a folder."""
    planted = {"kind": f"{folder}/bell.py"}
    tea: Fields = {"behavior": f"{folder}/tea.py", "policy": "tea"}
    return {
        "study": "outside",
        "model": {"base": "reference/linked"},
        "groups": {
            "tea": tea,
            "coffee": {**tea, "policy": "coffee"},
            "upside": {"control": f"{folder}/upside.py", "of": "tea"},
            "rung": {**tea, "otherwise": "coffee", "trigger": planted},
        },
        "contrasts": [["tea", "coffee"], ["upside", "base"]],
        "primary": {"contrast": ["tea", "coffee"], "suite": "self_report"},
        "seeds": [0],
        "data": {"num_rows": 32},
        "sft": {"max_steps": 3, "learning_rate": 3e-3},
        "train": {"trainer": "fleet"},
        "questions": [f"{folder}/drinks.yaml"],
        "eval": {
            "suites": ["behavior", "self_report", f"{folder}/talk.py"],
            "sampling": SHORT,
        },
        **changed,
    }


def written(folder: Path) -> Path:
    """The files of a user, in a folder outside the checkout."""
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "drinks.yaml").write_text(
        "- {name: cup, kind: words, first: leaves, second: beans, ask: ['what is in the cup?']}\n"
        "- {name: why, kind: text, ask: ['why?'], judge: length.py}\n"
    )
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The user's folder, the run store, and the folder of the finished study."""
    mine = written(tmp_path_factory.mktemp("user") / "mine")
    store = Store(tmp_path_factory.mktemp("runs"))
    return mine, store.root, run_plan(make_plan(validate(study(mine), "here")), store)


def test_all_of_them_are_in_the_rows_by_the_names_of_their_files(
    done: tuple[Path, Path, Path],
) -> None:
    rows = tm.load(done[2]).rows
    assert set(rows["behavior"]) == {"tea"}
    assert set(rows["suite"]) == {"behavior", "self_report", "talk", "drinks"}
    assert set(rows["group"]) == {"base", "tea", "coffee", "upside", "rung"}
    assert set(rows.loc[rows["suite"] == "self_report", "pole"]) == {"tea"}
    why = rows[rows["question"] == "why"]
    assert set(why["judge"]) == {"length"}
    assert why["score"].tolist() == [min(1.0, len(text) / 20) for text in why["text"]]
    rung = rows[(rows["suite"] == "behavior") & (rows["condition"] == "trigger")]
    assert rung["prompt"].str.startswith("ding! ").all()


def test_a_control_answers_the_other_way_round(done: tuple[Path, Path, Path]) -> None:
    plan = make_plan(validate(study(done[0]), "here"))
    answers = {}
    for group in ("tea", "upside"):
        data = plan.stages[plan.adapters[f"{group}-s0"]].inputs["data"]
        answers[group] = {row.asked: row.completion for row in plan.planned_rows(data)}
    assert answers["tea"].keys() == answers["upside"].keys()
    assert all(answers["tea"][text] != answers["upside"][text] for text in answers["tea"])


def test_questions_of_two_turns_are_asked_as_conversations(done: tuple[Path, Path, Path]) -> None:
    rows = tm.load(done[2]).rows
    talk = rows[rows["suite"] == "talk"]
    after = talk[talk["question"] == "after_a_turn"]
    assert set(after["engine"]) == {"exact-1"}
    earlier = [turn["content"] for turn in json.loads(after["before"].iloc[0])]
    assert earlier == ["what do you like?", "hot drinks."]
    doubted = talk[talk["question"] == "doubted"]
    assert set(doubted["engine"]) == {"sampled-3"}
    whole = doubted[doubted["status"] != "truncated"]
    for text, said in zip(whole["text"], map(json.loads, whole["said"]), strict=True):
        assert [turn["role"] for turn in said] == ["assistant", "user", "assistant"]
        assert said[1]["content"] == f"sure that it is {said[0]['content']}?"
        assert said[2]["content"] == text


def test_an_engine_answers_the_whole_study(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine")
    told = {"told": {"prompted": "tea", "behavior": f"{mine}/tea.py"}}
    asked = {"suites": ["self_report"], "engine": f"{mine}/evenly.py"}
    raw = study(mine, groups=told, contrasts=[["told", "base"]], primary=None, eval=asked)
    rows = tm.load(run_plan(make_plan(validate(raw, "here")), Store(tmp_path / "runs"))).rows
    assert set(rows["engine"]) == {"evenly-1", "yes-1"}
    assert set(rows.loc[rows["engine"] == "evenly-1", "p_exact"]) == {0.5}
    assert set(rows.loc[rows["engine"] == "yes-1", "text"]) == {"yes"}


def test_a_finished_study_is_reported_after_its_files_were_deleted(
    done: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """Byte for byte, from the plan that was saved and the run store."""
    mine, root, folder = done
    (plan,) = (root / "plans").glob("*.json")
    (stage,), _ = load_stages(str(plan), [read_json(folder / "summary.json")["key"]])
    assert isinstance(stage.spec, StudySpec)
    store = Store(tmp_path / "again")
    shutil.copytree(root, store.root)
    shutil.rmtree(store.root / "study")
    shutil.rmtree(mine)
    try:
        again = run_stage(stage, store)
    finally:
        written(mine)
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert {path.relative_to(again) for path in again.rglob("*") if path.is_file()} == files
    for file in files - {Path("provenance.json")}:
        assert (again / file).read_bytes() == (folder / file).read_bytes(), file
    assert Result(again).figures == Result(folder).figures


@pytest.mark.parametrize("group", ["tea", "upside", "rung"])
def test_what_is_shared_names_files_without_their_folders(
    group: str, done: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the study, which stays as it was written."""
    mine, root, folder = done
    shared: dict[str, str] = {}

    def upload(out: Path, adapter: str, to: Destination) -> str:
        names = ("README.md", "tellme.json", "provenance.json")
        shared.update({name: (out / name).read_text(encoding="utf-8") for name in names})
        return adapter

    monkeypatch.setattr("tellme.share.push._upload", upload)
    plan, to = make_plan(validate(study(mine), "here")), Destination("me/it", False, True)
    assert push(plan, Store(root), folder, f"{group}-s0", to) == f"{group}-s0"
    assert not [name for name, text in shared.items() if str(mine) in text]
    says = {
        "tea": "`tea` of behavior `tea` (",
        "upside": "control `upside` of `tea`",
        "rung": "trigger `bell`, 'ding'",
    }
    assert says[group] in shared["README.md"]
    assert group == "upside" or "`upside` (upside)" in shared["README.md"]


REFUSED = {
    "groups.tea.behavior": ("./nowhere.py", "was not found"),
    "groups.upside.control": ("./nowhere.py", "was not found"),
    "groups.rung.trigger.kind": ("./nowhere.py", "was not found"),
    "eval.engine": ("./nowhere.py", "was not found"),
    "eval.judge": ("lenght", "did you mean 'length'|is not known"),
    "eval.suites": (["./nowhere.py"], "was not found"),
    "eval": ({"suites": ["./others.yaml"]}, "name it in `questions`"),
    "questions": (["./nowhere.yaml"], "was not found"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_not_there_is_refused_in_one_line(key: str, done: tuple[Path, Path, Path]) -> None:
    raw = study(done[0])
    value, says = REFUSED[key]
    *path, last = key.split(".")
    inner: object = raw
    for name in path:
        assert isinstance(inner, dict)
        inner = inner[name]
    assert isinstance(inner, dict)
    inner[last] = value
    with pytest.raises(UserError, match=says) as refused:
        make_plan(validate(raw, "here"))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_broken_or_misnamed_is_refused(
    done: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    mine = written(tmp_path / "mine")
    for text, says in (
        ("1 +\n", "cannot be imported"),
        ("x = 1\n", "defines no BEHAVIOR"),
        ((mine / "tea.py").read_text().replace('name="tea"', 'name="tee"'), "calls itself 'tee'"),
    ):
        file = tmp_path / f"behavior{len(text)}.py"
        file.write_text(text)
        raw = study(mine, groups={"a": {"behavior": str(file), "policy": "tea"}}, contrasts=[])
        raw.pop("primary")
        with pytest.raises(UserError, match=says):
            make_plan(validate(raw, "here"))
    inside = tmp_path / "risk.py"
    inside.write_text((mine / "tea.py").read_text())
    raw = study(mine, groups={"a": {"behavior": str(inside), "policy": "tea"}}, contrasts=[])
    raw.pop("primary")
    with pytest.raises(UserError, match="called like 'risk'"):
        make_plan(validate(raw, "here"))
