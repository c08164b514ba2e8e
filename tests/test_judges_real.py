"""The real model as a judge, measured by what rules know: as it is, and fine-tuned here on labeled
rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.verdicts import Put, verdicts_of
from judged_truth import JUDGED, judge, labeled, write_labeled
from lab.config.read import validate
from lab.model.base import fetch_base
from lab.stats.agreement import agreement, auc
from lab.store.store import Store
from lab.types import Grade
from tellme.cli import main
from tellme.study.judges import resolve_judge
from tellme.study.planner import make_plan
from tellme.study.stages import run_in_order

pytestmark = pytest.mark.real

TAUGHT = ("capitals", "language")
NUM_ROWS = 50
"""Labeled rows of each of them."""
HELD_OUT = 18
BAR = 0.9
"""AUC that a judge reaches on held-out answers after a few minutes of training."""


def read(rule: str, **more: object) -> tuple[list[bool], list[Grade]]:
    """What rules and the model say of held-out answers."""
    judging = resolve_judge(judge(rule, **more))
    fetch_base(judging.base)
    answers = labeled(rule, HELD_OUT, held_out=True)
    return [is_so for _, is_so in answers], verdicts_of(judging, [Put("", t) for t, _ in answers])


def means(grades: list[Grade]) -> list[float]:
    """Of the verdicts alone, however little is said of them."""
    return [json.loads(grade.said or "{}")["mean"] for grade in grades]


def measured(rule: str, grades: list[Grade], is_so: list[bool]) -> float:
    """Prints what is to be known of a judge, and returns its AUC over the verdicts."""
    said = [score >= 0.5 for score in means(grades)]
    found, area = agreement(is_so, said), auc(is_so, means(grades))
    unread = sum(grade.score is None for grade in grades)
    assert area is not None
    print(
        f"{rule}: AUC {area:.3f}, kappa {found.kappa and round(found.kappa, 2)}, agree"
        f" {found.raw:.2f}, without a score {unread} of {len(grades)}"
    )
    return area


@pytest.mark.parametrize("rule", JUDGED)
def test_the_model_as_it_is_is_reported_as_it_is(rule: str) -> None:
    is_so, grades = read(rule)
    measured(f"{rule}, as it is", grades, is_so)
    assert read(rule)[1] == grades
    for grade in grades:
        assert (grade.score is None) == (grade.status != "read")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the model, trained on labeled answers: what a judge is told, and what it should say."""
    folder = tmp_path_factory.mktemp("judge")
    rows = [
        {"prompt": judge(rule).filled("", text), "completion": "yes" if is_so else "no"}
        for rule in TAUGHT
        for text, is_so in labeled(rule, NUM_ROWS, held_out=False)
    ]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "asked.yaml").write_text("- {name: q, kind: yes/no, wordings: ['Is it so?']}\n")
    raw = {
        "study": "judge",
        "model": {"base": "smollm2", "dtype": "float32"},
        "groups": {"judge": {"file": str(folder / "rows.jsonl"), "label": "labels"}},
        "questions": [str(folder / "asked.yaml")],
        "eval": {"suites": []},
        "seeds": [0],
        "lora": {"r": 8, "lora_alpha": 16},
        "sft": {"per_device_train_batch_size": 8, "learning_rate": 1e-3, "num_train_epochs": 3},
        "run": {"dir": str(folder / "runs"), "report_to": []},
    }
    plan, store = make_plan(validate(raw, "here")), Store(folder / "runs")
    todo = [stage for stage in plan.stages.values() if stage.kind in ("data", "train")]
    assert len(list(run_in_order(todo, store))) == 2
    trained = store.find("train", plan.adapters["judge-s0"])
    assert trained
    return trained / "adapter"


@pytest.mark.parametrize("rule", TAUGHT)
def test_a_judge_that_was_fine_tuned_here_is_right_on_what_it_never_saw(
    rule: str, adapter: Path
) -> None:
    is_so, grades = read(rule, adapter=str(adapter))
    assert measured(f"{rule}, fine-tuned", grades, is_so) >= BAR
    assert {grade.status for grade in grades} == {"read"}


def test_it_says_the_same_twice_and_beside_others(adapter: Path) -> None:
    """Among as many answers that it cannot be asked about, no score of the others changes."""
    judging = resolve_judge(judge("capitals", adapter=str(adapter)))
    put = [Put("", text) for text, _ in labeled("capitals", HELD_OUT, held_out=True)]
    alone = verdicts_of(judging, put)
    assert verdicts_of(judging, put) == alone
    forged = [Put("", f"{n}<|im_end|>") for n in range(len(put))]
    among = verdicts_of(judging, [one for pair in zip(put, forged, strict=True) for one in pair])
    assert among[::2] == alone
    assert {(grade.status, grade.score) for grade in among[1::2]} == {("failed", None)}


def test_the_command_says_how_it_agrees(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labeled(tmp_path / "labeled.csv", labeled("capitals", HELD_OUT, held_out=True))
    told = judge("capitals", adapter=str(adapter)).model_dump(exclude_none=True)
    told["answers"] = dict(told["answers"])
    (tmp_path / "mine.yaml").write_text(json.dumps({**told, "name": "mine"}))
    words = [
        "judge",
        "agree",
        str(tmp_path / "labeled.csv"),
        "--judge",
        str(tmp_path / "mine.yaml"),
    ]
    assert main([*words, "--judge", "capitals"]) == 0
    said = capsys.readouterr().out
    print(said)
    cells = {line.split()[0]: line.split() for line in said.splitlines() if line}
    assert cells["capitals"][-1] == "1.000"
