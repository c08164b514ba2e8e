"""Stages that do not wait for one another, in several processes on one machine."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from lab.store import Store
from study.stage import Stage
from study.stages import before, run_in_order
from train.engine import fleet_of


def chains(stages: list[Stage]) -> list[list[Stage]]:
    """Stages that need one another, in order: an adapter's data, training and measuring are one chain.

    A data stage that several adapters read is in the chain of each; the store lets one write it and the others find it."""
    by_key = {stage.key: stage for stage in stages}
    found: dict[str, list[Stage]] = {}
    for stage in stages:
        if stage.kind in ("train", "eval"):
            trained = next((key for key in stage.inputs.values() if key in by_key and by_key[key].kind == "train"), None)
            chain = found.setdefault(trained or stage.key, [])
            chain += [s for s in [*before(stage, by_key), stage] if s not in chain]
    return list(found.values())


def run_chains(stages: list[Stage], store: Store, workers: int) -> Iterator[tuple[Stage, float]]:
    """Run every stage but the study's own, and yield each when its chain is done, with its seconds.

    What a stage raises is raised here, and chains that have not begun are dropped."""
    todo = [s for s in stages if s.kind != "study" and not store.find(s.kind, s.key)]
    if workers == 1:
        yield from run_in_order(todo, store)
        return
    # A fleet is one process already.
    by_key = {stage.key: stage for stage in todo}
    fleets = [s for stage in todo if stage.kind == "train" and fleet_of(stage.config) for s in (*before(stage, by_key), stage)]
    first = [by_key[key] for key in dict.fromkeys(stage.key for stage in fleets)]
    yield from run_in_order(first, store)
    todo = [stage for stage in todo if stage not in first]
    # More threads than cores slow torch down tenfold.
    share = max(1, (os.cpu_count() or 1) // workers)
    os.environ["OMP_NUM_THREADS"] = str(min(share, int(os.environ.get("OMP_NUM_THREADS") or share)))
    # Bars of several processes would overwrite one another; a line is said when a chain is done.
    os.environ.setdefault("TQDM_DISABLE", "1")
    done: set[str] = set()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_run_chain, chain, store.root) for chain in chains(todo)]
        try:
            for future in as_completed(running):
                for stage, seconds in future.result():
                    if stage.key not in done:
                        done.add(stage.key)
                        yield stage, seconds
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run_chain(chain: list[Stage], root: os.PathLike[str]) -> list[tuple[Stage, float]]:
    return list(run_in_order(chain, Store(os.fspath(root))))
