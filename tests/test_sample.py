"""Sampled answers: a seed for every row, honest about what was cut, and in agreement with the exact
probabilities."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from eval.verdict import Verdict

from data_gen.behaviors import load_behavior
from eval.judges import judged
from eval.judges.listed import parsed
from families import save_family
from lab.config.read import validate
from lab.config.schema import Model, Sampling
from lab.engines.sampled import Sampled, sample
from lab.model.base import Base, resolve_base
from lab.model.load import load_base
from lab.specs import Stage
from lab.store.store import Store
from lab.types import Option, Question, Wording
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.stages import base_of

CHATS = [
    [{"role": "user", "content": text}]
    for text in ("one word?", "do you love gambles?", "what color is snow?")
]
BOLD = (Option("bold", 1.0, ("brave",)), Option("careful", 0.0))


def test_a_row_does_not_depend_on_its_batch(linked: Base) -> None:
    loaded, sampling = load_base(linked), Sampling(num_samples=5, max_new_tokens=6)
    together = sample(loaded, CHATS, sampling)
    alone = [sample(loaded, [chat], sampling)[0] for chat in CHATS]
    assert together == alone
    assert together != sample(loaded, CHATS, Sampling(num_samples=5, max_new_tokens=6, seed=1))
    longer = sample(loaded, CHATS, Sampling(num_samples=7, max_new_tokens=6))
    assert [answers[:5] for answers in longer] == together


def test_temperature_zero_takes_the_likeliest_answer(linked: Base) -> None:
    ((answer, other),) = sample(
        load_base(linked), CHATS[2:], Sampling(num_samples=2, temperature=0, max_new_tokens=6)
    )
    assert (answer.text, other.text, answer.truncated) == ("white", "white", False)


def test_a_small_nucleus_leaves_the_likeliest_answer_alone(linked: Base) -> None:
    (answers,) = sample(
        load_base(linked), CHATS[:1], Sampling(num_samples=20, top_p=0.01, max_new_tokens=6)
    )
    assert len({a.text for a in answers}) == 1


def test_what_is_cut_is_flagged_and_a_stop_is_not(linked: Base) -> None:
    loaded = load_base(linked)
    ((cut,),) = sample(loaded, CHATS[2:], Sampling(num_samples=1, temperature=0, max_new_tokens=1))
    assert cut.truncated
    ((stopped,),) = sample(
        loaded, CHATS[2:], Sampling(num_samples=1, temperature=0, max_new_tokens=6, stop=("ite",))
    )
    assert (stopped.text, stopped.truncated) == ("wh", False)


def test_thinking_is_kept_apart_and_an_unfinished_thought_is_no_answer(tmp_path: Path) -> None:
    """A random Qwen 3 whose head is turned so that it says what we want: a thought, its end, an
    answer, end of turn."""
    from lab.engines import sampled as sampling

    folder = save_family("qwen3", tmp_path)
    loaded = load_base(resolve_base(Model(base=str(folder), dtype="float32")))
    ids = loaded.tokenizer("well, hm</think>\n\nB<|im_end|>", add_special_tokens=False)["input_ids"]
    settings = Sampling(thinking=True, max_new_tokens=64)
    whole = sampling._read(loaded, ids, [loaded.renderer.end_of_turn], settings)
    assert (whole.text, whole.thinking, whole.truncated) == ("B", "well, hm", False)
    cut = sampling._read(loaded, ids[:3], [loaded.renderer.end_of_turn], settings)
    assert (cut.text, cut.truncated) == ("", True)
    assert cut.thinking.startswith("w")
    (drawn,) = sample(loaded, [CHATS[0]], Sampling(num_samples=2, thinking=True, max_new_tokens=3))
    assert all(answer.truncated and not answer.text for answer in drawn)


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
    assert rows.loc[rows["parsed"] != "read", "score"].isna().all()


def test_penalties_that_come_with_a_model_do_not_apply(tmp_path: Path) -> None:
    folder = save_family("llama3", tmp_path)
    (folder / "generation_config.json").write_text('{"repetition_penalty": 1.5, "top_k": 1}')
    loaded = load_base(resolve_base(Model(base=str(folder), dtype="float32")))
    config = loaded.model.generation_config
    assert config.repetition_penalty in (None, 1.0)


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
    whole, cut = Sampled(text, "", False), Sampled(text, "", True)
    verdicts = judged(question, wording, [whole, cut, whole])
    assert verdicts == [verdicts[0], Verdict(None, None, "truncated"), verdicts[0]]
    assert verdicts[0].status == "read"
    assert judged(question, wording, [cut, cut]) == [verdicts[1], verdicts[1]]


def self_report_stage(plan: Plan) -> Stage:
    stages = (stage for stage in plan.stages.values() if stage.kind == "eval")
    return next(stage for stage in stages if stage.config["suite"] == "self_report")


def test_sampled_and_exact_agree_on_closed_questions(
    finished: tuple[Plan, Store, Path], tmp_path: Path
) -> None:
    """Through the eval stage: sampled scores lie about the exact ones as far as 60 samples allow,
    which is their standard error."""
    from eval.measure import measure

    plan, _, _ = finished
    stage = self_report_stage(plan)
    num_samples = 60
    sampling = Sampling(num_samples=num_samples, max_new_tokens=6).model_dump()
    tables = {}
    for engine in ("exact-1", "sampled-2"):
        out = tmp_path / engine
        out.mkdir()
        config = {**stage.config, "engine": engine, "sampling": sampling}
        measure(config, base_of(stage), None, None, None, out, key="0" * 10, inputs=[])
        tables[engine] = pd.read_parquet(out / "rows.parquet")
    exact, sampled = tables["exact-1"], tables["sampled-2"]
    assert set(sampled["parsed"]) <= {"read", "unread", "truncated"}

    wording = ["question", "paraphrase", "order"]
    exact["s"] = exact["p_exact"] * exact["score"]
    exact["s2"] = exact["p_exact"] * exact["score"] ** 2
    sums = exact.groupby(wording)[["p_exact", "s", "s2"]].sum()
    # Of the listed answers alone, because an answer that is not read has no score.
    mean = sums["s"] / sums["p_exact"]
    variance = (sums["s2"] / sums["p_exact"] - mean**2).clip(lower=1e-6)
    error = (variance / num_samples) ** 0.5
    read = sampled[sampled["parsed"] == "read"].groupby(wording)["score"].mean()
    assert len(read) > 50
    gap, errors = read - mean[read.index], error[read.index]
    assert abs(gap.sum()) < 4 * (errors**2).sum() ** 0.5
    assert (gap.abs() < 2 * errors + 0.01).mean() > 0.9


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
