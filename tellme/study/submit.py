"""`tellme submit`: what a study lacks, as arrays on a cluster."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.specs import Stage
from lab.store.store import Store, write_json
from slurm.cluster import Cluster, load_cluster
from slurm.jobs import ORDER, Job, arrays, last_of_each, sbatch, script
from slurm.queue import queue
from tellme.study.plan import Plan
from tellme.study.preflight import preflight
from tellme.study.registration import register_plan
from tellme.study.run import save_plan
from tellme.study.stages import fleet_name
from tellme.study.status import Task, live_tasks
from tellme.study.workers import units

REPORT = "report"
"""Name of the array, of one task, that ends a study."""


def submit(plan: Plan, store: Store, dry_run: bool) -> str:
    """Queue what is neither done nor in the queue, and return what to print; with `dry_run` only a
    script that would do it.

    Raises UserError before anything is queued, and takes back what was queued where sbatch refuses
    a part."""
    cluster, study = load_cluster(plan.study.run.cluster), plan.study
    if store.find("study", plan.final.key):
        return f"study {study.study} is finished: `tellme report` prints it"
    preflight(plan, cluster, store)
    live = [] if dry_run else live_tasks(plan, store)
    jobs = _missing_jobs(plan, store, live)
    if not jobs and any(plan.final.key in task.keys for task in live):
        return (
            f"nothing to queue: {len(live)} tasks are waiting or running; `tellme status` shows"
            " them"
        )
    # An earlier report of this study is not waited for: this one takes its place.
    awaited = tuple(task.name for task in live if plan.final.key not in task.keys)
    jobs.append(Job(REPORT, "study", ((plan.final.key,),), waits=awaited))
    folder = attempts(plan, store) / str(_next_number(attempts(plan, store)))
    if dry_run:
        variables = {job.name: f"${job.name}" for job in jobs}
        return script(_commands(jobs, plan, cluster, folder, variables))
    if study.primary:
        register_plan(plan, store)
    folder.mkdir(parents=True)
    _write(folder, plan, store, jobs, cluster)
    ids = _queue(jobs, plan, cluster, folder)
    lines = []
    for job in jobs:
        plural = "s" if len(job.tasks) > 1 else ""
        lines.append(f"{ids[job.name]:>8}  {job.name:<8} {len(job.tasks)} task{plural}")
    lines.append(f"queued on {study.run.cluster}; logs in {folder}; `tellme status` follows them")
    return "\n".join(lines)


def _missing_jobs(plan: Plan, store: Store, live: list[Task]) -> list[Job]:
    """Arrays for what is neither done nor made by a live task; a task that reads what a live one
    makes waits for that one."""
    lacking = [s for s in plan.stages.values() if not store.find(s.kind, s.key)]
    maker = {key: task.name for task in live for key in task.keys}
    making = {stage.key for stage in lacking} & set(maker)
    missing = [stage for stage in lacking if stage.key not in making]
    reads = {s.key: {maker[key] for key in s.inputs.values() if key in making} for s in missing}
    return arrays(by_kind(missing), reads)


def by_kind(missing: list[Stage]) -> list[dict[str, list[str]]]:
    """The keys of every unit of work, those of each kind together."""
    return [
        {kind: [s.key for s in unit if _array(s) == kind] for kind in ORDER}
        for unit in units(missing)
    ]


def _array(stage: Stage) -> str:
    """The array in which a stage is queued: to grade answers, or to check a base that is loaded to
    be asked, takes less time than to wait for a task of its own."""
    return "answers" if stage.kind in ("check", "grades") else stage.kind


def attempts(plan: Plan, store: Store) -> Path:
    """The folder of everything that was ever queued of a study, one folder a time, numbered."""
    return store.root / "slurm" / f"{plan.final.slug}-{plan.final.key}"


def _next_number(folder: Path) -> int:
    return max((int(p.name) for p in folder.glob("*") if p.name.isdigit()), default=-1) + 1


def _commands(
    jobs: list[Job], plan: Plan, cluster: Cluster, folder: Path, ids: Mapping[str, str]
) -> Iterator[tuple[str, list[str]]]:
    """The sbatch command of each array, by its name. `ids` are those of the arrays before it, as
    SLURM gave them or as variables of a shell."""
    for job in jobs:
        stages = [plan.stages[key] for keys in job.tasks for key in keys]
        heavy = any(stage.bases for stage in stages)
        gpus = cluster.heavy.gpus if heavy else cluster.light.gpus
        by_trl = job.kind == "train" and not any(map(fleet_name, stages))
        if by_trl and gpus:
            # A GPU for each of the processes that train one adapter together.
            gpus = max(gpus, plan.study.run.processes)
        after = _dependency(job, jobs, ids)
        study = plan.study.study
        yield job.name, sbatch(job, cluster, study, folder, heavy=heavy, gpus=gpus, after=after)


def _dependency(job: Job, jobs: list[Job], ids: Mapping[str, str]) -> str:
    """What an array waits for, as --dependency says it: each task for that of the same number in
    the array before (aftercorr), and all for whole arrays and for tasks that live (afterok)."""
    finished = list(job.waits)
    if job.name == REPORT:
        ends = [ids[other.name] for other in last_of_each(jobs) if other.name != REPORT]
        finished = [*ends, *finished]
    parts = []
    if job.after:
        parts.append(f"aftercorr:{ids[job.after]}")
    if finished:
        parts.append(":".join(["afterok", *finished]))
    return ",".join(parts)


def _queue(jobs: list[Job], plan: Plan, cluster: Cluster, folder: Path) -> dict[str, str]:
    """The id of every array by its name. Where one is refused, or this process is stopped, those
    before it leave the queue: half a study would run and never be reported."""
    ids: dict[str, str] = {}
    try:
        # Each command is made when the ids before it are known.
        for name, command in _commands(jobs, plan, cluster, folder, ids):
            ids[name] = queue(command)
            _record(folder, jobs, ids)
    except BaseException:
        for number in ids.values():
            subprocess.run(["scancel", number], check=False)
        shutil.rmtree(folder)
        raise
    return ids


def _record(folder: Path, jobs: list[Job], ids: dict[str, str]) -> None:
    """After every array: what is in the queue is known even where the next is never queued."""
    queued = [{"name": j.name, "id": ids[j.name], "tasks": j.tasks} for j in jobs if j.name in ids]
    write_json(folder / "jobs.tmp", queued)
    os.replace(folder / "jobs.tmp", folder / "jobs.json")


def _write(folder: Path, plan: Plan, store: Store, jobs: list[Job], cluster: Cluster) -> None:
    """What slurm/stage.sbatch reads: the plan, the lines that stand before every task, and the
    keys of the stages of each task, a line a task."""
    command = Path(sys.executable).with_name("tellme")
    save_plan(plan, store, folder / "plan.json")
    (folder / "setup.sh").write_text(cluster.setup(str(command)), encoding="utf-8")
    for job in jobs:
        lines = [f"{' '.join(keys)}\n" for keys in job.tasks]
        (folder / f"{job.name}.tasks").write_text("".join(lines), encoding="utf-8")
