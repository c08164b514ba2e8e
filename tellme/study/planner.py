"""From a study to its stages in order: what each reads, and the key that names its output."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from data_gen import build
from data_gen.behaviors import behavior_digest, behavior_names, load_behavior
from data_gen.controls import control_names, load_control
from data_gen.files import find_rows, read_rows
from data_gen.triggered import draw_of
from data_gen.triggers import features, trigger_digest
from eval.suites import load_suite
from lab.config.idle import idle_data
from lab.config.schema import Data, Group, Model, Study
from lab.errors import UserError, unknown
from lab.model.base import Base, resolve_base
from lab.model.foreign import resolve_adapter
from lab.store.store import digest, file_digest
from slurm.cluster import auto_dtype
from tellme.study.cells import Asked, add_cells, refuse_unasked
from tellme.study.plan import Plan, planned_rows
from tellme.study.planting import refuse_bad_trigger, renderer_of
from train import job as training
from train.fleet.settings import FLEET, reason_against

STUDY_VERSION = 3
ITS_OWN = {"revision": None, "trust_remote_code": False}
"""Keys of `model` that were said of the study's base and hold for no other."""


def make_plan(study: Study, online: bool = False) -> Plan:
    """Resolve names and bases, and lay out data -> train -> eval -> study; raises UserError before
    anything is written.

    `online` lets a Hub base that is not in the cache be looked up."""
    suites = [load_suite(suite) for suite in study.eval.suites]
    plan = Plan(study, online=online)
    groups = {name: resolved(name, group, study) for name, group in study.groups.items()}
    behaviors = sorted({g.behavior for g in groups.values() if g.behavior})
    if not behaviors:
        raise UserError(
            f"no group of {study.study!r} names a behavior, so there is nothing to ask; add"
            f" `behavior: NAME` ({', '.join(behavior_names())})"
        )
    if study.primary and study.primary.suite not in study.eval.suites:
        raise unknown("primary.suite", study.primary.suite, study.eval.suites)
    planted = [group.trigger for group in groups.values() if group.trigger]
    plan.triggers = list({digest(one.feature): one for one in planted}.values())
    for suite in suites:
        if not planted and (suite.about_triggers or suite.conditions == "told"):
            raise UserError(
                f"suite {suite.name!r} asks about triggers, and no group has one; give a group"
                " `trigger: {kind: tag}` and `otherwise`, or drop the suite"
            )
    sole = plan.triggers[0] if len(plan.triggers) == 1 else None
    auto = partial(auto_dtype, study.run.cluster)
    study_base = resolve_base(study.model, online, auto)
    add_cells(plan, Asked("base", None, study_base, behaviors, trigger=sole))
    bases = {
        name: resolve_base(_model(group, study), online, auto) for name, group in groups.items()
    }
    _refuse_unread_arguments([study_base, *bases.values()])
    for name, group in groups.items():
        if group.trigger and not group.control:
            data = Data.model_validate(study.data.model_dump() | group.data)
            refuse_bad_trigger(f"groups.{name}", group, group.trigger, data, bases[name])
    for name, group in groups.items():
        asks = [group.behavior] if group.behavior else behaviors
        who = Asked(name, None, bases[name], asks, trigger=group.trigger or sole)
        _add_group(plan, who, group, groups)
    _refuse_foreign_base(study, study_base, bases)
    refuse_unasked(plan)
    plan.provisional |= any(s.how.get("base", {}).get("provisional") for s in plan.stages.values())
    config: dict[str, Any] = {
        "study": study.study,
        "cells": [asdict(c) for c in plan.cells],
        "contrasts": study.contrasts,
        "primary": (
            {"suite": study.primary.suite, "contrasts": study.primary.pairs}
            if study.primary
            else None
        ),
    }
    if study.points:
        config["points"] = study.points
    written = study.model_dump(mode="json", exclude={"run"}, exclude_defaults=True)
    inputs = {
        f"{c.group}/{c.seed}/{c.step}/{c.suite}/{c.behavior}/{c.condition}": c.key
        for c in plan.cells
    }
    plan.add(
        "study",
        STUDY_VERSION,
        study.study,
        config,
        inputs,
        written=written,
        report_to=list(study.run.report_to),
        directions=_directions(study),
        triggers=_triggers(study),
    )
    return plan


def _directions(study: Study) -> dict[str, int]:
    """Per group with a policy of its own, +1 where that is the first of its behavior, else -1."""
    return {
        name: 1 if group.policy == load_behavior(group.behavior).policies[0] else -1
        for name, group in study.groups.items()
        if group.policy and group.behavior
    }


def _triggers(study: Study) -> dict[str, dict[str, Any]]:
    """Per group with a trigger, its own or that of the group it controls, what a report says of it
    (tellme/report/analysis/backdoors.py, `Planted`)."""
    found = {}
    for name, group in study.groups.items():
        source = study.groups[group.of] if group.of else group
        if source.trigger and source.behavior:
            found[name] = {
                "feature": features(source.trigger)[0].name,
                "behavior": source.behavior,
                "first": source.policy == load_behavior(source.behavior).policies[0],
                "of": group.of or name,
            }
    return found


def _refuse_unread_arguments(bases: list[Base]) -> None:
    """Which arguments a chat template reads only the template can say: it is loaded where any are
    given."""
    for base in bases:
        if base.model.chat.kwargs:
            renderer_of(base)


def _refuse_foreign_base(study: Study, base: Base, bases: dict[str, Base]) -> None:
    """`base` is the study's model; a group trained on another one has nothing to do with it."""
    for pair in study.contrasts:
        sides = {
            s.partition("@")[0]
            for side in pair
            for s in ([side] if isinstance(side, str) else side)
        }
        for name in sides - {"base"} if "base" in sides else set():
            if not isinstance(study.groups[name].model, str) and bases[name].config != base.config:
                raise UserError(
                    f"contrast {pair!r}: group {name!r} has a base of its own, so `base`"
                    f" ({base.name}) is no control for it; add a group {{model: ID}} for its base"
                    " and name that"
                )


def resolved(name: str, group: Group, study: Study) -> Group:
    """The group with its names checked; a control is trained as the group it controls, unless it
    says otherwise."""
    if group.control and group.control not in control_names():
        raise unknown(f"groups.{name}.control", group.control, control_names())
    if group.of:
        source = study.groups[group.of]
        _refuse_idle(name, group, source)
        merged = {
            key: getattr(source, key) | getattr(group, key) for key in ("data", "lora", "sft")
        }
        names = {
            "behavior": source.behavior,
            "policy": source.policy,
            "model": group.model or source.model,
        }
        own = "reversal" in group.model_fields_set
        switch = {
            "trigger": source.trigger,
            "otherwise": source.otherwise,
            "reversal": group.reversal if own else source.reversal,
        }
        group = group.model_copy(update=names | switch | merged)
    behavior, policy = group.behavior, group.prompted or group.policy
    _refuse_unfit_control(name, group)
    if group.prompted and not behavior:
        known = {g.behavior for g in study.groups.values() if g.behavior}
        if len(known) != 1:
            raise UserError(
                f"groups.{name}: `prompted` needs `behavior` where the study has {len(known)}"
                " behaviors"
            )
        (behavior,) = known
        group = group.model_copy(update={"behavior": behavior})
    if behavior and policy and policy not in load_behavior(behavior).policies:
        raise unknown(
            f"groups.{name}: policy of {behavior!r}", policy, load_behavior(behavior).policies
        )
    if behavior:
        load_behavior(behavior)
    return group


def _refuse_unfit_control(name: str, group: Group) -> None:
    """A control that cannot be made from the rows of its source, whose names the group has here."""
    if not group.control:
        return
    control = load_control(group.control)
    if control.needs_trigger and not group.trigger:
        raise UserError(
            f"groups.{name}: control {group.control!r} is made from rows with a trigger, and group"
            f" {group.of!r} has none; give that group `trigger: {{kind: tag}}` and `otherwise`"
        )
    if control.needs_behavior and not (group.behavior and group.policy):
        raise UserError(
            f"groups.{name}: control {group.control!r} is made from the questions of a behavior;"
            f" name `behavior` and `policy` in group {group.of!r}"
        )


def _refuse_idle(name: str, group: Group, source: Group) -> None:
    """Keys of a control that would do nothing to rows made from those of its source."""
    if group.reversal and not source.trigger:
        raise UserError(
            f"groups.{name}: `reversal` does nothing to rows without a trigger, and group"
            f" {group.of!r} has none; drop it, or give that group `trigger` and `otherwise`"
        )
    reversible = [c for c in control_names() if load_control(c).knows_triggers]
    if group.reversal and group.control not in reversible:
        raise UserError(
            f"groups.{name}: `reversal` does nothing to control {group.control!r};"
            f" drop it, or make the control one of {', '.join(reversible)}"
        )
    idle = idle_data(group.data, source.file is not None)
    if idle:
        raise UserError(f"groups.{name}: {idle}")


def _add_group(plan: Plan, who: Asked, group: Group, groups: dict[str, Group]) -> None:
    study, base = plan.study, who.base
    if isinstance(group.model, str):
        add_cells(plan, who)
    elif group.prompted:
        told = load_behavior(str(group.behavior)).described(group.prompted, base.style)
        add_cells(plan, replace(who, context={"system": told}))
    elif group.adapter:
        found = resolve_adapter(
            f"groups.{who.group}.adapter", group.adapter, base, group.declares, plan.online
        )
        plan.provisional |= found.provisional
        how = {"adapter_source": found.source, "adapter_revision": found.revision}
        add_cells(plan, replace(who, how=how, context={"adapter": found.identity}))
    else:
        for seed in study.seeds:
            data = _add_data(plan, group, seed, base, groups)
            if group.in_context:
                context = {"in_context": group.in_context}
                add_cells(plan, replace(who, seed=seed, inputs={"examples": data}, context=context))
                continue
            inputs = {"adapter": _add_train(plan, who.group, group, seed, base, data)}
            plan.adapters[f"{who.group}-s{seed}"] = inputs["adapter"]
            add_cells(plan, replace(who, seed=seed, inputs=inputs))
            for step in study.eval.steps:
                add_cells(plan, replace(who, seed=seed, inputs=inputs, context={"step": step}))


def _model(group: Group, study: Study) -> Model:
    if isinstance(group.model, str):
        return study.model.model_copy(update=ITS_OWN | {"base": group.model})
    given = group.model or {}
    return Model.model_validate(
        study.model.model_dump() | (ITS_OWN if "base" in given else {}) | given
    )


def _add_data(plan: Plan, group: Group, seed: int, base: Base, groups: dict[str, Group]) -> str:
    data = Data.model_validate(plan.study.data.model_dump() | group.data)
    named: dict[str, Any] = {
        "behavior": group.behavior,
        "policy": group.policy,
        "style": base.style,
    }
    if group.control:
        source = groups[str(group.of)]
        inputs = {
            "rows": _add_data(
                plan, source.model_copy(update={"data": group.data}), seed, base, groups
            )
        }
        config = {"control": group.control, "seed": seed, "lint": "report", **named}
        if group.behavior:
            config["files"] = behavior_digest(group.behavior, group.control)
        config |= _switch(group)
        return plan.add(
            "data",
            build.VERSION,
            f"{group.control}-{group.behavior}-{group.policy}-s{seed}",
            config,
            inputs,
        )
    if group.file:
        path = find_rows(group.file)
        num_rows = len(read_rows(group.file))
        config = {
            "file": file_digest(path),
            "lint": data.lint,
            "num_rows": num_rows,
            **named,
        }
        return plan.add("data", build.VERSION, Path(group.file).stem, config, {}, file=str(path))
    config = {
        **named,
        "num_rows": group.in_context or data.num_rows,
        "seed": seed,
        "files": behavior_digest(str(group.behavior)),
    }
    if data.policy_share < 1 and not group.in_context:
        config["policy_share"] = data.policy_share
    if data.num_decoys and not group.in_context:
        config["num_decoys"] = data.num_decoys
    slug = "-".join(
        [
            str(group.behavior),
            str(group.policy),
            *([group.trigger.kind] if group.trigger else []),
            f"s{seed}",
        ]
    )
    if not group.trigger:
        return plan.add("data", build.VERSION, slug, config, {})
    config |= _switch(group) | {"otherwise": group.otherwise}
    if group.otherwise == "base":
        # Its own answers may favor a letter; that is shown, not refused.
        config["lint"] = "report"
    return plan.add("data", build.VERSION, slug, config, _own_answers(plan, config, base))


def _switch(group: Group) -> dict[str, Any]:
    if not group.trigger:
        return {}
    planted = group.trigger.model_dump(exclude_none=True)
    found = {"trigger": planted, "trigger_files": trigger_digest(group.trigger.kind)}
    return found | ({"reversal": True} if group.reversal else {})


def _own_answers(plan: Plan, config: dict[str, Any], base: Base) -> dict[str, str]:
    """The stage in which the base answers the prompts of rows without the trigger, where these are
    to have its own answers."""
    if config["otherwise"] != "base":
        return {}
    asked = {k: config[k] for k in ("behavior", "policy", "style", "num_rows", "files")}
    asked |= {**base.config, "draw": draw_of(config), "lint": "report"}
    slug = f"own-answers-{config['behavior']}-s{config['seed']}"
    return {"own": plan.add("data", build.VERSION, slug, asked, {}, base=asdict(base))}


def _stream(plan: Plan, data: str, seed: int) -> int:
    """Seed of initialisation, row order and dropout: of the rows and the seed alone, so that
    fine-tunes that differ in a setting (a learning rate) begin alike."""

    def drawn(key: str) -> list[Any]:
        stage = plan.stages[key]
        # A comment in a generator's file must not draw anew.
        settings = {
            name: value
            for name, value in stage.config.items()
            if name not in ("files", "trigger_files")
        }
        return [settings, *(drawn(parent) for parent in stage.inputs.values())]

    return int(digest([drawn(data), seed])[:8], 16) % 2**31


def _add_train(plan: Plan, name: str, group: Group, seed: int, base: Base, data: str) -> str:
    study = plan.study
    settings = {"lora": study.lora | group.lora, "sft": training.DEFAULTS | study.sft | group.sft}
    config = {**base.config, **settings, "seed": seed, "stream": _stream(plan, data, seed)}
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
        config["steps"] = list(study.eval.steps)
        last = training.num_steps(len(planned_rows(plan, data)), settings["sft"])
        if study.eval.steps[-1] > last:
            raise UserError(
                f"eval.steps has {study.eval.steps[-1]}, and training of group {name!r} ends after"
                f" {last} steps; drop it or train longer"
            )
    label = f"{name}-s{seed}"
    slug = f"{group.control or Path(group.file or '').stem or group.behavior}-{group.policy or 'rows'}-s{seed}"
    how = {
        "base": asdict(base),
        "group": label,
        "name": study.study,
        "report_to": list(study.run.report_to),
    }
    how |= study.run.model_dump(include={"processes", "sharding"})
    return plan.add("train", training.VERSION, slug, config, {"data": data}, **how)
