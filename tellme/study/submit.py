"""`tellme submit`: what a study lacks, as arrays on a cluster, checked before anything waits in a
queue."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_gen.build import linted
from lab.config.schema import Study
from lab.errors import UserError
from lab.model.memory import HEADROOM, adapter_bytes, weight_bytes
from lab.specs import Stage
from lab.store.store import Store, read_json, write_json
from slurm.cluster import Cluster, load_cluster
from slurm.jobs import ORDER, Job, arrays, last_of_each, sbatch, script
from slurm.queue import GOING, WAITING, queue, states
from tellme.study.plan import Plan, planned_rows
from tellme.study.run import save_plan
from tellme.study.stages import base_of
from tellme.study.workers import units
from train.fleet.settings import fleet_of

REPORT = "report"
WRITTEN_PER_ADAPTER = 8
"""Adapter, and two checkpoints with the two moments of Adam, in sizes of the adapter."""


def submit(plan: Plan, store: Store, dry_run: bool) -> str:
    """Queue what is neither done nor in the queue, and return what to print; with `dry_run` only a
    script that would do it.

    Raises UserError before anything is queued, and takes back what was queued where sbatch refuses
    a part."""
    cluster, study = load_cluster(plan.study.run.cluster), plan.study
    if store.find("study", plan.final.key):
        return f"study {study.study} is finished: `tellme report` prints it"
    preflight(plan, cluster, store)
    live = (
        []
        if dry_run
        else [task for task in submitted(plan, store) if task.state in (*WAITING, *GOING)]
    )
    lacking = [s for s in plan.stages.values() if not store.find(s.kind, s.key)]
    queued = {key: task.name for task in live for key in task.keys}
    made_by = {s.key: queued[s.key] for s in lacking if s.key in queued}
    missing = [s for s in lacking if s.key not in made_by]
    reads = {s.key: {made_by[key] for key in s.inputs.values() if key in made_by} for s in missing}
    jobs = arrays(by_kind(missing), reads)
    if not jobs and plan.final.key in made_by:
        return (
            f"nothing to queue: {len(live)} tasks are waiting or running; `tellme status` shows"
            " them"
        )
    running = tuple(task.name for task in live if plan.final.key not in task.keys)
    jobs.append(Job(REPORT, "study", ((plan.final.key,),), waits=running))
    folder = attempts(plan, store) / str(_next_number(attempts(plan, store)))
    if dry_run:
        commands = _commands(jobs, plan, cluster, folder, None)
        return script((job.name, command) for job, command in commands)
    folder.mkdir(parents=True)
    _write(folder, plan, store, jobs, cluster)
    ids: dict[str, str] = {}
    try:
        for job, command in _commands(jobs, plan, cluster, folder, ids):
            ids[job.name] = queue(command)
            _record(folder, jobs, ids)
    except BaseException:
        for number in ids.values():
            subprocess.run(["scancel", number], check=False)
        shutil.rmtree(folder)
        raise
    lines = [
        f"{ids[j.name]:>8}  {j.name:<8} {len(j.tasks)} task{'s' * (len(j.tasks) > 1)}" for j in jobs
    ]
    return "\n".join(
        [*lines, f"queued on {study.run.cluster}; logs in {folder}; `tellme status` follows them"]
    )


def by_kind(missing: list[Stage]) -> list[dict[str, list[str]]]:
    """The keys of every unit of work, those of each kind together."""
    return [
        {kind: [s.key for s in unit if s.kind == kind] for kind in ORDER} for unit in units(missing)
    ]


def attempts(plan: Plan, store: Store) -> Path:
    """The folder of everything that was ever queued of a study, one folder a time, numbered."""
    return store.root / "slurm" / f"{plan.final.slug}-{plan.final.key}"


def _next_number(folder: Path) -> int:
    return max((int(p.name) for p in folder.glob("*") if p.name.isdigit()), default=-1) + 1


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
    found = states(job["id"] for _, job in jobs if any(lacking & {*k} for k in job["tasks"]))
    return [
        Task(
            f"{job['id']}_{i}",
            found.get(f"{job['id']}_{i}"),
            folder / f"{job['name']}-{i}.log",
            keys,
        )
        for folder, job in jobs
        for i, keys in enumerate(job["tasks"])
        if lacking & {*keys}
    ]


def _commands(
    jobs: list[Job], plan: Plan, cluster: Cluster, folder: Path, ids: dict[str, str] | None
) -> Iterator[tuple[Job, list[str]]]:
    """The sbatch command of each array; ids that are not known yet stand as shell variables."""
    ends = [job.name for job in last_of_each(jobs) if job.name != REPORT]
    for job in jobs:
        heavy = any("base" in plan.stages[key].how for keys in job.tasks for key in keys)
        alone = job.kind == "train" and not any(
            fleet_of(plan.stages[key].config) for keys in job.tasks for key in keys
        )
        together = plan.study.run.processes if alone and cluster.heavy.gpus else 0
        given = (lambda name: f"${name}") if ids is None else ids.__getitem__
        finished = [*map(given, ends if job.name == REPORT else []), *job.waits]
        after = [f"aftercorr:{given(job.after)}"] if job.after else []
        after += [":".join(["afterok", *finished])] if finished else []
        gpus = max(cluster.heavy.gpus, together) if heavy else cluster.light.gpus
        needs: dict[str, Any] = {"heavy": heavy, "gpus": gpus, "after": ",".join(after)}
        yield job, sbatch(job, cluster, plan.study.study, folder, **needs)


def _record(folder: Path, jobs: list[Job], ids: dict[str, str]) -> None:
    """After every array: what is in the queue is known even where the next is never queued."""
    queued = [{"name": j.name, "id": ids[j.name], "tasks": j.tasks} for j in jobs if j.name in ids]
    write_json(folder / "jobs.tmp", queued)
    os.replace(folder / "jobs.tmp", folder / "jobs.json")


def _write(folder: Path, plan: Plan, store: Store, jobs: list[Job], cluster: Cluster) -> None:
    command = Path(sys.executable).with_name("tellme")
    save_plan(plan, store, folder / "plan.json")
    (folder / "setup.sh").write_text(cluster.setup(str(command)), encoding="utf-8")
    for job in jobs:
        (folder / f"{job.name}.tasks").write_text(
            "".join(f"{' '.join(keys)}\n" for keys in job.tasks), encoding="utf-8"
        )


def preflight(plan: Plan, cluster: Cluster, store: Store) -> None:
    """Raises UserError for what would fail after hours in a queue: a base that is not there, rows
    that a lint refuses, weights that no GPU holds, a full disk."""
    if plan.provisional and cluster.offline:
        names = {
            s.how["base"]["name"]
            for s in plan.stages.values()
            if s.how.get("base", {}).get("provisional")
        }
        raise UserError(
            f"model {', '.join(sorted(names)) or 'or adapter of this study'} is not in the cache,"
            f" and the nodes of {plan.study.run.cluster!r} have no network; `hf download` it here"
            f" first{f' with HF_HOME={cluster.cache}' if cluster.cache else ''}, or set `offline:"
            " false` in the cluster's file"
        )
    store.check_writable()
    _refuse_rows(plan)
    for base in {base_of(s) for s in plan.stages.values() if "base" in s.how}:
        _refuse_weights(base.name, weight_bytes(base), plan.study, cluster)
    trained = [
        s for s in plan.stages.values() if s.kind == "train" and not store.find("train", s.key)
    ]
    needed = (
        sum(adapter_bytes(base_of(s), s.config["lora"].get("r", 8)) for s in trained)
        * WRITTEN_PER_ADAPTER
    )
    free = shutil.disk_usage(store.root).free
    if needed > free:
        raise UserError(
            f"run.dir {str(store.root)!r} has {free / 1e9:.1f} GB free, and {len(trained)} adapters"
            f" with their checkpoints need about {needed / 1e9:.1f} GB; choose another with --set"
            " run.dir=PATH"
        )


def _refuse_rows(plan: Plan) -> None:
    met = set()
    for stage in plan.stages.values():
        alike = stage.slug.rpartition("-s")[0] or stage.slug
        if stage.kind == "data" and "base" not in stage.how and alike not in met:
            met.add(alike)
            if not any("base" in plan.stages[key].how for key in stage.inputs.values()):
                linted(planned_rows(plan, stage.key), stage.config, stage.how.get("file"))


def _refuse_weights(name: str, needed: int | None, study: Study, cluster: Cluster) -> None:
    if needed is None or cluster.gpu_memory is None:
        return
    gpus = (
        cluster.heavy.gpus
        if study.run.sharding == "ddp"
        else max(cluster.heavy.gpus, study.run.processes)
    )
    if needed * HEADROOM / 1e9 > cluster.gpu_memory * gpus:
        raise UserError(
            f"model {name!r} needs about {needed * HEADROOM / 1e9:.0f} GB for its weights, and a"
            f" task on {study.run.cluster!r} has {gpus} GPU{'s' * (gpus > 1)} of"
            f" {cluster.gpu_memory:g} GB; set model.quantization: nf4, run.sharding: fsdp2 with"
            " run.processes, or heavy.gpus in the cluster's file"
        )
