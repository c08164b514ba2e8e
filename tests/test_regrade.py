"""Stored answers of a finished study, graded again: no model is asked, and nothing that was chosen
after measuring is registered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from foreign import trained_by_peft
from lab.config.read import validate
from lab.model.base import Base
from lab.store.store import Store
from tellme.cli import main
from tellme.report.result import load
from tellme.study import stages
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from test_judges import study
from test_judges_agree import arbiter

PRIMARY = {"contrast": ["told", "base"], "suite": "mine"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study with free answers that nobody graded, with a primary; its folder, and that of its
    files."""
    folder = tmp_path_factory.mktemp("regrade")
    told = {"contrasts": [["told", "base"]], "primary": PRIMARY}
    plan = make_plan(validate(study(folder, None, **told), "here"))
    return run_plan(plan, Store(folder / "runs")), folder


def graded(folder: Path, judge: str, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["grade", str(folder), "--judge", judge]) == 0
    return Path(capsys.readouterr().out.strip().splitlines()[-1].split()[-1]).parent


def test_answers_are_graded_again_and_no_model_is_asked(
    finished: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study_folder, files = finished
    before = load(study_folder).rows

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("a model was asked for an answer")

    monkeypatch.setattr(stages, "answer", asked)
    kinds = ("data", "train", "answers")
    made = {kind: sorted((files / "runs").glob(f"{kind}/*")) for kind in kinds}
    first = graded(study_folder, arbiter(files, "first", "{answer} [85]"), capsys)
    again = graded(first, arbiter(files, "second", "{answer} [15]"), capsys)
    assert {kind: sorted((files / "runs").glob(f"{kind}/*")) for kind in kinds} == made
    for folder, judge, side in ((first, "first", 1), (again, "second", -1)):
        rows = load(folder).rows
        free = rows["kind"] == "text"
        assert set(rows.loc[free, "judge"]) == {judge}
        scores = rows.loc[free & (rows["status"] == "read"), "score"].astype(float)
        assert len(scores)
        assert ((scores - 0.5) * side > 0).all()
        same = ["question", "text", "p_exact"]
        assert rows[same].equals(before[same])
        # Listed answers keep their scores.
        assert rows.loc[~free, "score"].equals(before.loc[~free, "score"])
        assert json.loads((folder / "summary.json").read_text())["registration"]["status"] == (
            "exploratory"
        )
    assert load(study_folder).rows.equals(before)
    # What was measured first is registered still.
    assert load(study_folder).summary["registration"]["status"] == "registered"


def test_what_cannot_be_graded_again_is_refused(
    finished: tuple[Path, Path],
    linked: Base,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study_folder, files = finished

    def refused(folder: Path, judge: str) -> str:
        assert main(["grade", str(folder), "--judge", judge]) == 2
        said = capsys.readouterr().err.strip()
        assert len(said.splitlines()) == 1, said
        return said

    one = arbiter(files, "one", "{answer} [85]")
    assert "is no folder of a finished study" in refused(files, one)
    assert "'./none.yaml' was not found" in refused(study_folder, "./none.yaml")
    asked = files / "mine.yaml"
    text = asked.read_text()
    asked.write_text(text.replace("why?", "why not?"))
    assert "have changed since they were answered" in refused(study_folder, one)
    asked.write_text(text)
    shutil.copytree(files / "runs", tmp_path / "runs")
    copied = tmp_path / "runs" / "study" / study_folder.name
    shutil.rmtree(tmp_path / "runs" / "answers")
    assert "are not in" in refused(copied, one)
    shutil.rmtree(tmp_path / "runs" / "plans")
    assert "eval.judge=FILE" in refused(copied, one)


def test_an_adapter_of_the_study_does_not_grade_it_again(
    linked: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "theirs"
    trained_by_peft(linked, theirs)
    groups = {"groups": {"theirs": {"adapter": str(theirs), "behavior": "risk"}}}
    plan: Plan = make_plan(validate(study(tmp_path, None, **groups), "here"))
    folder = run_plan(plan, Store(tmp_path / "runs"))
    judge = tmp_path / "own.yaml"
    told = "model: reference/linked\nprompt: '{answer} bold?'\nanswers: {'yes': 1, 'no': 0}\n"
    judge.write_text(f"{told}adapter: {theirs}\n")
    assert main(["grade", str(folder), "--judge", str(judge)]) == 2
    assert "carries an adapter of this study" in capsys.readouterr().err
