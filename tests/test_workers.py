"""Several processes give what one gives, in an order that no stage has to wait in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from lab.store.store import Store, read_json
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.workers import run_units, units

QUICKSTART = str(ROOT / "configs/quickstart.yaml")
TINY = [
    "seeds=[0]",
    "data={num_rows: 16}",
    "sft={max_steps: 2, learning_rate: 1.0e-2}",
    "run.report_to=[]",
    "eval.suites=[behavior, self_report]",
]


@pytest.mark.parametrize("trainer", ["trl", "fleet"])
def test_units_hold_every_stage_after_what_it_needs(trainer: str) -> None:
    plan = make_plan(load_study(QUICKSTART, [f"train.trainer={trainer}"]))
    stages = list(plan.stages.values())
    chains = units(stages)
    in_chains = {stage.key for chain in chains for stage in chain}
    assert in_chains == {stage.key for stage in stages if stage.kind != "study"}
    assert all(chain[-1].kind == "grades" for chain in chains)
    for chain in chains:
        before: set[str] = set()
        assert sum(s.kind == "train" for s in chain) in ((0, 1) if trainer == "trl" else (0, 9))
        for stage in chain:
            needed = {key for key in stage.inputs.values() if key in in_chains}
            assert needed <= before
            before.add(stage.key)


@pytest.mark.real
def test_two_processes_give_the_numbers_of_one_and_share_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    summaries = []
    for workers in (1, 2):
        plan = make_plan(load_study(QUICKSTART, [*TINY, f"run.workers={workers}"]))
        folder = run_plan(plan, Store(tmp_path / str(workers)))
        summaries.append(read_json(folder / "summary.json"))
    for one, two in zip(summaries[0]["contrasts"], summaries[1]["contrasts"], strict=True):
        assert one["estimate"] == pytest.approx(two["estimate"], abs=1e-4)
    assert int(os.environ["OMP_NUM_THREADS"]) == max(1, (os.cpu_count() or 1) // 2)


def test_what_a_process_refuses_is_refused_here(tmp_path: Path) -> None:
    plan = make_plan(load_study(QUICKSTART, [*TINY, "lora={target_modules: [nowhere]}"]))
    with pytest.raises(UserError, match="target_modules"):
        list(run_units(list(plan.stages.values()), Store(tmp_path), 2))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_killed_parent(tmp_path: Path, number: signal.Signals) -> None:
    sets = [
        *TINY,
        f"run.dir={tmp_path}",
        "run.workers=2",
        "sft.max_steps=4000",
        "train.trainer=trl",
    ]
    command = [sys.executable, "-m", "tellme.cli", "run", QUICKSTART]
    command += [f"--set={assignment}" for assignment in sets]
    parent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    began, workers = time.time(), []
    while len(workers) < 2:
        assert parent.poll() is None
        assert time.time() - began < 60
        time.sleep(0.1)
        children = psutil.Process(parent.pid).children(recursive=True)
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    parent.send_signal(number)
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    for child in alive:
        child.kill()
    assert not alive
