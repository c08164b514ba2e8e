"""From what is missing to arrays of tasks: who waits for whom."""

from __future__ import annotations

from pathlib import Path

from fake_slurm import planned
from slurm.jobs import Job, arrays, last_of_each
from slurm.queue import _tasks
from tellme.study.submit import by_kind


def test_a_fleet_is_one_task(tmp_path: Path) -> None:
    plan, _ = planned(tmp_path, "train.trainer=fleet")
    jobs = arrays(by_kind(list(plan.stages.values())))
    assert [(job.kind, [len(keys) for keys in job.tasks], job.after) for job in jobs] == [
        ("answers", [11], None),
        ("data", [9], None),
        ("train", [9], "data0"),
        ("answers", [90], "train0"),
    ]


def test_a_task_waits_for_its_own_member_only() -> None:
    full = [
        {"data": [f"d{i}"], "train": [f"t{i}"], "answers": [f"e{i}", f"f{i}"]} for i in range(3)
    ]
    units = [*full, {"answers": ["base"]}, {"train": ["t9"], "answers": ["e9"]}]
    jobs = {job.name: job for job in arrays(units)}
    assert jobs["train0"].after == "data0"
    assert jobs["answers0"].after == "train0"
    assert jobs["answers0"].tasks == (("e0", "f0"), ("e1", "f1"), ("e2", "f2"))
    assert (jobs["answers1"].after, jobs["answers1"].tasks) == (None, (("base",),))
    assert (jobs["train1"].after, jobs["answers2"].after) == (None, "train1")
    assert {job.name for job in last_of_each(list(jobs.values()))} == {
        "answers0",
        "answers1",
        "answers2",
    }
    many = arrays([{"train": [str(i)]} for i in range(2500)])
    assert [len(job.tasks) for job in many] == [1000, 1000, 500]


def test_every_missing_stage_is_in_one_task_after_what_it_reads(tmp_path: Path) -> None:
    sets = [
        "groups.averse={prompted: averse, behavior: risk}",
        "groups.shown={behavior: risk, policy: averse, in_context: 4}",
    ]
    plan, _ = planned(tmp_path, *sets)
    jobs = arrays(by_kind(list(plan.stages.values())))
    listed = [key for job in jobs for keys in job.tasks for key in keys]
    assert set(listed) == {s.key for s in plan.stages.values() if s.kind != "study"}
    for job in jobs:
        for i, keys in enumerate(job.tasks):
            there = made_before(job, i, jobs)
            for key in keys:
                assert set(plan.stages[key].inputs.values()) <= there, (job.name, i, key)
                there.add(key)
    of_answers = [keys for job in jobs if job.kind == "answers" for keys in job.tasks]
    adapted = {s.key for s in plan.stages.values() if "adapter" in s.inputs}
    bases = [keys for keys in of_answers if not adapted & set(keys)]
    assert len(bases) < sum(map(len, bases)), "one load of the base for all that is asked of it"


def made_before(job: Job, index: int, jobs: list[Job]) -> set[str]:
    """The keys of the tasks of the same index in all arrays before one."""
    by_name = {job.name: job for job in jobs}
    keys: set[str] = set()
    while job.after:
        job = by_name[job.after]
        keys |= set(job.tasks[index])
    return keys


def test_names_of_tasks() -> None:
    assert list(_tasks("7_[0-2,5%4]")) == ["7_0", "7_1", "7_2", "7_5"]
    assert list(_tasks("7_3")) == ["7_3"]
    assert list(_tasks("7")) == []
