"""Stages that do not wait for one another, in several processes on one machine."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from lab.model.base import Base
from lab.model.foreign import Adapter
from lab.preempt import end_with
from lab.specs import AnswerSpec, CheckSpec, GradeSpec, Stage
from lab.store.store import Store, digest
from tellme.study.stages import before, fleet_name, judge_of_stage, run_in_order


def units(stages: list[Stage]) -> list[list[Stage]]:
    """Stages that need one another, in order: an adapter's data, training and measuring, or those
    of a fleet of adapters. What is asked of one base without an adapter is one unit: it is loaded
    once.

    A data stage that several adapters read is in the unit of each; the store lets one write it and
    the others find it."""
    by_key = {stage.key: stage for stage in stages}
    members: dict[str, dict[str, Stage]] = {}
    for stage in stages:
        if stage.kind in ("train", "check", "answers", "grades"):
            unit = members.setdefault(_unit_of(stage, by_key), {})
            for needed in (*before(stage, by_key), stage):
                unit.setdefault(needed.key, needed)
    return [list(unit.values()) for unit in members.values()]


def _unit_of(stage: Stage, by_key: dict[str, Stage]) -> str:
    """What stages of one unit have in common: the fleet or the adapter that is trained, one that
    is there already, the rows that a base is shown, or the base alone. Grades go with their
    answers; where these are there already, each is a unit."""
    spec = stage.spec
    if isinstance(spec, GradeSpec):
        answers = by_key.get(stage.inputs["answers"])
        return _unit_of(answers, by_key) if answers else stage.key
    if isinstance(spec, CheckSpec):
        return _alone(spec.base)
    if isinstance(spec, AnswerSpec):
        trained = by_key.get(stage.inputs.get("adapter", ""))
        if trained:
            return _unit_of(trained, by_key)
        alone = _alone(spec.base, spec.adapter)
        return stage.inputs.get("adapter") or stage.inputs.get("examples") or alone
    return fleet_name(stage) or stage.key


def _alone(base: Base, adapter: Adapter | None = None) -> str:
    """A base, or one with an adapter from elsewhere: nothing of it is made here."""
    return digest([base.config, adapter and adapter.identity])


def run_units(stages: list[Stage], store: Store, workers: int) -> Iterator[tuple[Stage, float]]:
    """Run every stage but the study's own, and yield each when its chain is done, with its seconds.

    What a stage raises is raised here, and units that have not begun are dropped."""
    todo = [s for s in stages if s.kind != "study" and not store.find(s.kind, s.key)]
    if workers == 1:
        yield from run_in_order(todo, store)
        return
    # Models that judge are loaded when all else is done: each process would else load them, and
    # what they read, in turn.
    for part in _apart(todo):
        yield from _run_beside(units(part), store, workers)


def _apart(stages: list[Stage]) -> list[list[Stage]]:
    """Stages without those in which a model judges, and these, as far as there are any."""
    judged = [stage for stage in stages if judge_of_stage(stage)]
    others = [stage for stage in stages if not judge_of_stage(stage)]
    return [part for part in (others, judged) if part]


def _run_beside(
    todo: list[list[Stage]], store: Store, workers: int
) -> Iterator[tuple[Stage, float]]:
    """Run units in so many processes, which end with this one, and yield each stage once."""
    _share_cores(workers)
    # Bars of several processes would overwrite one another; a line is said when a chain is done.
    os.environ.setdefault("TQDM_DISABLE", "1")
    # A fork of a process that has started CUDA or threads of torch cannot use them.
    spawn = get_context("spawn")
    done: set[str] = set()
    with ProcessPoolExecutor(workers, spawn, initializer=end_with, initargs=(os.getpid(),)) as pool:
        running = [pool.submit(_run_unit, unit, store.root) for unit in todo]
        try:
            for future in as_completed(running):
                for stage, seconds in future.result():
                    if stage.key not in done:
                        done.add(stage.key)
                        yield stage, seconds
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _share_cores(workers: int) -> None:
    """Give every process its share of the cores, or fewer where that is said: more threads than
    cores slow torch down tenfold."""
    share = max(1, (os.cpu_count() or 1) // workers)
    said = int(os.environ.get("OMP_NUM_THREADS") or share)
    os.environ["OMP_NUM_THREADS"] = str(min(share, said))


def _run_unit(unit: list[Stage], root: Path) -> list[tuple[Stage, float]]:
    return list(run_in_order(unit, Store(root)))
