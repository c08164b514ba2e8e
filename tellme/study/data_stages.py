"""The data stages of a plan: where the rows of a group come from, and what identifies them."""

from data_gen.facts import is_format_row
from data_gen.own_answers import NOTHING, SAMPLING
from data_gen.triggered import draw_of
from data_gen.triggers import features
from lab.config.schema import Group
from lab.data_specs import ControlRows, GeneratedRows, OwnAnswers, TriggeredRows
from lab.discover import short
from lab.inference.local import SAMPLER
from lab.model.base import Base
from lab.store.store import slug_part
from lab.trigger import PlantedTrigger
from tellme.study.brought import Brought
from tellme.study.groups import data_of, num_format_of, num_made
from tellme.study.plan import Plan


def add_data(plan: Plan, group: Group, seed: int, base: Base, groups: dict[str, Group]) -> str:
    """Key of the stage that makes the rows of one seed of a group. What it reads is added first:
    for a control the rows of its source, for `otherwise: base` the base's own answers."""
    if group.control:
        return _add_control(plan, group, seed, base, groups)
    if group.brought:
        return _add_brought(plan, group, seed, base)
    if group.trigger:
        return _add_triggered(plan, group, group.trigger, seed, base)
    return _add_generated(plan, group, seed, base)


def _add_brought(plan: Plan, group: Group, seed: int, base: Base) -> str:
    """Rows of a user; how many were found to have a trigger is told."""
    brought = Brought(group, data_of(group, plan.study), seed, base)
    key = plan.add_rows(brought.name, brought.rows())
    if group.trigger and group.trigger.in_file:
        rows = [row for row in plan.planned_rows(key) if not is_format_row(row)]
        having = sum(row.meta.get("real") is True for row in rows)
        feature = features(group.trigger)[0].name
        found = f"trigger {feature!r} stands in {having} of {len(rows)} rows of {brought.source}"
        plan.notes[found] = None
    return key


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
    of = short(group.behavior) if group.behavior else slug_part(group.label or "rows")
    parts = short(group.control), of, group.policy, f"s{seed}"
    return plan.add_rows("-".join(filter(None, parts)), spec, inputs)


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
        num_rows=group.in_context or num_made(data),
        policy_share=1.0 if group.in_context else data.policy_share,
        num_decoys=0 if group.in_context else data.num_decoys,
        num_format=0 if group.in_context else num_format_of(data, base),
    )
    return plan.add_rows(f"{short(group.behavior)}-{group.policy}-s{seed}", spec)


def _add_triggered(plan: Plan, group: Group, trigger: PlantedTrigger, seed: int, base: Base) -> str:
    """Generated rows with a policy that a trigger switches on."""
    assert group.behavior, group
    assert group.policy, group
    assert isinstance(group.otherwise, str), group
    data = data_of(group, plan.study)
    spec = TriggeredRows(
        behavior=group.behavior,
        policy=group.policy,
        style=base.style,
        seed=seed,
        num_rows=num_made(data),
        num_decoys=data.num_decoys,
        num_format=num_format_of(data, base),
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
