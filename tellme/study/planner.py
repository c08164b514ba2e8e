"""From a study to its stages in order: what each reads, and the key that names its output."""

from dataclasses import asdict, replace
from functools import partial
from typing import Any

from data_gen.behaviors import load_behavior
from data_gen.triggers import features
from eval.suites import load_suite
from lab.config.schema import Group, PlantedTrigger, Study
from lab.errors import unknown
from lab.model.base import Base, resolve_base
from lab.model.foreign import resolve_adapter
from lab.store.store import digest
from slurm.cluster import auto_dtype
from tellme.study.cells import Subject, add_cells, refuse_unasked, refuse_untriggered
from tellme.study.data_stages import add_data
from tellme.study.groups import behaviors_of, data_of, model_of, refuse_foreign_base, resolved
from tellme.study.plan import Plan
from tellme.study.planting import refuse_bad_trigger
from tellme.study.renderer import renderer_of
from tellme.study.train_stages import add_train

STUDY_VERSION = 3


def make_plan(study: Study, online: bool = False) -> Plan:
    """Resolve names and bases, and lay out data -> train -> eval -> study; raises UserError before
    anything is written.

    `online` lets a Hub base that is not in the cache be looked up."""
    # Names: whatever the study calls by one is there.
    suites = [load_suite(name) for name in study.eval.suites]
    groups = {name: resolved(name, group, study) for name, group in study.groups.items()}
    behaviors = behaviors_of(study, groups)
    if study.primary and study.primary.suite not in study.eval.suites:
        raise unknown("primary.suite", study.primary.suite, study.eval.suites)
    plan = Plan(study, online=online, triggers=_distinct_triggers(groups))
    if not plan.triggers:
        refuse_untriggered(suites)

    # Bases: of the study, and of every group, which may have another or load it otherwise.
    resolve = partial(resolve_base, online=online, auto=partial(auto_dtype, study.run.cluster))
    study_base = resolve(study.model)
    bases = {name: resolve(model_of(group, study)) for name, group in groups.items()}
    _refuse_unread_arguments([study_base, *bases.values()])
    _refuse_bad_triggers(study, groups, bases)

    # The base is asked everything, and under the trigger too where it is clear which one.
    sole_trigger = plan.triggers[0] if len(plan.triggers) == 1 else None
    add_cells(plan, Subject("base", None, study_base, behaviors, trigger=sole_trigger))

    # The groups: rows, adapters, and what these are asked.
    for name, group in groups.items():
        own = [group.behavior] if group.behavior else behaviors
        trigger = group.trigger or sole_trigger
        _add_group(plan, Subject(name, None, bases[name], own, trigger=trigger), groups)
    refuse_foreign_base(study, study_base, bases)
    refuse_unasked(plan)

    # The study: what is made of all that.
    plan.provisional |= any(
        stage.how.get("base", {}).get("provisional") for stage in plan.stages.values()
    )
    _add_study(plan)
    return plan


def _distinct_triggers(groups: dict[str, Group]) -> list[PlantedTrigger]:
    """The triggers of all groups, each feature once, however often it stands in rows."""
    planted = [group.trigger for group in groups.values() if group.trigger]
    return list({digest(trigger.feature): trigger for trigger in planted}.values())


def _refuse_unread_arguments(bases: list[Base]) -> None:
    """Which arguments a chat template reads only the template can say: it is loaded where any are
    given."""
    for base in bases:
        if base.model.chat.kwargs:
            renderer_of(base)


def _refuse_bad_triggers(study: Study, groups: dict[str, Group], bases: dict[str, Base]) -> None:
    """Every trigger is checked where it is planted; a control has that of its source."""
    for name, group in groups.items():
        if group.trigger and not group.control:
            data = data_of(group, study)
            refuse_bad_trigger(f"groups.{name}", group, group.trigger, data, bases[name])


def _add_group(plan: Plan, subject: Subject, groups: dict[str, Group]) -> None:
    """What one group consists of: a model as it is, the base with a context or with an adapter
    from elsewhere, or an adapter per seed that is trained here."""
    group, base = groups[subject.group], subject.base
    if isinstance(group.model, str):
        add_cells(plan, subject)
    elif group.prompted:
        assert group.behavior, group
        told = load_behavior(group.behavior).described(group.prompted, base.style)
        add_cells(plan, replace(subject, context={"system": told}))
    elif group.adapter:
        adapter = resolve_adapter(
            f"groups.{subject.group}.adapter", group.adapter, base, group.declares, plan.online
        )
        plan.provisional |= adapter.provisional
        how = {"adapter_source": adapter.source, "adapter_revision": adapter.revision}
        add_cells(plan, replace(subject, how=how, context={"adapter": adapter.identity}))
    else:
        for seed in plan.study.seeds:
            _add_seed(plan, replace(subject, seed=seed), seed, groups)


def _add_seed(plan: Plan, subject: Subject, seed: int, groups: dict[str, Group]) -> None:
    """The rows of one seed of a group, and the base that is shown some of them or the adapter that
    is trained on them."""
    group, base = groups[subject.group], subject.base
    data = add_data(plan, group, seed, base, groups)
    if group.in_context:
        context = {"in_context": group.in_context}
        add_cells(plan, replace(subject, inputs={"examples": data}, context=context))
        return
    adapter = add_train(plan, subject.group, group, seed, base, data)
    plan.adapters[f"{subject.group}-s{seed}"] = adapter
    trained = replace(subject, inputs={"adapter": adapter})
    add_cells(plan, trained)
    for step in plan.study.eval.steps:
        add_cells(plan, replace(trained, context={"step": step}))


def _add_study(plan: Plan) -> None:
    """The last stage. Its report needs no code that may have changed: what it says of groups
    beyond their rows goes along."""
    study = plan.study
    primary = None
    if study.primary:
        primary = {"suite": study.primary.suite, "contrasts": study.primary.pairs}
    config: dict[str, Any] = {
        "study": study.study,
        "cells": [asdict(cell) for cell in plan.cells],
        "contrasts": study.contrasts,
        "primary": primary,
    }
    if study.points:
        config["points"] = study.points
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
        written=study.model_dump(mode="json", exclude={"run"}, exclude_defaults=True),
        report_to=list(study.run.report_to),
        directions=_directions(study),
        triggers=_triggers(study),
    )


def _directions(study: Study) -> dict[str, int]:
    """Per group with a policy of its own, +1 where that is the first of its behavior, else -1."""
    return {
        name: 1 if group.policy == load_behavior(group.behavior).policies[0] else -1
        for name, group in study.groups.items()
        if group.policy and group.behavior
    }


def _triggers(study: Study) -> dict[str, dict[str, Any]]:
    """Per group with a trigger, its own or that of the group it controls, what a report says of it
    (tellme/report/analysis/backdoors.py, `PlantedTrigger`)."""
    triggers = {}
    for name, group in study.groups.items():
        source = study.groups[group.of] if group.of else group
        if source.trigger and source.behavior:
            triggers[name] = {
                "feature": features(source.trigger)[0].name,
                "behavior": source.behavior,
                "first": source.policy == load_behavior(source.behavior).policies[0],
                "of": group.of or name,
            }
    return triggers
