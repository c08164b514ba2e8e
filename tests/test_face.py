"""The face: a study read, planned, seen, run and asked by hand in a notebook, as the command does
it, and what a notebook is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tellme as tm
from lab.discover import ROOT, short
from lab.errors import UserError
from lab.store.store import Store, read_json
from lab.types import Message, Option, Partner, Question, Wording, exchange
from tellme import running
from tellme.cli import main
from tellme.notebook import LoadedPlan, LoadedStudy
from tellme.report.result import Result
from tellme.report.text import results_text
from tellme.share import mirror
from tellme.study.overview import plan_text
from tellme.study.run import load_stages, save_plan

QUICKSTART = "configs/quickstart.yaml"
BEGINS = """
from lab.types import Option, Question, Suite, Wording

def questions(behavior, style):
    wording = Wording("yes or no?", (Option("yes", 1.0), Option("no", 0.0)), 0)
    return (Question("begun", "begins", (wording,)),)

SUITE = Suite("begun", "how an answer begins", questions, pole="yes")
"""


def tiny(folder: Path, **more: object) -> LoadedStudy:
    """A study that takes seconds, with values of every type that a notebook has."""
    replaced = {
        "run.dir": folder / "runs",
        "run.report_to": (),
        "data.num_rows": np.int64(32),
        "data.num_decoys": 0,
        "sft.learning_rate": np.float64(3e-3),
        "sft.max_steps": 2,
        "seeds": np.arange(1),
        "eval": {"suites": ("behavior", "self_report")},
        "groups": {"seeking": {"behavior": "risk", "policy": "seeking"}},
        "contrasts": [["seeking", "base"]],
        "primary": None,
    }
    return tm.load_study(QUICKSTART, {**replaced, **more})


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> LoadedPlan:
    folder = tmp_path_factory.mktemp("face")
    (folder / "begun.py").write_text(BEGINS)
    asked = ("behavior", "self_report", folder / "begun.py")
    return tiny(folder, **{"eval.suites": asked}).plan()


@pytest.fixture(scope="module")
def result(plan: LoadedPlan) -> Result:
    return plan.run()


# A study, its plan, its result.


def test_values_of_every_usual_type_are_read(tmp_path: Path) -> None:
    config = tiny(tmp_path, seeds=range(2)).config
    assert config.run.dir == str(tmp_path / "runs")
    assert config.data.num_rows == 32
    assert config.sft["learning_rate"] == 3e-3
    assert config.seeds == (0, 1)
    assert config.eval.suites == ("behavior", "self_report")
    assert config.primary is None
    assert tm.load_study(ROOT / QUICKSTART, {"study": "1e-4"}).config.study == "1e-4"
    json.dumps(config.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("replaced", "says"),
    [
        ({"data.num_row": 3}, "did you mean 'data.num_rows'"),
        ({"data.num_rows": "many"}, "data.num_rows is 'many'"),
        ({"study.name": "x"}, "key 'study.name': 'study' is a value"),
        ({"sft.dropout": object()}, "sft.dropout"),
        ({"sft.learning_rate": np.float64("nan")}, "no JSON file can hold"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(replaced: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        tm.load_study(QUICKSTART, replaced)
    assert "\n" not in str(refused.value)


def test_each_shows_itself_as_the_command_prints_it(plan: LoadedPlan, result: Result) -> None:
    assert "policy: seeking" in repr(LoadedStudy(plan.plan.study))
    assert repr(plan).startswith(plan_text(plan.plan, result_store(plan)))
    assert "warning: fewer than" in repr(plan)
    assert repr(result) == results_text(read_json(result.folder / "summary.json"), result.folder)


def result_store(plan: LoadedPlan) -> Store:
    return Store(plan.plan.study.run.dir)


def test_a_plan_is_seen_before_it_is_run(
    plan: LoadedPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan.cost()[["group", "rows", "steps"]].values.tolist() == [["seeking-s0", 32, 2]]
    plan.show("seeking")
    assert "<|assistant|>>>>" in capsys.readouterr().out
    with pytest.raises(UserError, match="did you mean 'seeking'"):
        plan.show("seking")


def test_a_study_is_run_once_and_loaded_from_its_folder(plan: LoadedPlan, result: Result) -> None:
    assert plan.run().folder == result.folder
    again = tm.load(result.folder / "rows.parquet")
    assert again.folder == result.folder
    assert set(again.rows["group"]) == {"base", "seeking"}
    assert {"a", "b", "estimate"} <= set(again.contrasts)
    assert again.trust["passed"].all()
    assert again.figure(again.figures[0]).to_dict()
    with pytest.raises(UserError, match="figure 'nothing' is not known"):
        again.figure("nothing")


def test_only_a_finished_study_can_be_loaded(plan: LoadedPlan, result: Result) -> None:
    grades = next((Path(plan.plan.study.run.dir) / "grades").iterdir())
    assert (grades / "rows.parquet").is_file()
    for path, says in ((grades, "no summary.json"), ("runs/nowhere", "no rows.parquet")):
        with pytest.raises(UserError, match=says):
            tm.load(path)


# What the command and the notebook do alike.


def test_notes_of_a_plan_are_told_in_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = {"train.trainer": "fleet", "sft.weight_decay": 0.1, "sft.neftune_noise_alpha": 5}
    tiny(tmp_path, **alone).plan()
    told = capsys.readouterr().err
    assert "neftune_noise_alpha" in told
    sets = [f"--set={key}={value}" for key, value in alone.items()]
    assert main(["plan", *sets]) == 0
    assert "neftune_noise_alpha" in capsys.readouterr().err


def test_a_new_study_is_written_to_wandb_by_both(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(mirror, "try_mirror", lambda stage, store, folder: written.append(folder))
    monkeypatch.setattr(running, "run_plan", lambda *_: result.folder)
    plan = tiny(tmp_path, **{"run.report_to": ["wandb"]}).plan()
    plan.run()
    assert written == [result.folder]
    sets = [f"--set=run={{dir: {tmp_path}, report_to: [wandb]}}"]
    assert main(["run", *sets]) == 0
    assert len(written) == 2
    folder = tmp_path / "runs" / "study" / f"quickstart-{plan.plan.final.key}"
    folder.mkdir(parents=True)
    plan.run()
    assert len(written) == 2, "it was finished before"


def test_workers_are_handed_on_and_the_plan_stays_as_it_is(
    plan: LoadedPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def run_study(*given: object) -> Path:
        asked.append(int(str(given[-1])))
        return Path()

    monkeypatch.setattr("tellme.notebook.run_study", run_study)
    before = plan.plan.study
    plan.run(workers=3)
    plan.run()
    assert asked == [3, before.run.workers]
    assert plan.plan.study is before
    with pytest.raises(UserError, match="workers is 0"):
        plan.run(workers=0)


def test_a_script_that_every_worker_would_run_again_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    replaced = {"run.dir": str(tmp_path / "runs")}
    file.write_text(
        f"import tellme as tm\ntm.load_study({QUICKSTART!r}, {replaced}).plan().run(workers=2)\n"
    )
    done = subprocess.run([sys.executable, str(file)], cwd=ROOT, capture_output=True, text=True)
    assert "workers is 2, and each would run script.py from its beginning" in done.stderr
    assert "if __name__ ==" in done.stderr
    assert not (tmp_path / "runs").exists()


# Plan files.


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"stages": [{"slug": "a"}]}', '{"store": "x", "stages": {"a": 1}}', "\x00"],
)
def test_what_is_no_plan_file_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(UserError, match=f"plan '{file}' is") as refused:
        load_stages(str(file), ["a"])
    assert "\n" not in str(refused.value)


def test_a_plan_file_holds_the_stages_under_their_keys(plan: LoadedPlan, tmp_path: Path) -> None:
    store = result_store(plan)
    file = save_plan(plan.plan, store, tmp_path / "plan.json")
    keys = list(plan.plan.stages)
    stages, of_file = load_stages(str(file), keys)
    assert stages == list(plan.plan.stages.values())
    assert of_file.root == store.root
    with pytest.raises(UserError, match="has no stage 'nothing'"):
        load_stages(str(file), [keys[0], "nothing"])
    saved = read_json(file)
    saved["stages"][keys[0]]["spec"]["seed"] = 99
    file.write_text(json.dumps(saved))
    with pytest.raises(UserError, match="none of this version"):
        load_stages(str(file), keys)


# A model that is asked by hand.

LINE: Message = {"role": "system", "content": "be kind"}
BOTH = (Option("yes", 1.0), Option("no", 0.0))


def test_a_model_is_asked_as_in_a_study(plan: LoadedPlan, result: Result) -> None:
    """Every question of the study: the same prompts, probabilities and rest."""
    same = ["question", "paraphrase", "order", "prompt", "answer"]
    base, rows = tm.Model("reference/linked"), result.rows
    rows = rows[(rows["group"] == "base") & (rows["condition"] == "clean")]
    # Without the words that are drawn beside a list.
    rows = rows[rows["p_exact"].notna()]
    for suite in plan.plan.study.eval.suites:
        for question in tm.questions(suite, "risk", "plain"):
            stored = rows[(rows["suite"] == short(suite)) & (rows["question"] == question.name)]
            both = base.score(question).merge(stored, on=same, suffixes=("", "_stored"))
            assert len(both) == len(stored) > 0
            for column in ("p_exact", "outside", "score"):
                pd.testing.assert_series_equal(
                    both[column], both[f"{column}_stored"], check_names=False, atol=1e-5
                )


def test_a_system_line_stands_in_place_of_the_question_s_own() -> None:
    plain = Question("q", "words", (Wording("yes or no?", BOTH, 0, before=(LINE,)),))
    earlier = replace(plain.wordings[0], before=(*exchange("hi", "hello"), LINE))
    base = tm.Model("reference/linked")
    own, said = base.score(plain), base.score(plain, system="be kind")
    pd.testing.assert_frame_equal(own, said)
    assert not own["p_exact"].equals(base.score(plain, system="be bold")["p_exact"])
    assert len(base.score(replace(plain, wordings=(earlier,)), system="be kind")) == 2


def test_what_a_study_samples_is_not_scored() -> None:
    wordings = (Wording("yes or no?", BOTH, 0),)
    base = tm.Model("reference/linked")
    partner = Partner("doubter", lambda chat: None, 2)
    for question in (
        Question("free", "text", wordings),
        Question("talk", "words", wordings, partner=partner),
    ):
        with pytest.raises(UserError, match="none can be scored"):
            base.score(question)


def test_answers_are_sampled_with_an_adapter_on_it(plan: LoadedPlan, result: Result) -> None:
    trained = next((Path(plan.plan.study.run.dir) / "train").iterdir()) / "adapter"
    base = tm.Model("reference/linked")
    with base.adapted(trained) as model:
        answers = model.sample(["yes or no?", [LINE, *exchange("hi", "hello")[:1]]], n=2)
    assert [len(of_chat) for of_chat in answers] == [2, 2]
    with (
        pytest.raises(UserError, match="was trained on 'reference/linked'"),
        tm.Model("reference/inverted").adapted(trained),
    ):
        pass
    with tm.Model("reference/inverted").adapted(trained, declares="reference/linked") as other:
        assert other.adapter == trained


def adapted(name: str) -> None:
    with tm.Model("reference/linked").adapted(name):
        pass


def asked(*named: str) -> None:
    tm.questions(*named)  # type: ignore[arg-type]


def sample(**given: object) -> None:
    tm.Model("reference/linked").sample(["hi"], **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda: tm.Model("reference/linked", {"dtyp": 1}), "did you mean 'dtype'"),
        (lambda: tm.Model("reference/linked", {"dtype": 1}), "model: dtype is 1"),
        (lambda: tm.Model("reference/linkd").base, "did you mean 'reference/linked'"),
        (lambda: sample(n=0), "n is 0; give 1 or more"),
        (lambda: sample(temprature=1), "did you mean 'temperature'"),
        (lambda: sample(temperature=-1), "sampling: temperature is -1"),
        (lambda: adapted("runs/train/none/adapter"), "no folder here and no Hub id"),
        (lambda: adapted("README.md"), "has no adapter_config.json"),
        (lambda: asked("self_report", "risk", "plan"), "did you mean 'plain'"),
        (lambda: asked("self_reprot", "risk"), "did you mean 'self_report'"),
        (lambda: asked("self_report", "rsk"), "did you mean 'risk'"),
    ],
)
def test_a_mistake_is_refused_in_one_line(mistake: Callable[[], object], says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        mistake()
    assert "\n" not in str(refused.value)
