"""Inspect against a server of the lab, with the lab's exact scores; and what a study measured as
logs that Inspect reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from inspect_ai import eval as inspect_eval
from inspect_ai.log import list_eval_logs, read_eval_log

from lab.errors import UserError
from lab.model.base import Base
from lab.store.store import Store
from served import serving, some_models
from tellme.asked import Model
from tellme.report.analysis.scores import per_wording
from tellme.report.result import load
from tellme.serve.checks import refuse_failed, serving_checks
from tellme.serve.inspect_logs import export_logs
from tellme.serve.inspect_tasks import suite
from tellme.serve.worker import Worker
from tellme.study.asked_questions import questions
from tellme.study.plan import Plan

pytestmark = pytest.mark.real


def test_inspect_scores_an_adapter_as_the_lab_does(
    linked: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = some_models(linked, tmp_path, number=2)
    expected: dict[str, float] = {}
    with Model("reference/linked").adapted(models["bold-s1"].adapter) as asked:
        for question in questions("self_report", "risk", "plain"):
            table = asked.score(question)
            table["worth"] = table["p_exact"] * table["score"]
            for (paraphrase, order), own in table.groupby(["paraphrase", "order"]):
                score = own["worth"].sum() + own["outside"].iloc[0] / 2
                expected[f"{question.name}-{paraphrase}-{order}"] = score
    worker = Worker(models)
    try:
        refuse_failed(serving_checks(worker))
        with serving(worker, key="secret") as address:
            monkeypatch.setenv("TELLME_BASE_URL", f"{address}/v1")
            monkeypatch.setenv("TELLME_API_KEY", "secret")
            (log,) = inspect_eval(
                suite("self_report", "risk", "plain"),
                model="openai-api/tellme/bold-s1",
                log_dir=str(tmp_path / "logs"),
                display="none",
            )
    finally:
        worker.close()
    assert log.status == "success"
    assert log.samples is not None
    found = {s.id: s.scores["exact"].as_float() for s in log.samples if s.scores}
    assert found == pytest.approx(expected, abs=1e-4)
    assert len({round(score, 3) for score in found.values()}) > 10


def test_a_suite_that_lists_nothing_is_no_task() -> None:
    with pytest.raises(UserError, match="lists no answers"):
        suite("self_report")


def test_a_study_is_exported_as_logs(finished: tuple[Plan, Store, Path], tmp_path: Path) -> None:
    """A log for each model and what it was asked, with the scores of the study."""
    _, _, folder = finished
    written = export_logs(folder, tmp_path / "logs")
    assert sorted(tmp_path.glob("logs/*")) == sorted(written)
    wordings = per_wording(load(folder).rows)
    logs = [read_eval_log(info) for info in list_eval_logs(str(tmp_path / "logs"))]
    assert len(logs) == len(wordings.groupby(["group", "seed", "suite"], dropna=False))
    assert {log.eval.model for log in logs} == {
        "tellme/base",
        *(f"tellme/{g}-s{s}" for g in ("seeking", "averse", "shuffled") for s in (0, 1)),
    }
    for log in logs:
        metadata = log.eval.metadata or {}
        mine = wordings[
            (wordings["group"] == metadata["group"]) & (wordings["suite"] == metadata["suite"])
        ]
        seed = metadata["seed"]
        mine = mine[mine["seed"].isna() if seed is None else mine["seed"] == seed]
        expected = {
            f"{row.question}-{row.paraphrase}-{row.order}": row.score for row in mine.itertuples()
        }
        assert log.status == "success"
        found = {s.id: s.scores["tellme"].as_float() for s in log.samples or [] if s.scores}
        assert found == pytest.approx(expected, abs=1e-9)
    assert export_logs(folder, tmp_path / "logs") == written
