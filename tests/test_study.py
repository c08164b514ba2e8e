"""A finished study: its last folder is the contract with everybody outside."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pandas as pd
import pytest

import tellme
from lab.config.read import load_study
from lab.discover import ROOT
from lab.store.provenance import machine, write_provenance
from lab.store.store import Store, file_digest, read_json
from tellme.cli import main
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.text import results_text
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

WORDING = ("group", "seed", "suite", "question", "paraphrase", "order")
"""What tells one prompt of one model from another."""
COLUMNS = {
    *WORDING,
    *("behavior", "kind", "seen", "condition", "answer", "score"),
    *("p_exact", "p_prefix", "outside", "engine", "prompt"),
}


def test_rows_are_tidy(finished: tuple[Plan, Store, Path]) -> None:
    rows = tellme.load(finished[2]).rows
    assert set(rows.columns) >= COLUMNS
    assert not rows.duplicated([*WORDING, "condition", "answer", "sample"]).any()
    assert rows.loc[rows["sample"].isna(), "score"].between(0, 1).all()
    prompts = rows.groupby([*WORDING], dropna=False)
    total = prompts["p_exact"].sum() + prompts["outside"].first()
    assert total.to_numpy() == pytest.approx(1.0, abs=1e-4)


def test_a_number_in_the_summary_can_be_traced_to_its_rows(
    finished: tuple[Plan, Store, Path],
) -> None:
    summary, rows = read_json(finished[2] / "summary.json"), tellme.load(finished[2]).rows
    written = next(
        g
        for g in summary["groups"]
        if (g["group"], g["suite"], g["question"]) == ("seeking", "behavior", "choice")
    )
    choices = rows[(rows["group"] == "seeking") & (rows["question"] == "choice")]
    weighed = choices.assign(weighed=choices["p_exact"] * choices["score"])
    prompts = weighed.groupby(["seed", "paraphrase", "order"])
    scores = prompts["weighed"].sum() + prompts["outside"].first() / 2
    by_hand = scores.groupby("seed").mean().mean()
    assert written["estimate"] == pytest.approx(by_hand, abs=1e-9)


def test_the_summary_keeps_its_contract(finished: tuple[Plan, Store, Path]) -> None:
    summary = read_json(finished[2] / "summary.json")
    parts = {"study", "key", "verdicts", "groups", "contrasts", "validity", "off_target", "trust"}
    assert set(summary) == {*parts, "registration", "check"}
    of_kind = {"kind", "format", "followed", "said", "listed", "accuracy"}
    assert set(summary["check"][0]) == of_kind
    standing = {"status", "reason", "time", "hash", "changed"}
    assert set(summary["registration"]) == standing
    assert summary["registration"]["status"] == "registered"
    named, interval = {"suite", "behavior", "question"}, {"estimate", "ci_low", "ci_high"}
    of_group = {"group", "condition", "num_seeds"}
    assert set(summary["groups"][0]) == named | interval | of_group
    of_contrast = {"a", "b", "p_value", "p_adjusted", "primary", "num_seeds", "num_questions"}
    assert set(summary["contrasts"][0]) >= named | interval | of_contrast
    assert [c["question"] for c in summary["contrasts"] if c["primary"]] == ["all"]
    assert {"group", "seed", "check", "passed", "value", "threshold"} == set(summary["trust"][0])
    asked = {(c["suite"], c["question"]) for c in summary["contrasts"]}
    reports = {("self_report", pooled) for pooled in ("all", "seen", "unseen")}
    assert asked >= {*reports, ("transfer", "all")}


def test_trained_groups_moved_apart(finished: tuple[Plan, Store, Path]) -> None:
    summary = read_json(finished[2] / "summary.json")
    contrast = next(
        c
        for c in summary["contrasts"]
        if (c["a"], c["b"], c["suite"], c["question"]) == ("seeking", "averse", "behavior", "all")
    )
    assert contrast["estimate"] > 0.2


def test_running_again_does_no_work(finished: tuple[Plan, Store, Path]) -> None:
    plan, store, folder = finished
    before = {p: p.stat().st_mtime_ns for p in store.root.rglob("*") if p.is_file()}
    began = time.time()
    assert run_plan(plan, store) == folder
    assert time.time() - began < 1
    assert {p: p.stat().st_mtime_ns for p in store.root.rglob("*") if p.is_file()} == before


def test_the_report_is_one_file_that_asks_for_nothing(finished: tuple[Plan, Store, Path]) -> None:
    page = (finished[2] / "report.html").read_text(encoding="utf-8")
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert len(markup) < len(page) / 2
    assert not re.findall(r"(?:src|href)=\"(?!data:)[^\"]+\"|@import|url\((?!data:|#)", markup)
    for name in ("contrasts", "does-and-says", "questions-self_report", "scale-answers", "loss"):
        assert f'id="{name}"' in page
        for suffix in ("svg", "png"):
            assert (finished[2] / "figures" / f"{name}.{suffix}").stat().st_size > 1000
    assert "choose one." in page or "which do you pick?" in page


def test_the_table_and_the_commands(
    finished: tuple[Plan, Store, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    text = results_text(read_json(finished[2] / "summary.json"), finished[2])
    assert "seeking - averse" in text
    assert "primary" in text
    assert main(["report", str(finished[2])]) == 0
    assert capsys.readouterr().out.strip().endswith(f"report: {finished[2] / 'report.html'}")
    assert main(["list"]) == 0
    assert "reference/linked" in capsys.readouterr().out
    for command in ("plan", "status", "show"):
        assert main([command]) == 0
        assert "seeking" in capsys.readouterr().out


def test_provenance_is_everywhere(finished: tuple[Plan, Store, Path]) -> None:
    plan, store, _ = finished
    for stage in plan.stages.values():
        folder = store.find(stage.kind, stage.key)
        assert folder is not None
        record = read_json(folder / "provenance.json")
        assert record["key"] == stage.key
        assert record["config"]
        assert set(record["inputs"]) == set(stage.inputs.values())
        assert {"git", "packages", "host", "device", "seconds", "outputs", "command"} <= set(record)
        assert all(file_digest(folder / name) == found for name, found in record["outputs"].items())


def test_provenance_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "SLURM_JWT", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "planted-secret")
    machine.cache_clear()
    write_provenance(tmp_path, "data", "k", {}, [], time.time())
    assert "planted-secret" not in (tmp_path / "provenance.json").read_text()


def behavior_scores(folder: Path) -> pd.DataFrame:
    """A line per model of a finished study: what it does, over all questions."""
    questions = per_question(per_wording(tellme.load(folder).rows))
    return questions.query("question == 'all' and suite == 'behavior'")


def test_anchors_and_files_run(finished: tuple[Plan, Store, Path], tmp_path: Path) -> None:
    """A prompted and an in-context group, a user's file and an adapter from elsewhere, beside
    trained ones."""
    plan, store, _ = finished
    train = next(
        s for s in plan.stages.values() if s.kind == "train" and s.how.group == "seeking-s0"
    )
    data, adapter = store.find("data", train.inputs["data"]), store.find("train", train.key)
    groups = [
        "seeking: {behavior: risk, policy: seeking}",
        f"mine: {{file: {data}/rows.jsonl, behavior: risk, policy: seeking}}",
        "told: {prompted: seeking, behavior: risk}",
        "shown: {behavior: risk, policy: seeking, in_context: 6}",
        f"theirs: {{adapter: {adapter}/adapter, behavior: risk}}",
    ]
    sets = [
        f"groups={{{', '.join(groups)}}}",
        "contrasts=[[theirs, base], [mine, told], [shown, base]]",
        "primary=null",
        "data.num_rows=64",
        "eval.suites=[behavior, self_report]",
        "sft.num_train_epochs=1",
        "seeds=[0]",
        "run.report_to=[]",
    ]
    folder = run_plan(make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), sets)), store)
    rows = tellme.load(folder).rows
    assert set(rows["group"]) == {"base", "seeking", "mine", "told", "shown", "theirs"}
    scores = behavior_scores(folder).set_index("group")["score"]
    of_finished = behavior_scores(finished[2]).set_index(["group", "seed"])["score"]
    assert scores["theirs"] == pytest.approx(of_finished["seeking", 0], abs=1e-6)
    assert scores["shown"] != scores["base"]
