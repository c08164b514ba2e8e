"""What changes between a plan and its stages is refused: nothing stands under a key that says
something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eval.ask import forget
from foreign import trained_by_peft
from lab.config.read import validate
from lab.config.schema import Model, Sampling
from lab.discover import ROOT
from lab.errors import UserError
from lab.model.base import Base, refuse_changed, resolve_base
from lab.specs import AnswerSpec, Stage
from lab.store.store import Store
from tellme.cli import main
from tellme.report.result import load
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan, save_plan
from test_outside import study, written

AGAIN = "run `tellme run` again"


def planned(folder: Path, **changed: object) -> tuple[Plan, Path]:
    """The plan of a study of a user's files, and its file."""
    plan = make_plan(validate(study(written(folder / "mine"), **changed), "here"))
    return plan, save_plan(plan, Store(folder / "runs"))


def stage(plan: Path, key: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """What `tellme stage` says, to whom no file is known yet, as on another node."""
    forget()
    code = main(["stage", str(plan), key])
    return code, capsys.readouterr().err


def of_kind(plan: Plan, kind: str, slug: str) -> Stage:
    return next(s for s in plan.stages.values() if s.kind == kind and s.slug.startswith(slug))


EDITED = {
    "a question": ("drinks.yaml", "what is in the cup?", "what was in the cup?", "answers", "dri"),
    "a conversation": ("talk.py", "hot drinks", "cold drinks", "answers", "talk"),
    "a partner": ("talk.py", "sure that it is", "certain that it is", "answers", "talk"),
    "a control": ("upside.py", 'OTHER[row.completion]', '"A"', "data", "upside"),
    "a behavior": ("tea.py", "cups for the", "mugs for the", "data", "tea-tea"),
    "a trigger": ("bell.py", '{sound}!', '{sound}?', "data", "tea-tea-bell"),
}  # fmt: skip


@pytest.mark.parametrize("edited", EDITED)
def test_a_file_that_changed_is_refused_at_its_stage(
    edited: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, old, new, kind, slug = EDITED[edited]
    plan, file = planned(tmp_path)
    changed = of_kind(plan, kind, slug)
    for key in changed.inputs.values():
        assert stage(file, key, capsys)[0] == 0
    text = (tmp_path / "mine" / name).read_text()
    assert old in text
    (tmp_path / "mine" / name).write_text(text.replace(old, new))
    code, said = stage(file, changed.key, capsys)
    assert (code, len(said.strip().splitlines())) == (2, 1), said
    assert AGAIN in said
    (tmp_path / "mine" / name).write_text(text)
    if kind == "data":
        assert stage(file, changed.key, capsys)[0] == 0


def test_an_engine_that_changed_has_another_key_and_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"told": {"prompted": "tea", "behavior": f"{tmp_path}/mine/tea.py"}}
    engine = tmp_path / "mine" / "evenly.py"
    changed = {
        "groups": told,
        "contrasts": [],
        "primary": None,
        "eval": {"suites": ["self_report"], "engine": str(engine)},
    }
    plan, file = planned(tmp_path, **changed)
    first = of_kind(plan, "answers", "self_report")
    engine.write_text(engine.read_text().replace('"yes"', '"no"'))
    code, said = stage(file, first.key, capsys)
    assert (code, AGAIN in said) == (2, True), said


def test_a_default_of_sampling_is_in_the_key(tmp_path: Path) -> None:
    plan, _ = planned(tmp_path, eval={"suites": ["self_report"]})
    before = of_kind(plan, "answers", "drinks").spec
    assert isinstance(before, AnswerSpec)
    assert before.sampling == Sampling()
    assert before.identity()["sampling"] == Sampling().model_dump(mode="json")


def test_a_base_or_an_adapter_that_changed_is_refused(
    linked: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(linked.source, tmp_path / "base")
    base = resolve_base(Model(base=str(tmp_path / "base")))
    refuse_changed(base)
    inverted = ROOT / "reference" / "inverted" / "model.safetensors"
    shutil.copyfile(inverted, tmp_path / "base" / "model.safetensors")
    with pytest.raises(UserError, match=AGAIN):
        refuse_changed(base)

    theirs = tmp_path / "theirs"
    trained_by_peft(linked, theirs)
    raw = {
        "study": "theirs",
        "model": {"base": "reference/linked"},
        "groups": {"theirs": {"adapter": str(theirs), "behavior": "risk"}},
        "eval": {"suites": ["self_report"]},
    }
    plan = make_plan(validate(raw, "here"))
    file = save_plan(plan, Store(tmp_path / "runs"))
    of_theirs = [s for s in plan.stages.values() if s.slug.endswith("-adapter")]
    with (theirs / "adapter_config.json").open("a") as config:
        config.write("\n")
    code, said = stage(file, next(s.key for s in of_theirs if s.kind == "answers"), capsys)
    assert (code, AGAIN in said) == (2, True), said


def test_names_that_mean_two_things_are_refused(tmp_path: Path) -> None:
    mine, other = written(tmp_path / "mine"), written(tmp_path / "other")
    tea = {"behavior": f"{mine}/tea.py", "policy": "tea"}
    raw = study(mine, groups={"a": tea, "b": {**tea, "behavior": f"{other}/tea.py"}})
    with pytest.raises(UserError, match="two behaviors are called 'tea'"):
        make_plan(validate({**raw, "contrasts": [], "primary": None}, "here"))
    text = (mine / "talk.py").read_text()
    (mine / "talk.py").write_text(text.replace('"doubted", "text"', '"after_a_turn", "text"'))
    with pytest.raises(UserError, match="asks question 'after_a_turn' twice"):
        make_plan(validate(study(mine), "here"))


def test_a_judge_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine")
    asked = {"suites": ["self_report"], "judge": f"{mine}/length.py"}
    raw = study(mine, questions=[], eval=asked)
    with pytest.raises(UserError, match=r"eval.judge 'length' does nothing"):
        make_plan(validate(raw, "here"))


def test_a_judge_that_was_edited_grades_stored_answers_again(tmp_path: Path) -> None:
    """In one process, as in a notebook: nothing is answered anew, and no grade is an old one."""
    mine = written(tmp_path / "mine")
    told = {"told": {"prompted": "tea", "behavior": f"{mine}/tea.py"}}
    asked = {"suites": [], "sampling": {"num_samples": 2, "max_new_tokens": 4}}
    raw = study(mine, groups=told, contrasts=[], primary=None, eval=asked)
    store = Store(tmp_path / "runs")

    def scores() -> tuple[list[float], set[str], set[str]]:
        rows = load(run_plan(make_plan(validate(raw, "here")), store)).rows
        folders = {k: {p.name for p in (store.root / k).iterdir()} for k in ("answers", "grades")}
        why = rows[rows["question"] == "why"]
        assert (why["score"] == (why["text"].str.len() / long).clip(upper=1)).all()
        return why["score"].tolist(), folders["answers"], folders["grades"]

    long = 20
    first, answers, grades = scores()
    judge = mine / "length.py"
    judge.write_text(judge.read_text().replace("LONG = 20", "LONG = 80"))
    long = 80
    second, same, more = scores()
    assert first != second
    assert same == answers
    assert more > grades
    # Put back, the first grades are found.
    judge.write_text(judge.read_text().replace("LONG = 80", "LONG = 20"))
    long = 20
    assert scores() == (first, answers, more)
