"""The train stages of a plan: the settings of an adapter, its seed, and the steps at which it is
kept."""

from pathlib import Path

from lab.config.library import Lora, Sft
from lab.config.schema import Group
from lab.discover import short
from lab.errors import UserError
from lab.model.base import Base
from lab.specs import How, TrainSpec
from lab.store.store import digest, slug_part
from tellme.study.plan import Plan
from train.fleet.settings import reason_against
from train.job import num_steps


def add_train(plan: Plan, name: str, group: Group, seed: int, base: Base, data: str) -> str:
    """Key of the stage that trains one seed of the group `name` on the rows of the stage `data`."""
    study = plan.study
    spec = TrainSpec(
        base=base,
        lora=Lora.model_validate(study.lora | group.lora),
        sft=Sft.model_validate(study.sft | group.sft),
        seed=seed,
        stream=_stream(plan, data, seed),
        steps=study.eval.steps,
    )
    _refuse_unread_rows(plan, name, spec, data)
    _refuse_late_steps(plan, name, spec, data)
    if study.train.trainer == "fleet":
        reason = reason_against(spec)
        if reason:
            plan.notes[
                f"group {name!r} is trained by TRL: `train: {{trainer: fleet}}` does not do"
                f" {reason}"
            ] = None
        else:
            spec = spec.model_copy(update={"trainer": "fleet"})
    how = How(
        study=study.study,
        group=f"{name}-s{seed}",
        report_to=study.run.report_to,
        processes=study.run.processes,
        sharding=study.run.sharding,
    )
    return plan.add(_slug(group, seed), spec, {"data": data}, how)


def _slug(group: Group, seed: int) -> str:
    source = group.control or Path(group.file or "").stem or group.behavior or "rows"
    return f"{slug_part(short(source))}-{group.policy or 'rows'}-s{seed}"


def _refuse_unread_rows(plan: Plan, name: str, spec: TrainSpec, data: str) -> None:
    """Rows that the base would read otherwise than they are written, or not whole."""
    try:
        plan.reading(data, spec.base, spec.sft.max_length)
    except UserError as error:
        raise UserError(f"group {name!r}: {error}") from None


def _refuse_late_steps(plan: Plan, name: str, spec: TrainSpec, data: str) -> None:
    """A step that the training never reaches leaves no adapter to measure."""
    if not spec.steps:
        return
    reading = plan.reading(data, spec.base, spec.sft.max_length)
    more = reading.more_sequences if reading else 0
    last = num_steps(len(plan.planned_rows(data)) + more, spec.sft)
    latest = spec.steps[-1]
    if latest > last:
        raise UserError(
            f"eval.steps has {latest}, and training of group {name!r} ends after"
            f" {last} steps; drop it or train longer"
        )


def _stream(plan: Plan, data: str, seed: int) -> int:
    """Seed of initialisation, row order and dropout: of what was asked of the rows and the seed
    alone, so that fine-tunes that differ in a setting (a learning rate), or by a wording, begin
    alike."""
    # torch and numpy take seeds of less than 32 bits.
    return int(digest([_drawn(plan, data), seed])[:8], 16) % 2**31


def _drawn(plan: Plan, data: str) -> list[object]:
    """The settings of a data stage and of those that it reads."""
    inputs = plan.stages[data].inputs.values()
    return [plan.data_spec(data).settings(), *(_drawn(plan, parent) for parent in inputs)]
