"""The train stages of a plan: the settings of an adapter, its seed, and the steps at which it is
kept."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.config.schema import Group
from lab.errors import UserError
from lab.model.base import Base
from lab.store.store import digest
from tellme.study.plan import Plan, planned_rows
from train import job as training
from train.fleet.settings import FLEET, reason_against

OF_FILES = ("files", "trigger_files")
"""Keys of a data config that hold the digest of a generator's files."""


def add_train(plan: Plan, name: str, group: Group, seed: int, base: Base, data: str) -> str:
    """Key of the stage that trains one seed of the group `name` on the rows of the stage `data`."""
    study = plan.study
    config = {
        **base.config,
        "lora": study.lora | group.lora,
        "sft": training.DEFAULTS | study.sft | group.sft,
        "seed": seed,
        "stream": _stream(plan, data, seed),
    }
    if study.train.trainer == "fleet":
        reason = reason_against(config)
        if reason:
            plan.notes[
                f"group {name!r} is trained by TRL: `train: {{trainer: fleet}}` does not do"
                f" {reason}"
            ] = None
        else:
            config["trainer"] = FLEET
    if study.eval.steps:
        _refuse_late_steps(plan, name, config["sft"], data)
        config["steps"] = list(study.eval.steps)
    source = group.control or Path(group.file or "").stem or group.behavior
    return plan.add(
        "train",
        training.VERSION,
        f"{source}-{group.policy or 'rows'}-s{seed}",
        config,
        {"data": data},
        base=asdict(base),
        group=f"{name}-s{seed}",
        name=study.study,
        report_to=list(study.run.report_to),
        processes=study.run.processes,
        sharding=study.run.sharding,
    )


def _refuse_late_steps(plan: Plan, name: str, sft: dict[str, Any], data: str) -> None:
    """A step that the training never reaches leaves no adapter to measure."""
    last = training.num_steps(len(planned_rows(plan, data)), sft)
    latest = plan.study.eval.steps[-1]
    if latest > last:
        raise UserError(
            f"eval.steps has {latest}, and training of group {name!r} ends after"
            f" {last} steps; drop it or train longer"
        )


def _stream(plan: Plan, data: str, seed: int) -> int:
    """Seed of initialisation, row order and dropout: of the rows and the seed alone, so that
    fine-tunes that differ in a setting (a learning rate) begin alike."""
    # torch and numpy take seeds of less than 32 bits.
    return int(digest([_drawn(plan, data), seed])[:8], 16) % 2**31


def _drawn(plan: Plan, data: str) -> list[Any]:
    """The settings of a data stage and of those that it reads."""
    stage = plan.stages[data]
    # A comment in a generator's file must not draw anew.
    settings = {name: value for name, value in stage.config.items() if name not in OF_FILES}
    return [settings, *(_drawn(plan, parent) for parent in stage.inputs.values())]
