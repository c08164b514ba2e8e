"""wandb as a mirror: real offline files read back with wandb's own package, and a network that
never answers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import SMALL, same_numbers
from lab.config.read import load_study
from lab.discover import ROOT
from lab.specs import Stage, TrainSpec
from lab.store.rows import load
from lab.store.store import Store, read_json
from tellme.share.mirror import try_mirror
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

SETS = [
    "groups={seeking: {behavior: risk, policy: seeking}}",
    "contrasts=[[seeking, base]]",
    "primary=null",
    "data.num_rows=32",
    "data.num_decoys=0",
    "eval.suites=[behavior, self_report]",
    "sft.logging_steps=1",
    "sft.max_steps=12",
]
LIKELY = 1e-3
"""Rows below this probability are not in wandb."""


def planned(*sets: str) -> Plan:
    return make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), [*SETS, *sets]))


def inspected(run: Path, *more: str) -> str:
    """What wandb's own reader says of an offline run."""
    (file,) = run.glob("run-*.wandb")
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", *more, "--json", str(file)]
    return subprocess.run(inspect, capture_output=True, text=True, check=True).stdout


def of_kind(run: Path, kind: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in inspected(run).splitlines()]
    return [record for record in records if record["type"] == kind]


@dataclass(frozen=True)
class Mirrored:
    """A finished study and its offline runs, by key."""

    plan: Plan
    store: Store
    folder: Path
    runs: dict[str, Path]

    @property
    def trained(self) -> dict[str, Stage]:
        return {s.key: s for s in self.plan.stages.values() if s.kind == "train"}


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    """Two seeds at two points of a sweep, mirrored once by the run and once again."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "WANDB_MODE"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        plan = planned("seeds=[0, 1]", "sweep={data.policy_share: [0.5, 1.0]}")
        store = Store(home / "runs")
        folder = run_plan(plan, store)
        try_mirror(plan.final, store, folder)
        offline = list((store.root / "wandb").glob("offline-run-*"))
        runs = {path.name.rpartition("-")[2]: path for path in offline}
        assert len(offline) == len(runs), "written again, and still one folder each"
        yield Mirrored(plan, store, folder, runs)


@pytest.mark.real
def test_every_adapter_and_the_study_have_a_run(mirrored: Mirrored) -> None:
    assert set(mirrored.runs) == {*mirrored.trained, mirrored.plan.final.key}


@pytest.mark.real
def test_an_adapter_can_be_read_back_from_offline_files(mirrored: Mirrored) -> None:
    rows = load(mirrored.folder)
    for key, stage in mirrored.trained.items():
        run, trained = mirrored.runs[key], mirrored.store.find("train", key)
        assert trained
        read = json.loads(inspected(run, "--summary"))
        config, summary = read["config"], read["summary"]
        assert isinstance(stage.spec, TrainSpec)
        assert config["stream"] == stage.spec.stream
        assert config["swept"] in ({"data.policy_share": 0.5}, {"data.policy_share": 1.0})
        curve = read_json(trained / "curve.json")
        assert len(curve) == 12
        assert json.dumps(of_kind(run, "history")).count("train/loss") == len(curve)
        assert summary["train/loss"] == pytest.approx(curve[-1]["loss"], abs=1e-9)
        assert any(name.startswith("eval/self_report/risk") for name in summary)
        own = rows[(rows["group"] == config["group"]) & (rows["seed"] == config["seed"])]
        (table,) = (run / "files" / "media" / "table").glob("rows_*.json")
        shown = json.loads(table.read_text())["data"]
        assert len(shown) == len(own[own["p_exact"] >= LIKELY]) > 0
        link = read_json(trained / "provenance.json")["wandb"]
        assert link["id"] == f"quickstart-{key}"


@pytest.mark.real
def test_a_study_can_be_read_back_from_offline_files(mirrored: Mirrored) -> None:
    run = mirrored.runs[mirrored.plan.final.key]
    media = run / "files" / "media"
    tables = {p.name.rpartition("_")[0].rpartition("_")[0] for p in (media / "table").iterdir()}
    assert tables >= {"contrasts", "groups", "trust", "sweep", "rows_of_bases"}
    (table,) = (media / "table").glob("contrasts_*.json")
    shown = json.loads(table.read_text())
    columns = [shown["columns"].index(name) for name in ("a", "estimate", "ci_low")]
    contrasts = read_json(mirrored.folder / "summary.json")["contrasts"]
    assert [[row[i] for i in columns] for row in shown["data"]] == [
        [contrast["a"], contrast["estimate"], contrast["ci_low"]] for contrast in contrasts
    ]
    images = {p.name.partition("_")[0] for p in (media / "images" / "figures").glob("*.png")}
    assert images >= {"sweep", "contrasts"}
    assert of_kind(run, "artifact"), "the report is attached"


@pytest.mark.real
def test_a_network_that_never_answers_costs_patience_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "0123456789abcdef" * 2 + "01234567"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WANDB_API_KEY", key)
        monkeypatch.delenv("WANDB_MODE", raising=False)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.time()
        plan, store = planned("seeds=[0]", "train.trainer=trl"), Store(tmp_path / "stalled")
        folder = run_plan(plan, store)
        try_mirror(plan.final, store, folder)
        assert time.time() - began < 120
    said = capsys.readouterr().err
    assert "wandb cannot be reached" in said
    assert "wandb has no copy of this study" in said
    unwatched = planned("seeds=[0]", "train.trainer=trl", "run.report_to=[]")
    alone = run_plan(unwatched, Store(tmp_path / "alone"))
    assert same_numbers(read_json(folder / "summary.json"), read_json(alone / "summary.json"))
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and key.encode() in p.read_bytes()]


def test_a_mirror_that_breaks_does_not_break_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    from train.progress import Live

    class Broken:
        def log(self, *_: Any, **__: Any) -> None:
            raise OSError("the sending process is gone")

    live, state = Live(Broken()), SimpleNamespace(global_step=1)
    for _ in range(2):
        live.on_log(None, state, None, logs={"loss": 1.0})
    assert capsys.readouterr().err.count("wandb broke off (the sending process is gone)") == 1


def test_sync_without_a_key_is_one_line(
    finished: tuple[Plan, Store, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from tellme.cli import main

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    sets = [f"--set={s}" for s in [*SMALL, f"run.dir={finished[1].root}"]]
    assert main(["sync", "configs/quickstart.yaml", *sets]) == 2
    said = capsys.readouterr().err
    assert said.startswith("tellme: wandb has no key here")
    assert said.count("\n") == 1
