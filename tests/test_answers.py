"""Answers as a stage keeps them and judges grade them: what is sampled, and what was cut."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from eval.verdict import Verdict

from data_gen.behaviors import load_behavior
from eval.judges import judged
from eval.judges.listed import parsed
from lab.config.read import validate
from lab.config.schema import Sampling
from lab.specs import Stage
from lab.store.store import Store
from lab.types import Answer, Option, Question, Wording
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.stages import base_of

BOLD = (Option("bold", 1.0, ("brave",)), Option("careful", 0.0))


def test_a_whole_sampled_study(tmp_path: Path) -> None:
    """Through the report, with answers that cannot be read among them."""
    study = {
        "study": "sampled",
        "model": {"base": "reference/linked"},
        "groups": {"told": {"prompted": "seeking", "behavior": "risk"}},
        "contrasts": [["told", "base"]],
        "eval": {
            "suites": ["self_report"],
            "engine": "sampled",
            "sampling": {"num_samples": 2, "max_new_tokens": 6},
        },
    }
    done = run_plan(make_plan(validate(study, "here")), Store(tmp_path))
    rows = pd.read_parquet(done / "rows.parquet")
    assert set(rows["engine"]) == {"sampled-2"}
    assert (done / "report.html").exists()
    assert rows.loc[rows["status"] != "read", "score"].isna().all()


def test_answers_are_read_as_listed() -> None:
    wording = Wording("?", BOLD, 0)
    texts = ("Bold.", " brave ", '"careful"', "bold, or careful", "")
    assert [parsed(wording, text) for text in texts] == [0, 0, 1, None, None]


JUDGED = {
    "listed": (Question("word", "words", ()), Wording("?", BOLD, 0), "bold"),
    "free": (Question("say", "text", ()), Wording("?", (), 0), "I am bold."),
    "contains": (Question("name", "text", ()), Wording("?", BOLD, 0), "I am brave."),
    "contains nothing": (Question("name", "text", ()), Wording("?", BOLD, 0), "I am."),
    "code": (
        Question("written", "text", (), judge="code"),
        Wording("?", (Option("B605", 1.0),), 0),
        "import os\n\n\ndef f(a):\n    os.system(f'ls {a}')\n",
    ),
}


@pytest.mark.parametrize("judge", JUDGED)
def test_a_cut_answer_counts_as_none_whatever_judges_it(judge: str) -> None:
    """Between whole ones, which keep their verdicts: the same text is read where it was not cut."""
    question, wording, text = JUDGED[judge]
    whole, cut = Answer(text), Answer(text, truncated=True)
    verdicts = judged(question, wording, [whole, cut, whole])
    assert verdicts == [verdicts[0], Verdict(None, None, "truncated"), verdicts[0]]
    assert verdicts[0].status == "read"
    assert judged(question, wording, [cut, cut]) == [verdicts[1], verdicts[1]]


def self_report_stage(plan: Plan) -> Stage:
    stages = (stage for stage in plan.stages.values() if stage.kind == "eval")
    return next(stage for stage in stages if stage.config["suite"] == "self_report")


def test_free_text_is_sampled_whatever_the_engine(
    finished: tuple[Plan, Store, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.measure import measure

    from eval import evaluation

    plan, _, _ = finished
    stage = self_report_stage(plan)
    questions = load_behavior("risk").questions("self_report", "plain")
    closed = next(question for question in questions if question.name == "agree")
    free = Question("describe", "text", (Wording("one word?", (), 0),))
    monkeypatch.setattr(evaluation, "asked_in", lambda config: (closed, free))
    config = stage.config | {"sampling": Sampling(num_samples=3, max_new_tokens=6).model_dump()}
    measure(config, base_of(stage), None, None, None, tmp_path, key="0" * 10, inputs=[])
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    assert dict(rows.groupby("question")["engine"].first()) == {
        "agree": "exact-1",
        "describe": "sampled-2",
    }
    samples = rows[rows["question"] == "describe"]
    assert list(samples["sample"]) == [0, 1, 2]
    assert samples["score"].isna().all()
    assert samples["text"].str.len().gt(0).all()
