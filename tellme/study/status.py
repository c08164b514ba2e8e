"""How far a study is: what is done, what was queued of the rest, and what SLURM says of that."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.specs import Stage
from lab.store.store import Store, read_json
from slurm.queue import GOING, WAITING, states
from tellme.study.plan import Plan

LOG_LINES = 3
"""Of the log of a failed task: the exception, and what it was about."""
UNREMARKABLE = ("pending", "running", "completed")
"""States of a task of which the log is not shown."""


@dataclass(frozen=True)
class Task:
    """A task that was queued: its name in SLURM, what SLURM says of it (None where it knows it no
    more), its log, the keys of its stages."""

    name: str
    state: str | None
    log: Path
    keys: list[str]


def submitted(plan: Plan, store: Store) -> list[Task]:
    """Every task that was queued of what this study lacks, newest last, whichever study it was
    queued for: one with another suite has the same adapters."""
    lacking = {s.key for s in plan.stages.values() if not store.find(s.kind, s.key)}
    files = sorted((store.root / "slurm").glob("*/*/jobs.json"), key=lambda f: f.stat().st_mtime_ns)
    jobs = [(file.parent, job) for file in files for job in read_json(file)]
    # SLURM is asked of these alone: a store keeps the arrays of every study that it ever had.
    ids = [job["id"] for _, job in jobs if any(lacking & set(keys) for keys in job["tasks"])]
    state_of = states(ids)
    tasks = []
    for folder, job in jobs:
        for i, keys in enumerate(job["tasks"]):
            if lacking & set(keys):
                name = f"{job['id']}_{i}"
                log = folder / f"{job['name']}-{i}.log"
                tasks.append(Task(name, state_of.get(name), log, keys))
    return tasks


def live_tasks(plan: Plan, store: Store) -> list[Task]:
    """Those of `submitted` that wait or run."""
    return [task for task in submitted(plan, store) if task.state in (*WAITING, *GOING)]


def status_lines(plan: Plan, store: Store) -> Iterator[str]:
    """A line per stage, and the end of the log of every task that failed."""
    tasks = {key: task for task in submitted(plan, store) for key in task.keys}
    for stage in plan.stages.values():
        line = f"{stage.kind:<7} {stage.key}  {plan.names_of(stage)}"
        task = tasks.get(stage.key)
        if store.find(stage.kind, stage.key):
            yield f"{'done':<10} {line}"
        elif task is None:
            yield f"{_begun(stage, store):<10} {line}"
        else:
            state = (task.state or _begun(stage, store)).lower()
            yield f"{state:<10} {line}  task {task.name}"
            if state not in UNREMARKABLE:
                yield from _end_of(task.log)


def _begun(stage: Stage, store: Store) -> str:
    """The state of a stage of which no queue knows."""
    return "begun" if (store.root / stage.kind / f".partial-{stage.key}").exists() else "missing"


def _end_of(log: Path) -> Iterator[str]:
    if log.is_file():
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        for line in [*lines[-LOG_LINES:], f"({log})"]:
            yield f"           | {line}"
