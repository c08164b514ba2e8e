"""Stages that do not wait for one another, in several processes on one machine."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from lab.preempt import end_with
from lab.specs import Stage
from lab.store.store import Store
from tellme.study.stages import base_of, before, run_in_order
from train.fleet.settings import fleet_of


def units(stages: list[Stage]) -> list[list[Stage]]:
    """Stages that need one another, in order: an adapter's data, training and measuring, or those
    of a fleet of adapters. What is asked of one base without an adapter is one unit: it is loaded
    once.

    A data stage that several adapters read is in the unit of each; the store lets one write it and
    the others find it."""
    by_key = {stage.key: stage for stage in stages}
    found: dict[str, dict[str, Stage]] = {}
    for stage in stages:
        if stage.kind in ("train", "eval"):
            found.setdefault(_unit_of(stage, by_key), {}).update(
                {s.key: s for s in (*before(stage, by_key), stage)}
            )
    return [list(unit.values()) for unit in found.values()]


def _unit_of(stage: Stage, by_key: dict[str, Stage]) -> str:
    trained = stage if stage.kind == "train" else by_key.get(stage.inputs.get("adapter", ""))
    if trained:
        return fleet_of(trained.config) or trained.key
    without = json.dumps([base_of(stage).config, stage.config.get("adapter")], sort_keys=True)
    return stage.inputs.get("adapter") or stage.inputs.get("examples") or without


def run_units(stages: list[Stage], store: Store, workers: int) -> Iterator[tuple[Stage, float]]:
    """Run every stage but the study's own, and yield each when its chain is done, with its seconds.

    What a stage raises is raised here, and units that have not begun are dropped."""
    todo = [s for s in stages if s.kind != "study" and not store.find(s.kind, s.key)]
    if workers == 1:
        yield from run_in_order(todo, store)
        return
    # More threads than cores slow torch down tenfold.
    share = max(1, (os.cpu_count() or 1) // workers)
    os.environ["OMP_NUM_THREADS"] = str(min(share, int(os.environ.get("OMP_NUM_THREADS") or share)))
    # Bars of several processes would overwrite one another; a line is said when a chain is done.
    os.environ.setdefault("TQDM_DISABLE", "1")
    done: set[str] = set()
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=end_with, initargs=(os.getpid(),)) as pool:
        running = [pool.submit(_run_unit, unit, store.root) for unit in units(todo)]
        try:
            for future in as_completed(running):
                for stage, seconds in future.result():
                    if stage.key not in done:
                        done.add(stage.key)
                        yield stage, seconds
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run_unit(unit: list[Stage], root: os.PathLike[str]) -> list[tuple[Stage, float]]:
    return list(run_in_order(unit, Store(os.fspath(root))))
