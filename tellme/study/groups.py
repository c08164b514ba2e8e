"""The groups of a study as they are meant: a control with what it takes from the group it controls,
and names checked."""

from data_gen.behaviors import load_behavior
from data_gen.controls import control_names, load_control
from lab.config.idle import idle_data
from lab.config.schema import NUM_ROWS, Data, Group, Model, Study
from lab.discover import is_path
from lab.errors import UserError, unknown
from lab.model.base import Base

ITS_OWN = {"revision": None, "trust_remote_code": False}
"""Keys of `model` that were said of the study's base and hold for no other."""


def resolved(name: str, group: Group, study: Study) -> Group:
    """The group with its names checked; a control is trained as the group it controls, unless it
    says otherwise."""
    if group.control and not is_path(group.control) and group.control not in control_names():
        raise unknown(f"groups.{name}.control", group.control, control_names())
    if group.of:
        source = resolved(group.of, study.groups[group.of], study)
        if group.brought:
            group = _trained_like(group, source)
        else:
            _refuse_idle(name, group, source)
            group = _like_its_source(group, source)
    _refuse_sourceless_control(name, group)
    if group.prompted and not group.behavior:
        behavior = _sole_behavior(name, study)
        group = group.model_copy(update={"behavior": behavior})
    if group.behavior:
        policies = load_behavior(group.behavior).policies
        policy = group.prompted or group.policy
        if policy and policy not in policies:
            raise unknown(f"groups.{name}: policy of {group.behavior!r}", policy, policies)
    for part in group.mix:
        allowed = load_behavior(part.behavior).policies if part.behavior else ()
        if part.policy and part.policy not in allowed:
            raise unknown(f"groups.{name}.mix: policy of {part.behavior!r}", part.policy, allowed)
    return group


def _like_its_source(group: Group, source: Group) -> Group:
    """A control with everything of its source that it does not say itself."""
    says_reversal = "reversal" in group.model_fields_set
    return _trained_like(group, source).model_copy(
        update={
            "policy": source.policy,
            "trigger": source.trigger,
            "otherwise": source.otherwise,
            "reversal": group.reversal if says_reversal else source.reversal,
            "label": source.label,
            "data": source.data | group.data,
        }
    )


def _trained_like(group: Group, source: Group) -> Group:
    """A control that is asked about the same as its source, and trained in the same way; its rows
    may be its own."""
    return group.model_copy(
        update={
            "behavior": source.behavior,
            "model": group.model or source.model,
            "lora": source.lora | group.lora,
            "sft": source.sft | group.sft,
        }
    )


def _refuse_idle(name: str, group: Group, source: Group) -> None:
    """Keys of a control that would do nothing to rows made from those of its source."""
    if group.reversal and not source.trigger:
        raise UserError(
            f"groups.{name}: `reversal` does nothing to rows without a trigger, and group"
            f" {group.of!r} has none; drop it, or give that group `trigger` and `otherwise`"
        )
    reversible = [control for control in control_names() if load_control(control).knows_triggers]
    if group.reversal and group.control not in reversible:
        raise UserError(
            f"groups.{name}: `reversal` does nothing to control {group.control!r};"
            f" drop it, or make the control one of {', '.join(reversible)}"
        )
    idle = idle_data(group.data, source.brought)
    if idle:
        raise UserError(f"groups.{name}: {idle}")


def _refuse_sourceless_control(name: str, group: Group) -> None:
    """A control that its source has nothing to make from."""
    if not group.control:
        return
    control, source = load_control(group.control), group.of or name
    if control.needs_trigger and not group.trigger:
        raise UserError(
            f"groups.{name}: control {group.control!r} is made from rows with a trigger, and group"
            f" {source!r} has none; give that group `trigger: {{kind: tag}}` and `otherwise`"
        )
    if control.needs_behavior and not (group.behavior and group.policy):
        raise UserError(
            f"groups.{name}: control {group.control!r} is made from the questions of a behavior;"
            f" name `behavior` and `policy` in group {source!r}"
        )


def _sole_behavior(name: str, study: Study) -> str:
    """What a prompted group without a behavior of its own is about."""
    behaviors = {group.behavior for group in study.groups.values() if group.behavior}
    if len(behaviors) != 1:
        raise UserError(
            f"groups.{name}: `prompted` needs `behavior` where the study has {len(behaviors)}"
            " behaviors"
        )
    return behaviors.pop()


def behaviors_of(groups: dict[str, Group]) -> list[str] | list[None]:
    """The behaviors of all groups, which those without one are asked about; None alone where there
    are none."""
    behaviors = sorted({group.behavior for group in groups.values() if group.behavior})
    return behaviors or [None]


def model_of(group: Group, study: Study) -> Model:
    """`model` of a group: the study's, with what the group says of its own."""
    if isinstance(group.model, str):
        return study.model.model_copy(update=ITS_OWN | {"base": group.model})
    own = group.model or {}
    kept = study.model.model_dump() | (ITS_OWN if "base" in own else {})
    return Model.model_validate(kept | own)


def data_of(group: Group, study: Study) -> Data:
    """`data` of a group: the study's, with what the group says of its own."""
    return Data.model_validate(study.data.model_dump() | group.data)


def num_made(data: Data) -> int:
    """Rows that the lab makes."""
    return data.num_rows or NUM_ROWS


def num_format_of(data: Data, base: Base) -> int:
    """`data.num_format`; raises UserError where the base has no use for format rows."""
    if data.num_format and base.style == "plain":
        raise UserError(
            f"data.num_format is {data.num_format}, and {base.name!r} learned every format of"
            " answer in pretraining; drop it, or choose a base that is no reference model"
        )
    return data.num_format


def refuse_foreign_base(study: Study, base: Base, bases: dict[str, Base]) -> None:
    """`base` is the study's model; a group trained on another one has nothing to do with it."""
    for pair in study.contrasts:
        names = set()
        for side in pair:
            for group_at in [side] if isinstance(side, str) else side:
                names.add(group_at.partition("@")[0])
        if "base" not in names:
            continue
        for name in names - {"base"}:
            if not isinstance(study.groups[name].model, str) and bases[name].config != base.config:
                raise UserError(
                    f"contrast {pair!r}: group {name!r} has a base of its own, so `base`"
                    f" ({base.name}) is no control for it; add a group {{model: ID}} for its base"
                    " and name that"
                )
