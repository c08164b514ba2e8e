"""Run one stage of a plan into the run store. Everything a stage needs is in its record and in the
folders of its inputs."""

import logging
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from data_gen.build import ROWS, build
from eval.answers import answer
from eval.check.answers import ask_facts
from eval.grades import grade
from lab.data_specs import RowsSpec
from lab.engine import Served
from lab.errors import UserError
from lab.model.base import Base
from lab.model.pushed import adapter_folder
from lab.specs import AnswerSpec, CheckSpec, GradeSpec, Stage, StudySpec, TrainSpec
from lab.store.store import Store, digest
from train.fleet.settings import LARGEST, fleet_of
from train.job import Job


def run_in_order(stages: list[Stage], store: Store) -> Iterator[tuple[Stage, float]]:
    """Run stages one after the other, adapters of one fleet together, and yield each with its
    seconds."""
    # A model that judges is loaded after all that it reads was answered, and once.
    left = sorted(stages, key=lambda stage: judge_of_stage(stage) or "")
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


def judge_of_stage(stage: Stage) -> str | None:
    """The model that is loaded to grade in a stage; None where none is."""
    spec = stage.spec
    judging = spec.judging if isinstance(spec, GradeSpec) else ()
    return ", ".join(digest(one.base.config) for one in judging) or None


def fleet_with(stage: Stage, stages: list[Stage]) -> list[Stage]:
    """The stages that are one piece of work with this one: those of its fleet, or itself."""
    fleet = fleet_name(stage)
    if fleet is None:
        return [stage]
    return [other for other in stages if fleet_name(other) == fleet][:LARGEST]


def fleet_name(stage: Stage) -> str | None:
    """What the adapters that are trained together have in common; None where one is trained alone,
    or nothing is."""
    return fleet_of(stage.spec) if isinstance(stage.spec, TrainSpec) else None


def before(stage: Stage, by_key: dict[str, Stage]) -> list[Stage]:
    """The stages that a stage needs, in order, as far as `by_key` has them."""
    parents = [by_key[key] for key in stage.inputs.values() if key in by_key]
    return [s for parent in parents for s in (*before(parent, by_key), parent)]


def _keys_before(stage: Stage, by_key: dict[str, Stage]) -> list[str]:
    return [needed.key for needed in before(stage, by_key)]


def _timed(together: list[Stage], store: Store) -> list[tuple[Stage, float]]:
    """Run one stage, or those of a fleet, and give each its share of the seconds."""
    began = time.time()
    if fleet_name(together[0]):
        slugs = {stage.key: stage.slug for stage in together}
        store.publish_all("train", slugs, partial(_train_fleet, together, store))
    else:
        run_stage(together[0], store)
    seconds = (time.time() - began) / len(together)
    return [(stage, seconds) for stage in together]


def run_stage(stage: Stage, store: Store, allow_untrusted: bool = False) -> Path:
    """Make the stage's folder, or find it made. Raises UserError if an input is missing, and
    TrustError where a trust check failed that a report must not hide."""
    done = store.find(stage.kind, stage.key)
    if done:
        return done
    write = partial(_write, stage, store, allow_untrusted)
    return store.publish(stage.kind, stage.slug, stage.key, write)


def _write(stage: Stage, store: Store, allow_untrusted: bool, out: Path) -> None:
    quiet_libraries()
    # One that is missing is refused here, by its key.
    folders = {role: _input(stage, store, key) for role, key in stage.inputs.items()}
    keys = sorted(set(stage.inputs.values()))
    match stage.spec:
        case RowsSpec() as spec:
            build(spec, folders, out, key=stage.key, inputs=keys)
        case TrainSpec():
            _train(stage, store, out)
        case AnswerSpec() as spec:
            trained = folders.get("adapter")
            examples = folders["examples"] / ROWS if "examples" in folders else None
            adapter = _adapter(spec, trained)
            served = _served(stage, out)
            answer(spec, adapter, trained, examples, out, key=stage.key, inputs=keys, served=served)
        case GradeSpec() as spec:
            grade(spec, folders["answers"], out, key=stage.key, inputs=keys)
        case CheckSpec() as spec:
            began = time.time()
            ask_facts(spec, out, _served(stage, out))
            from tellme.report.check import write_check

            write_check(spec, stage.key, out, began)
        case StudySpec():
            from tellme.report.report import write_study

            write_study(stage, store, out, allow_untrusted)


def _train(stage: Stage, store: Store, out: Path) -> None:
    """One adapter, by whichever trainer the stage names."""
    if fleet_name(stage):
        _train_fleet([stage], store, {stage.key: out})
        return
    from train.launch import launch
    from train.sft import train

    job, base, processes = _job(stage, store, out), base_of(stage), stage.how.processes
    if processes == 1:
        train(job, base)
    else:
        launch(processes, stage.how.sharding, job, base)


def _train_fleet(stages: list[Stage], store: Store, folders: dict[str, Path]) -> None:
    """Train those of the stages that have a folder; the others were there already."""
    quiet_libraries()
    from train.fleet.trainer import train_fleet

    jobs = [_job(stage, store, folders[stage.key]) for stage in stages if stage.key in folders]
    train_fleet(jobs, base_of(stages[0]))


def _job(stage: Stage, store: Store, out: Path) -> Job:
    assert isinstance(stage.spec, TrainSpec), stage
    data, how = stage.inputs["data"], stage.how
    return Job(
        spec=stage.spec,
        rows=_input(stage, store, data) / ROWS,
        out=out,
        key=stage.key,
        inputs=[data],
        name=how.study,
        group=how.group,
        report_to=how.report_to,
    )


def _input(stage: Stage, store: Store, key: str) -> Path:
    for kind in ("data", "train", "check", "answers", "grades"):
        folder = store.find(kind, key)
        if folder:
            return folder
    raise UserError(
        f"stage {stage.key} ({stage.slug}) needs {key}, which is not in {store.root}; run `tellme"
        f" stage PLAN {key}` first"
    )


def _adapter(spec: AnswerSpec, trained: Path | None) -> Path | None:
    """The folder of the adapter that is asked: what a train stage left at the end or after a step,
    or one from elsewhere, downloaded and checked where it is on the Hub; None for a model as it
    is."""
    if trained:
        return trained / "steps" / str(spec.step) if spec.step else trained / "adapter"
    if spec.adapter is None:
        return None
    return adapter_folder(spec.adapter)


def _served(stage: Stage, out: Path) -> Served:
    """Where the model of a stage is asked, if not in this process."""
    return Served(endpoint=stage.how.endpoint, adapter=stage.how.group, kept=out)


def base_of(stage: Stage) -> Base:
    """The base that a stage loads, as it was when the study was planned."""
    assert stage.base is not None, stage
    return stage.base


def quiet_libraries() -> None:
    """Nothing of the libraries' own on the terminal but errors: the lab says what happens."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
