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

from jobs import job_of, risk_rows, spec_of
from lab.config.library import Sft
from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from lab.model.base import Base
from lab.store.store import Store, read_json
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan, save_plan
from train.job import num_steps
from train.launch import Order
from train.sft import shared


@pytest.mark.parametrize(
    ("batch", "accumulated", "processes"), [(4, 2, 2), (8, 1, 2), (8, 1, 8), (2, 16, 8), (3, 4, 4)]
)
def test_the_rows_of_a_step_stay_the_same(batch: int, accumulated: int, processes: int) -> None:
    of_one = Sft(per_device_train_batch_size=batch, gradient_accumulation_steps=accumulated)
    of_each = shared(of_one, processes, 96)
    rows_of_each = of_each.per_device_train_batch_size * of_each.gradient_accumulation_steps
    assert rows_of_each * processes == batch * accumulated
    divided = {"per_device_train_batch_size", "gradient_accumulation_steps"}
    assert of_each.model_dump(exclude=divided) == of_one.model_dump(exclude=divided)
    assert num_steps(96, of_one) == num_steps(96 // processes, of_each)


def test_one_process_takes_any_number_of_rows() -> None:
    assert shared(Sft(), 1, 299) == Sft()


def test_what_does_not_come_out_even_is_one_line() -> None:
    with pytest.raises(UserError, match=r"run\.processes is 3"):
        shared(Sft(), 3, 288)
    with pytest.raises(UserError, match=r"299 rows are no multiple of 8"):
        shared(Sft(), 2, 299)


def test_what_processes_are_told_comes_through(linked: Base, tmp_path: Path) -> None:
    spec = spec_of(linked, lora={"target_modules": ["q_proj"]}, sft={"optim": "sgd"}, steps=(3, 4))
    job = job_of(spec, risk_rows("seeking", 4, linked), tmp_path)
    told = Order(job=job, base=linked)
    heard = Order.model_validate_json(told.model_dump_json())
    assert heard == told
    assert heard.job.settings == job.settings
    assert heard.job.kept == job.kept
    assert isinstance(heard.job.rows, Path)


ONE_ADAPTER = (
    "groups={seeking: {behavior: risk, policy: seeking}}",
    "contrasts=[]",
    "primary=null",
    "seeds=[0]",
    "data={num_rows: 64}",
    "eval.suites=[behavior]",
    "run.report_to=[]",
    "train.trainer=trl",
    "sft.gradient_accumulation_steps=2",
    "sft.per_device_train_batch_size=4",
    "sft.max_steps=60",
    "sft.save_steps=10",
    "sft.logging_steps=1",
)


def planned(tmp_path: Path, *sets: str) -> Plan:
    sets = (*ONE_ADAPTER, f"run.dir={tmp_path}", *sets)
    return make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), list(sets)))


def data_and_train(plan: Plan, store: Store) -> tuple[str, list[str]]:
    """Key of the training, and the command that runs it and the stage before."""
    (data,) = (stage.key for stage in plan.stages.values() if stage.kind == "data")
    (train,) = (stage.key for stage in plan.stages.values() if stage.kind == "train")
    plan_file = str(save_plan(plan, store))
    return train, [sys.executable, "-m", "tellme.cli", "stage", plan_file, data, train]


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[str]) -> None:
    began = time.time()
    while not list(folder.glob("checkpoints/checkpoint-*")):
        assert process.poll() is None
        assert time.time() - began < 120
        time.sleep(0.05)


def folder_of(store: Store, key: str) -> Path:
    folder = store.find("train", key)
    assert folder is not None
    return folder


@pytest.mark.real
def test_two_processes_stopped_once_train_as_one(tmp_path: Path) -> None:
    """accelerate launch over gloo, told to stop in mid-training and started again: loss and adapter
    of one process."""
    plan, store = planned(tmp_path / "one"), Store(tmp_path / "one")
    run_plan(plan, store)
    shared_plan = planned(tmp_path / "two", "run.processes=2")
    assert shared_plan.final.key == plan.final.key, "how it runs is no identity"

    shared_store = Store(tmp_path / "two")
    key, command = data_and_train(shared_plan, shared_store)
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    partial = shared_store.root / "train" / f".partial-{key}"
    wait_for_checkpoint(partial, process)
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 75, said
    assert not (partial / "stop").exists(), "or it would stop the next start as well"
    assert not shared_store.find("train", key)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    one, two = folder_of(store, key), folder_of(shared_store, key)
    assert read_json(two / "provenance.json")["processes"] == 2
    losses = [[e["loss"] for e in read_json(folder / "curve.json")] for folder in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    a, b = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (one, two))
    assert a.keys() == b.keys()
    assert max(float((a[name] - b[name]).abs().max()) for name in a) < 1e-5
    assert all(check["passed"] for check in read_json(two / "trust.json"))


@pytest.mark.real
def test_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    plan, store = planned(tmp_path, "run.processes=2", "sft.max_steps=4000"), Store(tmp_path)
    key, command = data_and_train(plan, store)
    parent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, text=True)
    wait_for_checkpoint(store.root / "train" / f".partial-{key}", parent)
    children = psutil.Process(parent.pid).children(recursive=True)
    assert sum("train.launch" in child.cmdline() for child in children) >= 3
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    for child in alive:
        child.kill()
    assert not alive
