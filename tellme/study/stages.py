"""Run one stage of a plan into the run store. Everything a stage needs is in its record and in the
folders of its inputs."""

import logging
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from lab.errors import UserError
from lab.model.base import Base, base_of_record
from lab.model.pushed import fetch_adapter
from lab.specs import Stage
from lab.store.store import Store
from train.fleet.settings import LARGEST, fleet_of
from train.job import Job


def run_in_order(stages: list[Stage], store: Store) -> Iterator[tuple[Stage, float]]:
    """Run stages one after the other, adapters of one fleet together, and yield each with its
    seconds."""
    left = list(stages)
    while left:
        together = fleet_with(left[0], left)
        by_key = {stage.key: stage for stage in left}
        for stage in dict.fromkeys(
            one.key for member in together[1:] for one in before(member, by_key)
        ):
            left.remove(by_key[stage])
            yield _timed([by_key[stage]], store)[0]
        left = [stage for stage in left if stage not in together]
        yield from _timed(together, store)


def fleet_with(stage: Stage, stages: list[Stage]) -> list[Stage]:
    """The stages that are one piece of work with this one: those of its fleet, or itself."""
    fleet = fleet_of(stage.config) if stage.kind == "train" else None
    return (
        [s for s in stages if s.kind == "train" and fleet_of(s.config) == fleet][:LARGEST]
        if fleet
        else [stage]
    )


def before(stage: Stage, by_key: dict[str, Stage]) -> list[Stage]:
    """The stages that a stage needs, in order, as far as `by_key` has them."""
    parents = [by_key[key] for key in stage.inputs.values() if key in by_key]
    return [s for parent in parents for s in (*before(parent, by_key), parent)]


def _timed(together: list[Stage], store: Store) -> list[tuple[Stage, float]]:
    began = time.time()
    if fleet_of(together[0].config):
        store.publish_all(
            "train",
            {s.key: s.slug for s in together},
            lambda folders: _train_fleet(together, store, folders),
        )
    else:
        run_stage(together[0], store)
    return [(stage, (time.time() - began) / len(together)) for stage in together]


def run_stage(stage: Stage, store: Store) -> Path:
    """Make the stage's folder, or find it made. Raises UserError if an input is missing."""
    done = store.find(stage.kind, stage.key)
    if done:
        return done
    return store.publish(stage.kind, stage.slug, stage.key, lambda out: _write(stage, store, out))


def _write(stage: Stage, store: Store, out: Path) -> None:
    quiet_libraries()
    inputs = {role: _input(store, stage, key) for role, key in stage.inputs.items()}
    keys = sorted(set(stage.inputs.values()))
    if stage.kind == "data":
        from data_gen.build import build

        base = base_of(stage) if "base" in stage.how else None
        build(
            stage.config,
            inputs,
            out,
            key=stage.key,
            inputs=keys,
            file=stage.how.get("file"),
            base=base,
        )
    elif stage.kind == "train":
        if fleet_of(stage.config):
            _train_fleet([stage], store, {stage.key: out})
            return
        from train.launch import launch
        from train.sft import train

        together = stage.how.get("processes", 1)
        run = train if together == 1 else partial(launch, together, stage.how["sharding"])
        run(_job(stage, store, out), base_of(stage))
    elif stage.kind == "eval":
        from data_gen.build import ROWS
        from eval.measure import measure

        kept = f"steps/{stage.config['step']}" if "step" in stage.config else "adapter"
        adapter = inputs["adapter"] / kept if "adapter" in inputs else _external(stage)
        examples = inputs["examples"] / ROWS if "examples" in inputs else None
        measure(
            stage.config,
            base_of(stage),
            adapter,
            inputs.get("adapter"),
            examples,
            out,
            key=stage.key,
            inputs=keys,
        )
    else:
        from tellme.report.report import write_study

        write_study(stage, store, out)


def measure_with(stage: Stage, base: Base, adapter: Path, trained: Path | None, out: Path) -> None:
    """Measure as an eval stage says, with another base or adapter in place of its own."""
    from eval.measure import measure

    measure(stage.config, base, adapter, trained, None, out, key=stage.key, inputs=[])


def _train_fleet(stages: list[Stage], store: Store, folders: dict[str, Path]) -> None:
    quiet_libraries()
    from train.fleet.trainer import train_fleet

    train_fleet(
        [_job(stage, store, folders[stage.key]) for stage in stages if stage.key in folders],
        base_of(stages[0]),
    )


def _job(stage: Stage, store: Store, out: Path) -> Job:
    from data_gen.build import ROWS

    how = {name: stage.how[name] for name in ("name", "group", "report_to")}
    return Job(
        stage.config,
        _input(store, stage, stage.inputs["data"]) / ROWS,
        out,
        stage.key,
        [stage.inputs["data"]],
        **how,
    )


def _input(store: Store, stage: Stage, key: str) -> Path:
    for kind in ("data", "train", "eval"):
        found = store.find(kind, key)
        if found:
            return found
    raise UserError(
        f"stage {stage.key} ({stage.slug}) needs {key}, which is not in {store.root}; run `tellme"
        f" stage PLAN {key}` first"
    )


def _external(stage: Stage) -> Path | None:
    """The folder of an adapter from elsewhere, downloaded and checked where it is on the Hub."""
    source, revision = stage.how.get("adapter_source"), stage.how.get("adapter_revision")
    if source is None or Path(source).is_dir():
        return Path(source) if source else None
    return fetch_adapter(source, revision)


def base_of(stage: Stage) -> Base:
    return base_of_record(stage.how["base"])


def quiet_libraries() -> None:
    """Nothing of the libraries' own on the terminal but errors: the lab says what happens."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
