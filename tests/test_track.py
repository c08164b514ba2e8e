"""wandb as a mirror: real offline files read back with wandb's own package, and a network that
never answers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import SMALL, same_numbers
from lab.config.read import load_study
from lab.discover import ROOT
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
]
SETS += [
    "data.num_decoys=0",
    "eval.suites=[behavior, self_report]",
    "sft.logging_steps=1",
    "sft.max_steps=12",
]


def planned(*sets: str) -> Plan:
    return make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), [*SETS, *sets]))


def records(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.glob("run-*.wandb")
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    lines = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def of_kind(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [r for r in found if r["type"] == kind]


@pytest.mark.real
def test_a_study_can_be_read_back_from_offline_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    plan, store = (
        planned("seeds=[0, 1]", "sweep={data.policy_share: [0.5, 1.0]}"),
        Store(tmp_path / "runs"),
    )
    folder = run_plan(plan, store)
    trained = {s.key: s for s in plan.stages.values() if s.kind == "train"}
    try_mirror(plan.final, store, folder)
    runs = {p.name.rpartition("-")[2]: p for p in (store.root / "wandb").glob("offline-run-*")}
    assert set(runs) == {*trained, plan.final.key}
    assert len(list((store.root / "wandb").glob("offline-run-*"))) == len(runs), (
        "written again, and still one folder each"
    )
    rows = load(folder)
    for key, stage in trained.items():
        made = Path(str(store.find("train", key)))
        found = records(runs[key])
        summary = subprocess.run(
            [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(next(runs[key].glob("run-*.wandb")))],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        about = json.loads(summary.stdout)
        assert about["config"]["stream"] == stage.config["stream"]
        assert about["config"]["swept"] in ({"data.policy_share": 0.5}, {"data.policy_share": 1.0})
        text = json.dumps(of_kind(found, "history"))
        curve = read_json(made / "curve.json")
        assert len(curve) == 12
        assert text.count("train/loss") == len(curve)
        assert about["summary"]["train/loss"] == pytest.approx(curve[-1]["loss"], abs=1e-9)
        group, seed = about["config"]["group"], about["config"]["seed"]
        (table,) = (runs[key] / "files" / "media" / "table").glob("rows_*.json")
        assert (
            len(json.loads(table.read_text())["data"])
            == len(
                rows[(rows["group"] == group) & (rows["seed"] == seed) & (rows["p_exact"] >= 1e-3)]
            )
            > 0
        )
        assert any(name.startswith("eval/self_report/risk") for name in about["summary"])
        assert read_json(made / "provenance.json")["wandb"]["id"] == f"quickstart-{key}"
    study = runs[plan.final.key] / "files" / "media"
    names = {p.name.rpartition("_")[0].rpartition("_")[0] for p in (study / "table").iterdir()}
    assert names >= {"contrasts", "groups", "trust", "sweep", "rows_of_bases"}
    (table,) = (study / "table").glob("contrasts_*.json")
    shown = json.loads(table.read_text())
    kept = [
        [row[shown["columns"].index(c)] for c in ("a", "estimate", "ci_low")]
        for row in shown["data"]
    ]
    assert kept == [
        [str(c["a"]), c["estimate"], c["ci_low"]]
        for c in read_json(folder / "summary.json")["contrasts"]
    ]
    assert {p.name.partition("_")[0] for p in (study / "images" / "figures").glob("*.png")} >= {
        "sweep",
        "contrasts",
    }
    assert of_kind(records(runs[plan.final.key]), "artifact"), "the report is attached"


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
        folder = run_plan(planned("seeds=[0]", "train.trainer=trl"), Store(tmp_path / "stalled"))
        assert time.time() - began < 120
    said = capsys.readouterr().err
    assert "wandb cannot be reached" in said
    assert "wandb has no copy of this study" in said
    alone = run_plan(
        planned("seeds=[0]", "train.trainer=trl", "run.report_to=[]"), Store(tmp_path / "alone")
    )
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
