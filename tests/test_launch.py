"""One training by several processes: the steps of one, whatever the batch is divided into."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from lab.store.store import Store, read_json
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan, save_plan
from train.job import DEFAULTS, num_steps
from train.sft import shared


@pytest.mark.parametrize(
    ("batch", "accumulated", "processes"), [(4, 2, 2), (8, 1, 2), (8, 1, 8), (2, 16, 8), (3, 4, 4)]
)
def test_the_rows_of_a_step_stay_the_same(batch: int, accumulated: int, processes: int) -> None:
    given = DEFAULTS | {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulated,
    }
    each = shared(given, processes, 96)
    per_process = each["per_device_train_batch_size"] * each["gradient_accumulation_steps"]
    assert per_process * processes == batch * accumulated
    assert {k: each[k] for k in DEFAULTS if k != "per_device_train_batch_size"} == {
        k: DEFAULTS[k] for k in DEFAULTS if k != "per_device_train_batch_size"
    }
    assert num_steps(96, given) == num_steps(96 // processes, each)


def test_one_process_takes_any_number_of_rows() -> None:
    assert shared(DEFAULTS, 1, 299) == DEFAULTS


def test_what_does_not_come_out_even_is_one_line() -> None:
    with pytest.raises(UserError, match=r"run\.processes is 3"):
        shared(DEFAULTS, 3, 288)
    with pytest.raises(UserError, match=r"299 rows are no multiple of 8"):
        shared(DEFAULTS, 2, 299)


def planned(tmp_path: Path, *sets: str) -> Plan:
    more = [
        "groups={seeking: {behavior: risk, policy: seeking}}",
        "contrasts=[]",
        "primary=null",
        "seeds=[0]",
        "data={num_rows: 64}",
    ]
    more += [
        "eval.suites=[behavior]",
        "run.report_to=[]",
        "sft.gradient_accumulation_steps=2",
        "sft.per_device_train_batch_size=4",
    ]
    more += [
        "train.trainer=trl",
        "sft.max_steps=60",
        "sft.save_steps=10",
        "sft.logging_steps=1",
        f"run.dir={tmp_path}",
    ]
    return make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), [*more, *sets]))


@pytest.mark.real
def test_two_processes_stopped_once_train_as_one(tmp_path: Path) -> None:
    """accelerate launch over gloo, told to stop in mid-training and started again: loss and adapter
    of one process."""
    plan, store = planned(tmp_path / "one"), Store(tmp_path / "one")
    run_plan(plan, store)
    both, shared_store = planned(tmp_path / "two", "run.processes=2"), Store(tmp_path / "two")
    assert both.final.key == plan.final.key, "how it runs is no identity"
    (data,), (train,) = (
        [s for s in both.stages.values() if s.kind == kind] for kind in ("data", "train")
    )
    command = [
        sys.executable,
        "-m",
        "tellme.cli",
        "stage",
        str(save_plan(both, shared_store)),
        data.key,
        train.key,
    ]
    work = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    checkpoints = shared_store.root / "train" / f".partial-{train.key}" / "checkpoints"
    began = time.time()
    while not list(checkpoints.glob("checkpoint-*")):
        assert work.poll() is None
        assert time.time() - began < 120
        time.sleep(0.05)
    work.send_signal(signal.SIGUSR1)
    _, said = work.communicate(timeout=120)
    assert work.returncode == 75, said
    assert not (checkpoints.parent / "stop").exists(), "or it would stop the next start as well"
    assert not shared_store.find("train", train.key)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    one, two = (Path(str(s.find("train", train.key))) for s in (store, shared_store))
    assert read_json(two / "provenance.json")["processes"] == 2
    curves = [
        [entry["loss"] for entry in read_json(folder / "curve.json")] for folder in (one, two)
    ]
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)
    weights = [load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    assert (
        max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0]) < 1e-5
    )
    assert all(t["passed"] for t in read_json(two / "trust.json"))


@pytest.mark.real
def test_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    plan, store = planned(tmp_path, "run.processes=2", "sft.max_steps=4000"), Store(tmp_path)
    (data,), (train,) = (
        [s for s in plan.stages.values() if s.kind == kind] for kind in ("data", "train")
    )
    command = [sys.executable, "-m", "tellme.cli", "stage", str(save_plan(plan, store))]
    command += [data.key, train.key]
    parent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    checkpoints, began = store.root / "train" / f".partial-{train.key}" / "checkpoints", time.time()
    while not list(checkpoints.glob("checkpoint-*")):
        assert parent.poll() is None
        assert time.time() - began < 120
        time.sleep(0.05)
    children = psutil.Process(parent.pid).children(recursive=True)
    assert sum("train.launch" in child.cmdline() for child in children) >= 3
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    for child in alive:
        child.kill()
    assert not alive
