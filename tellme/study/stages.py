"""Run one stage of a plan into the run store. Everything a stage needs is in its record and in the
folders of its inputs."""

import logging
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from data_gen.build import ROWS, build
from eval.measure import measure
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
        # The first has all that it needs behind it; the rows of its fellows may stand after it.
        needed = [key for member in together[1:] for key in _keys_before(member, by_key)]
        for key in dict.fromkeys(needed):
            left.remove(by_key[key])
            yield from _timed([by_key[key]], store)
        left = [stage for stage in left if stage not in together]
        yield from _timed(together, store)


def fleet_with(stage: Stage, stages: list[Stage]) -> list[Stage]:
    """The stages that are one piece of work with this one: those of its fleet, or itself."""
    fleet = fleet_of(stage.config) if stage.kind == "train" else None
    if fleet is None:
        return [stage]
    members = [s for s in stages if s.kind == "train" and fleet_of(s.config) == fleet]
    return members[:LARGEST]


def before(stage: Stage, by_key: dict[str, Stage]) -> list[Stage]:
    """The stages that a stage needs, in order, as far as `by_key` has them."""
    parents = [by_key[key] for key in stage.inputs.values() if key in by_key]
    return [s for parent in parents for s in (*before(parent, by_key), parent)]


def _keys_before(stage: Stage, by_key: dict[str, Stage]) -> list[str]:
    return [needed.key for needed in before(stage, by_key)]


def _timed(together: list[Stage], store: Store) -> list[tuple[Stage, float]]:
    """Run one stage, or those of a fleet, and give each its share of the seconds."""
    began = time.time()
    if fleet_of(together[0].config):
        slugs = {stage.key: stage.slug for stage in together}
        store.publish_all("train", slugs, partial(_train_fleet, together, store))
    else:
        run_stage(together[0], store)
    seconds = (time.time() - began) / len(together)
    return [(stage, seconds) for stage in together]


def run_stage(stage: Stage, store: Store) -> Path:
    """Make the stage's folder, or find it made. Raises UserError if an input is missing."""
    done = store.find(stage.kind, stage.key)
    if done:
        return done
    return store.publish(stage.kind, stage.slug, stage.key, partial(_write, stage, store))


def _write(stage: Stage, store: Store, out: Path) -> None:
    quiet_libraries()
    if stage.kind == "data":
        _write_data(stage, store, out)
    elif stage.kind == "train":
        _write_train(stage, store, out)
    elif stage.kind == "eval":
        _write_eval(stage, store, out)
    else:
        _write_study(stage, store, out)


def _write_data(stage: Stage, store: Store, out: Path) -> None:
    build(
        stage.config,
        _inputs(stage, store),
        out,
        key=stage.key,
        inputs=_input_keys(stage),
        file=stage.how.get("file"),
        base=base_of(stage) if "base" in stage.how else None,
    )


def _write_train(stage: Stage, store: Store, out: Path) -> None:
    """One adapter, by whichever trainer the stage names."""
    if fleet_of(stage.config):
        _train_fleet([stage], store, {stage.key: out})
        return
    from train.launch import launch
    from train.sft import train

    job, base, processes = _job(stage, store, out), base_of(stage), stage.how.get("processes", 1)
    if processes == 1:
        train(job, base)
    else:
        launch(processes, stage.how["sharding"], job, base)


def _write_eval(stage: Stage, store: Store, out: Path) -> None:
    inputs = _inputs(stage, store)
    trained = inputs.get("adapter")
    measure(
        stage.config,
        base_of(stage),
        _adapter(stage, trained),
        trained,
        inputs["examples"] / ROWS if "examples" in inputs else None,
        out,
        key=stage.key,
        inputs=_input_keys(stage),
    )


def _write_study(stage: Stage, store: Store, out: Path) -> None:
    from tellme.report.report import write_study

    # The report finds the folders by itself; one that is missing is refused here, by its key.
    _inputs(stage, store)
    write_study(stage, store, out)


def measure_with(stage: Stage, base: Base, adapter: Path, trained: Path | None, out: Path) -> None:
    """Measure as an eval stage says, with another base or adapter in place of its own."""
    measure(stage.config, base, adapter, trained, None, out, key=stage.key, inputs=[])


def _train_fleet(stages: list[Stage], store: Store, folders: dict[str, Path]) -> None:
    """Train those of the stages that have a folder; the others were there already."""
    quiet_libraries()
    from train.fleet.trainer import train_fleet

    jobs = [_job(stage, store, folders[stage.key]) for stage in stages if stage.key in folders]
    train_fleet(jobs, base_of(stages[0]))


def _job(stage: Stage, store: Store, out: Path) -> Job:
    data = stage.inputs["data"]
    return Job(
        config=stage.config,
        rows=_input(stage, store, data) / ROWS,
        out=out,
        key=stage.key,
        inputs=[data],
        name=stage.how["name"],
        group=stage.how["group"],
        report_to=stage.how["report_to"],
    )


def _inputs(stage: Stage, store: Store) -> dict[str, Path]:
    """Folders of what a stage reads, by their role."""
    return {role: _input(stage, store, key) for role, key in stage.inputs.items()}


def _input_keys(stage: Stage) -> list[str]:
    return sorted(set(stage.inputs.values()))


def _input(stage: Stage, store: Store, key: str) -> Path:
    for kind in ("data", "train", "eval"):
        folder = store.find(kind, key)
        if folder:
            return folder
    raise UserError(
        f"stage {stage.key} ({stage.slug}) needs {key}, which is not in {store.root}; run `tellme"
        f" stage PLAN {key}` first"
    )


def _adapter(stage: Stage, trained: Path | None) -> Path | None:
    """The folder of the adapter that is measured: what a train stage left at the end or after a
    step, or one from elsewhere, downloaded and checked where it is on the Hub; None for a model
    as it is."""
    if trained:
        step = stage.config.get("step")
        return trained / "steps" / str(step) if step else trained / "adapter"
    source, revision = stage.how.get("adapter_source"), stage.how.get("adapter_revision")
    if source is None:
        return None
    if Path(source).is_dir():
        return Path(source)
    return fetch_adapter(source, revision)


def base_of(stage: Stage) -> Base:
    """The base that a stage loads, as it was when the study was planned."""
    return base_of_record(stage.how["base"])


def quiet_libraries() -> None:
    """Nothing of the libraries' own on the terminal but errors: the lab says what happens."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
