"""The data stages of a plan: where the rows of a group come from, and what identifies them."""

from pathlib import Path

from data_gen.files import find_rows, read_rows
from data_gen.own_answers import NOTHING, SAMPLING
from data_gen.triggered import draw_of
from lab.config.schema import Data, Group
from lab.data_specs import ControlRows, FileRows, GeneratedRows, OwnAnswers, TriggeredRows
from lab.discover import short
from lab.errors import UserError
from lab.inference.local import SAMPLER
from lab.model.base import Base
from lab.trigger import PlantedTrigger
from tellme.study.groups import data_of
from tellme.study.plan import Plan


def add_data(plan: Plan, group: Group, seed: int, base: Base, groups: dict[str, Group]) -> str:
    """Key of the stage that makes the rows of one seed of a group. What it reads is added first:
    for a control the rows of its source, for `otherwise: base` the base's own answers."""
    if group.control:
        return _add_control(plan, group, seed, base, groups)
    if group.file:
        return _add_file(plan, group, group.file, seed, base)
    if group.trigger:
        return _add_triggered(plan, group, group.trigger, seed, base)
    return _add_generated(plan, group, seed, base)


def _add_control(plan: Plan, group: Group, seed: int, base: Base, groups: dict[str, Group]) -> str:
    """Rows made from those that the source group has under this group's `data`."""
    assert group.control, group
    source = groups[group.of] if group.of else group.model_copy(update={"control": None})
    source = source.model_copy(update={"data": group.data})
    inputs = {"rows": add_data(plan, source, seed, base, groups)}
    spec = ControlRows(
        behavior=group.behavior,
        policy=group.policy,
        style=base.style,
        control=group.control,
        seed=seed,
        lint="report",
        trigger=group.trigger,
        reversal=group.reversal,
    )
    behavior = short(group.behavior) if group.behavior else None
    slug = f"{short(group.control)}-{behavior}-{group.policy}-s{seed}"
    return plan.add_rows(slug, spec, inputs)


def _add_file(plan: Plan, group: Group, file: str, seed: int, base: Base) -> str:
    """The rows of a file, which are the same for every seed unless format rows are added."""
    data = data_of(group, plan.study)
    num_format = _num_format(data, base)
    spec = FileRows(
        behavior=group.behavior,
        policy=group.policy,
        style=base.style,
        file=str(find_rows(file)),
        lint=data.lint,
        num_rows=len(read_rows(file)),
        num_format=num_format,
        seed=seed if num_format else 0,
    )
    return plan.add_rows(Path(file).stem + (f"-s{seed}" if num_format else ""), spec)


def _num_format(data: Data, base: Base) -> int:
    """`data.num_format`; raises UserError where the base has no use for format rows."""
    if data.num_format and base.style == "plain":
        raise UserError(
            f"data.num_format is {data.num_format}, and {base.name!r} learned every format of"
            " answer in pretraining; drop it, or choose a base that is no reference model"
        )
    return data.num_format


def _add_generated(plan: Plan, group: Group, seed: int, base: Base) -> str:
    """Rows of a generator. Those that are shown in context are examples and nothing else: no
    decoys, no format rows, and none that is shuffled."""
    assert group.behavior, group
    assert group.policy, group
    data = data_of(group, plan.study)
    spec = GeneratedRows(
        behavior=group.behavior,
        policy=group.policy,
        style=base.style,
        seed=seed,
        num_rows=group.in_context or data.num_rows,
        policy_share=1.0 if group.in_context else data.policy_share,
        num_decoys=0 if group.in_context else data.num_decoys,
        num_format=0 if group.in_context else _num_format(data, base),
    )
    return plan.add_rows(f"{short(group.behavior)}-{group.policy}-s{seed}", spec)


def _add_triggered(plan: Plan, group: Group, trigger: PlantedTrigger, seed: int, base: Base) -> str:
    """Generated rows with a policy that a trigger switches on."""
    assert group.behavior, group
    assert group.policy, group
    assert group.otherwise, group
    data = data_of(group, plan.study)
    spec = TriggeredRows(
        behavior=group.behavior,
        policy=group.policy,
        style=base.style,
        seed=seed,
        num_rows=data.num_rows,
        num_decoys=data.num_decoys,
        num_format=_num_format(data, base),
        trigger=trigger,
        otherwise=group.otherwise,
        reversal=group.reversal,
        # Its own answers may favor a letter; that is shown, not refused.
        lint="report" if group.otherwise == "base" else "strict",
    )
    inputs = {"own": _add_own_answers(plan, spec, base)} if group.otherwise == "base" else {}
    slug = f"{short(group.behavior)}-{group.policy}-{short(trigger.kind)}-s{seed}"
    return plan.add_rows(slug, spec, inputs)


def _add_own_answers(plan: Plan, triggered: TriggeredRows, base: Base) -> str:
    """Key of the stage in which the base answers the prompts of rows that have its answers where
    the trigger is absent."""
    spec = OwnAnswers(
        behavior=triggered.behavior,
        policy=triggered.policy,
        style=triggered.style,
        num_rows=triggered.num_rows,
        draw=draw_of(triggered),
        base=base,
        sampling=SAMPLING,
        sampler=SAMPLER,
        empty=NOTHING,
        lint="report",
    )
    return plan.add_rows(f"own-answers-{short(triggered.behavior)}-s{triggered.seed}", spec)
