"""A study through a real SLURM on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import same_numbers
from fake_slurm import QUICKSTART
from lab.config.read import load_study
from lab.discover import ROOT
from lab.specs import Stage
from lab.store.store import Store, read_json
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.submit import submit


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run(["bash", str(ROOT / "tests/slurm_lab.sh"), "up", str(folder)], check=True)
    yield folder
    subprocess.run(["bash", str(ROOT / "tests/slurm_lab.sh"), "down", str(folder)], check=True)


def until(what: str, holds: Callable[[], object], seconds: float = 240) -> None:
    began = time.time()
    while not holds():
        if time.time() - began > seconds:
            pytest.fail(f"waited {seconds} s for: {what}\n{asked('squeue', '-r')}")
        time.sleep(0.3)


def asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def drained(partition: str = "lab") -> bool:
    """Nothing is left in the queue. A requeued task waits two minutes by SLURM's rules; here it may
    start at once."""
    left = asked("squeue", "-h", "-r", "-p", partition, "-o", "%i %T %r").splitlines()
    for line in left:
        if "BeginTime" in line:
            asked("scontrol", "update", f"JobId={line.split()[0]}", "StartTime=now")
    return not left


GROUPS = "{seeking: {behavior: risk, policy: seeking}, averse: {behavior: risk, policy: averse}}"
SETS = [
    f"groups={GROUPS}",
    "contrasts=[[seeking, averse]]",
    "seeds=[0, 1]",
    "data.num_rows=64",
    "data.num_decoys=0",
    "lora.lora_dropout=0.05",
    "sft.max_steps=400",
    "sft.save_steps=40",
    "eval.suites=[behavior, self_report]",
    "run.report_to=[wandb]",
]
SECRET = "hf_PlantedSecretOfTheTest0000"


@dataclass
class Queued:
    """A study in the queue: one adapter to be preempted, and one that must fail."""

    cluster: Path
    plan: Plan
    store: Store
    victim: Stage
    broken: Stage
    blocked: Path
    """A file where the broken adapter needs a folder."""


@pytest.fixture
def queued(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queued:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    study = load_study(QUICKSTART, [*SETS, f"run.dir={tmp_path / 'runs'}"])
    plan, store = make_plan(study), Store(study.run.dir)
    train = {s.how.group: s for s in plan.stages.values() if s.kind == "train"}
    blocked = store.root / "train" / f".partial-{train['averse-s1'].key}"
    blocked.parent.mkdir(parents=True)
    blocked.touch()
    told = submit(plan, store, dry_run=False)
    assert "train0   4 tasks" in told
    assert submit(plan, store, dry_run=False).startswith("nothing to queue")
    return Queued(cluster, plan, store, train["seeking-s0"], train["averse-s1"], blocked)


@pytest.mark.real
def test_a_study_through_slurm(queued: Queued, tmp_path: Path) -> None:
    """Queued, one adapter preempted in mid-training and requeued, one failed, slurmd killed; then
    queued again: the same numbers."""
    preempt(queued)
    kill_slurmd(queued.cluster)
    until("the first attempt to end", drained)
    the_first_attempt_did_what_it_could(queued)

    queued.blocked.unlink()
    again = submit(queued.plan, queued.store, dry_run=False)
    arrays = [line.split()[1:3] for line in again.splitlines()[:-1]]
    assert arrays == [["train0", "1"], ["answers0", "1"], ["report", "1"]]
    until("the second attempt to end", drained)
    folder = queued.store.find("study", queued.plan.final.key)
    assert folder, asked("bash", "-c", f"tail -n 20 {queued.store.root}/slurm/*/1/*.log")

    here = make_plan(load_study(QUICKSTART, [*SETS, "run.report_to=[]"]))
    alone = read_json(run_plan(here, Store(tmp_path / "alone")) / "summary.json")
    summary = read_json(folder / "summary.json")
    assert same_numbers(summary, alone)
    assert not same_numbers(summary, summary | {"key": "another"})
    victim = queued.store.find("train", queued.victim.key)
    assert victim is not None
    assert read_json(victim / "provenance.json")["slurm"]["SLURM_RESTART_COUNT"] == "1"
    wandb_has_the_study(queued)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def log_of(queued: Queued) -> Path:
    """The log of the adapter that is preempted."""
    return next((queued.store.root / "slurm").glob("*/0/train0-0.log"))


def preempt(queued: Queued) -> None:
    """Send an urgent job once there is a checkpoint, and wait for the victim to come back."""
    scratch = queued.store.root / "train" / f".partial-{queued.victim.key}"
    checkpoints = scratch / "checkpoints"
    until("a checkpoint of seeking-s0", lambda: list(checkpoints.glob("checkpoint-*")))
    urgent = ["sbatch", "-p", "urgent", "-c", "2", "-o", "/dev/null", "--wrap", "sleep 1"]
    subprocess.run(urgent, check=True, capture_output=True)
    until("the urgent job", lambda: drained("urgent"))
    log = log_of(queued)
    until("its second start", lambda: drained() or "start 2" in log.read_text())


def kill_slurmd(cluster: Path) -> None:
    """As a node that fails, and is there again after two seconds."""
    os.kill(int((cluster / "slurmd.pid").read_text()), signal.SIGKILL)
    time.sleep(2)
    subprocess.run(["bash", str(ROOT / "tests/slurm_lab.sh"), "up", str(cluster)], check=True)


def the_first_attempt_did_what_it_could(queued: Queued) -> None:
    """The preempted adapter is there, the broken one is not, and `tellme status` says why."""
    plan, store, broken = queued.plan, queued.store, queued.broken
    said = log_of(queued).read_text()
    assert "was told to stop after step" in said
    step = int(said.partition("was told to stop after step ")[2].split()[0])
    assert 0 < step < 400
    assert store.find("train", queued.victim.key)
    assert not store.find("train", broken.key)
    assert not store.find("study", plan.final.key), "the report waits for every member"
    sets = [f"--set={assignment}" for assignment in [*SETS, f"run.dir={store.root}"]]
    command = [sys.executable, "-m", "tellme.cli", "status", QUICKSTART, *sets]
    status = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = status.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if broken.key in line)
    assert lines[at].startswith("failed")
    assert "FileExistsError" in "\n".join(lines[at + 1 : at + 4])
    # All but the adapter, the answers and grades of both its suites, and the report.
    assert sum(line.startswith("done") for line in lines) == len(plan.stages) - 6


def wandb_has_the_study(queued: Queued) -> None:
    """A run of every adapter and one of the study, mirrored by the task that wrote the report."""
    folders = (queued.store.root / "wandb").glob("offline-run-*")
    runs = sorted(folder.name.partition("quickstart-")[2] for folder in folders)
    trained = [stage.key for stage in queued.plan.stages.values() if stage.kind == "train"]
    assert runs == sorted([*trained, queued.plan.final.key])
