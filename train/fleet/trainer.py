"""Training of many adapters on one base together: what a stage of the fleet calls."""

import time
import warnings

import torch
from tqdm import tqdm

from lab.errors import UserError
from lab.model.adapter import digest_of_tensors, write_adapter
from lab.model.base import Base
from lab.model.chat import IGNORED
from lab.model.load import Loaded, base_kept, load_base
from lab.preempt import Preempted, listen, restore
from lab.store.trust import Check
from train.fleet.fleet import Fleet
from train.fleet.member import Member, enlist
from train.job import Job
from train.record import Trained, record, wandb_link


def train_fleet(jobs: list[Job], base: Base) -> None:
    """Train all jobs together and leave in the folder of each what `train.sft.train` leaves, and
    raise what it raises.

    Weights at the start, rows of a step and updates are those of TRL with the same seeds. A job
    whose folder holds a checkpoint goes on from it."""
    began = time.time()
    # PEFT 0.21 reads a property that transformers 5.23 renamed, and torch prefers gradients that
    # are not parts of a larger tensor.
    warnings.filterwarnings(
        "ignore", message=".*(is_gradient_checkpointing|gradient layout contract).*"
    )
    loaded = load_base(base)
    _refuse_base(base, loaded)
    members = [enlist(job, base, loaded) for job in jobs]
    members.sort(key=lambda member: member.steps_left, reverse=True)
    fleet = Fleet(loaded, members)

    # A signal is answered between two steps: in mid-step there is nothing to go on from.
    signals: list[int] = []
    before = listen(lambda number, _: signals.append(number))
    try:
        with fleet.applied():
            _run(fleet, base, signals)
    finally:
        restore(before)

    trust = [base_kept(base, loaded)]
    if fleet.packed:
        trust.append(fleet.packed)
    # Of each adapter is told its share of the time.
    seconds = (time.time() - began) / len(members)
    for i, member in enumerate(members):
        adapter = _write(fleet, i, base, "adapter")
        trained = _trained(member, adapter, trust, time.time() - seconds, len(members))
        record(member.job, base, loaded, member.rows, trained)


def _refuse_base(base: Base, loaded: Loaded) -> None:
    """Raises UserError for a base that the fleet would train otherwise than TRL."""
    model, text_config = loaded.model, loaded.model.config.get_text_config()
    # All weights of the fleet are one tensor, which is on one device.
    devices = set(getattr(model, "hf_device_map", {}).values())
    # What dropout draws would depend on who is trained beside an adapter.
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    attention = getattr(text_config, "attention_dropout", False)
    if len(devices) > 1:
        reason = "is spread over several GPUs"
    elif attention or any(layer.p for layer in layers):
        reason = "has dropout of its own"
    else:
        return
    raise UserError(
        f"model.base {base.name!r} {reason}, which is not for `train: {{trainer: fleet}}`; set"
        " trainer: trl"
    )


def _run(fleet: Fleet, base: Base, signals: list[int]) -> None:
    """All steps of all members. Raises Preempted where a signal came and steps are left."""
    members = fleet.members
    label = members[0].job.group if len(members) == 1 else f"{len(members)} adapters"
    last_step = max(member.total_steps for member in members)
    first_step = min(member.step for member in members)
    with tqdm(
        total=last_step, initial=first_step, desc=f"train {label}", leave=False, mininterval=0.5
    ) as bar:
        while any(member.steps_left for member in members):
            if signals:
                raise Preempted(f"training of {label} was told to stop and saved what it had")
            for i, member in enumerate(fleet.advance()):
                if member.step in member.job.kept:
                    member.kept[str(member.step)] = _write(fleet, i, base, f"steps/{member.step}")
                is_due = member.step % int(member.settings.save_steps) == 0
                # One that has all its steps before the others takes part in no later save.
                is_over = not member.steps_left and member.step < last_step
                if signals or is_due or is_over:
                    member.save()
            bar.update(1)


def _write(fleet: Fleet, i: int, base: Base, name: str) -> str:
    """Save the adapter of a member in its folder as PEFT would, and return its digest."""
    member, tensors = fleet.members[i], fleet.adapter(i)
    write_adapter(tensors, member.lora, base, member.job.out / name)
    return digest_of_tensors(tensors)


def _trained(
    member: Member, adapter: str, trust: list[Check], began: float, together: int
) -> Trained:
    job = member.job
    pairs = zip(member.ids, member.is_learned, strict=True)
    # Labels as `train/fleet/batch.py` masks them.
    held = [(ids.tolist(), ids.where(is_learned, IGNORED).tolist()) for ids, is_learned in pairs]
    return Trained(
        held=held,
        log=member.log,
        step0=digest_of_tensors(member.start),
        adapter=adapter,
        trust=trust,
        began=began,
        about={
            "steps": member.step,
            "together": together,
            "processes": 1,
            "kept": member.kept,
            "wandb": wandb_link(job) if "wandb" in job.report_to else None,
        },
    )
