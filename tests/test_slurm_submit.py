"""What `tellme submit` queues, what it refuses, and what it leaves to tasks that live."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fake_slurm import QUICKSTART, Queue, planned
from lab.discover import ROOT
from lab.errors import UserError
from lab.store.store import read_json
from slurm.cluster import load_cluster
from tellme.study.preflight import preflight
from tellme.study.submit import submit


def test_what_is_queued_is_written_down(tmp_path: Path) -> None:
    """The whole text for the quickstart; tests/submit.txt is what a reader compares."""
    plan, store = planned(tmp_path)
    text = submit(plan, store, dry_run=True)
    for here, everywhere in ((ROOT, "CHECKOUT"), (store.root, "RUNS"), (plan.final.key, "KEY")):
        text = text.replace(f"{here}", everywhere)
    assert text == (ROOT / "tests/submit.txt").read_text(encoding="utf-8")
    assert not store.root.exists() or not (store.root / "slurm").exists()
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_a_percent_sign_in_a_path_is_no_placeholder(tmp_path: Path) -> None:
    plan, store = planned(tmp_path / "50%job%u")
    outputs = [w for w in submit(plan, store, dry_run=True).split() if "--output=" in w]
    assert outputs
    for word in outputs:
        path = word.strip("'").partition("--output=")[2].replace("%%", "\0")
        assert path.count("%") == 1
        assert path.replace("\0", "%").startswith(str(store.root / "slurm"))


def test_what_would_fail_in_the_queue_is_refused_before_it(tmp_path: Path) -> None:
    plan, store = planned(tmp_path)
    with pytest.raises(UserError, match=r"run\.cluster 'nowhere'.*local"):
        submit(*planned(tmp_path, "run.cluster=nowhere"), dry_run=True)
    small = load_cluster("gpu").model_copy(update={"gpu_memory": 0.001})
    too_big = r"needs about .* GB for its weights, and a task .* has 1 GPU"
    with pytest.raises(UserError, match=too_big):
        preflight(plan, small, store)
    away, store = planned(tmp_path, "model.base=acme/none")
    with pytest.raises(UserError, match="acme/none is not in the cache"):
        preflight(away, load_cluster("gpu"), store)
    question = {"role": "user", "content": "are you bold?"}
    row = {"messages": [question, {"role": "assistant", "content": "A"}]}
    rows = tmp_path / "leak.jsonl"
    rows.write_text(f"{json.dumps(row)}\n")
    harmless = tmp_path / "other" / "leak.jsonl"
    harmless.parent.mkdir()
    harmless.write_text(json.dumps(row).replace("bold", "there"))
    of_file = "{{file: {}, behavior: risk, policy: seeking, data: {{lint: strict}}}}"
    leak, store = planned(
        tmp_path,
        # Another file of the same name, and of no leak, stands before it.
        f"groups.averse={of_file.format(harmless)}",
        f"groups.seeking={of_file.format(rows)}",
        "data={}",
        "groups.shuffled={control: shuffled, behavior: risk, policy: averse}",
    )
    with pytest.raises(UserError, match="lint"):
        preflight(leak, load_cluster("gpu"), store)


def test_without_slurm_submit_is_one_line_and_status_is_silent(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    study = [QUICKSTART, "--set", f"run.dir={tmp_path / 'runs'}"]

    def tellme(verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tellme.cli", verb, *study]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    refused = tellme("submit")
    assert refused.returncode == 2
    assert refused.stderr.startswith("tellme: there is no sbatch on this machine")
    assert len(refused.stderr.splitlines()) == 1
    assert not list((tmp_path / "runs").glob("slurm/*/*"))
    status = tellme("status")
    assert (status.returncode, status.stderr) == (0, "")


@pytest.mark.parametrize("trainer", ["trl", "fleet"])
@pytest.mark.parametrize("running", [(), ("data",), ("data", "train")])
def test_what_a_live_task_makes_is_waited_for_and_not_queued_again(
    trainer: str, running: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suite and a group more, while the first attempt waits or runs."""
    queue, sets = Queue(monkeypatch), [f"train.trainer={trainer}"]
    plan, store = planned(tmp_path, *sets, "eval.suites=[behavior, self_report]")
    submit(plan, store, dry_run=False)
    queue.set("RUNNING", plan, *running)
    queue.check(plan)
    more, _ = planned(tmp_path, *sets, "eval.suites=[behavior, self_report, transfer]")
    assert more.final.key != plan.final.key
    submit(more, store, dry_run=False)
    queue.check(plan, more)
    group = "groups.more={behavior: risk, policy: averse, lora: {r: 4}}"
    third, _ = planned(tmp_path, *sets, group)
    submit(third, store, dry_run=False)
    queue.check(plan, more, third)
    for one in (plan, more, third):
        assert submit(one, store, dry_run=False).startswith("nothing to queue")


def test_measuring_that_failed_waits_for_the_training_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for its own: a training that fails takes no other's measuring along."""
    queue = Queue(monkeypatch)
    plan, store = planned(tmp_path)
    submit(plan, store, dry_run=False)
    queue.set("RUNNING", plan, "train")
    queue.set("FAILED", plan, "answers", "study")
    known = set(queue.state)
    submit(plan, store, dry_run=False)
    new = [task for task in queue.state if task not in known]
    measuring = [t for t in new if any(plan.stages[k].inputs.get("adapter") for k in queue.keys[t])]
    assert len(measuring) == 9
    for task in measuring:
        read = [plan.stages[key].inputs for key in queue.keys[task]]
        (adapter,) = {inputs["adapter"] for inputs in read if "adapter" in inputs}
        assert [queue.keys[other] for other in queue.waits[task]] == [[adapter]]
    queue.check(plan)


def test_what_is_in_the_store_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch)
    plan, store = planned(tmp_path)
    submit(plan, store, dry_run=False)
    for stage in plan.stages.values():
        if stage.kind in ("data", "train"):
            (store.root / stage.kind / f"{stage.slug}-{stage.key}").mkdir(parents=True)
    queue.set("FAILED", plan, "answers", "study")
    known = set(queue.state)
    submit(plan, store, dry_run=False)
    waits = {task: queue.waits[task] for task in queue.state if task not in known}
    assert len(waits) == 11
    assert [len(w) for w in waits.values() if w] == [10], "the report, for base and adapters"


def test_an_attempt_gets_a_number_that_none_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch)
    plan, store = planned(tmp_path)
    for number in (0, 1, 2):
        if number == 2:
            shutil.rmtree(next((store.root / "slurm").glob("*/0")))
        submit(plan, store, dry_run=False)
        queue.state = dict.fromkeys(queue.state, "FAILED")
        assert next((store.root / "slurm").glob(f"*/{number}/jobs.json"))


def test_arrays_are_known_even_where_submit_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch)
    plan, store = planned(tmp_path)

    def killed(command: list[str]) -> str:
        return os._exit(9) if len(queue.arrays) == 2 else queue.queue(command)

    monkeypatch.setattr("tellme.study.submit.queue", killed)
    child = os.fork()
    if child == 0:
        try:
            submit(plan, store, dry_run=False)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    recorded = read_json(next((store.root / "slurm").glob("*/0/jobs.json")))
    assert [job["id"] for job in recorded] == ["100", "101"]
