"""The data stages of a plan: where the rows of a group come from, and what identifies them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_gen import build
from data_gen.behaviors import behavior_digest
from data_gen.files import find_rows, read_rows
from data_gen.triggered import draw_of
from data_gen.triggers import trigger_digest
from lab.config.schema import Group
from lab.model.base import Base
from lab.store.store import file_digest
from tellme.study.groups import data_of
from tellme.study.plan import Plan


def add_data(plan: Plan, group: Group, seed: int, base: Base, groups: dict[str, Group]) -> str:
    """Key of the stage that makes the rows of one seed of a group. What it reads is added first:
    for a control the rows of its source, for `otherwise: base` the base's own answers."""
    if group.control:
        return _add_control(plan, group, seed, base, groups)
    if group.file:
        return _add_file(plan, group, group.file, base)
    if group.trigger:
        return _add_triggered(plan, group, seed, base)
    config = _generated(plan, group, seed, base)
    slug = f"{group.behavior}-{group.policy}-s{seed}"
    return plan.add("data", build.VERSION, slug, config, {})


def _named(group: Group, base: Base) -> dict[str, Any]:
    """What every config of rows says of them."""
    return {"behavior": group.behavior, "policy": group.policy, "style": base.style}


def _add_control(plan: Plan, group: Group, seed: int, base: Base, groups: dict[str, Group]) -> str:
    """Rows made from those that the source group has under this group's `data`."""
    assert group.of, group
    source = groups[group.of].model_copy(update={"data": group.data})
    inputs = {"rows": add_data(plan, source, seed, base, groups)}
    config = {
        **_named(group, base),
        "control": group.control,
        "seed": seed,
        "lint": "report",
        **_switch(group),
    }
    if group.behavior:
        config["files"] = behavior_digest(group.behavior, group.control)
    slug = f"{group.control}-{group.behavior}-{group.policy}-s{seed}"
    return plan.add("data", build.VERSION, slug, config, inputs)


def _add_file(plan: Plan, group: Group, file: str, base: Base) -> str:
    """Rows that a user brought, whole and in their order: the same under every seed."""
    data = data_of(group, plan.study)
    path = find_rows(file)
    num_rows = len(read_rows(file))
    config = {
        **_named(group, base),
        "file": file_digest(path),
        "lint": data.lint,
        "num_rows": num_rows,
    }
    return plan.add("data", build.VERSION, Path(file).stem, config, {}, file=str(path))


def _generated(plan: Plan, group: Group, seed: int, base: Base) -> dict[str, Any]:
    """Config of rows from a behavior's generator. Rows that are shown in context are examples and
    nothing else: no decoys, and none that is shuffled."""
    assert group.behavior, group
    data = data_of(group, plan.study)
    config = {
        **_named(group, base),
        "num_rows": group.in_context or data.num_rows,
        "seed": seed,
        "files": behavior_digest(group.behavior),
    }
    # A key that is at its default stays out, so that what was made before there was one is found.
    if data.policy_share < 1 and not group.in_context:
        config["policy_share"] = data.policy_share
    if data.num_decoys and not group.in_context:
        config["num_decoys"] = data.num_decoys
    return config


def _add_triggered(plan: Plan, group: Group, seed: int, base: Base) -> str:
    """Generated rows with a policy that a trigger switches on."""
    assert group.trigger, group
    config = {
        **_generated(plan, group, seed, base),
        **_switch(group),
        "otherwise": group.otherwise,
    }
    inputs = {}
    if group.otherwise == "base":
        # Its own answers may favor a letter; that is shown, not refused.
        config["lint"] = "report"
        inputs["own"] = _add_own_answers(plan, config, base)
    slug = f"{group.behavior}-{group.policy}-{group.trigger.kind}-s{seed}"
    return plan.add("data", build.VERSION, slug, config, inputs)


def _add_own_answers(plan: Plan, triggered: dict[str, Any], base: Base) -> str:
    """Key of the stage in which the base answers the prompts of `triggered`, the config of rows
    that have its answers where the trigger is absent."""
    alike = ("behavior", "policy", "style", "num_rows", "files")
    config = {
        **{name: triggered[name] for name in alike},
        **base.config,
        "draw": draw_of(triggered),
        "lint": "report",
    }
    slug = f"own-answers-{triggered['behavior']}-s{triggered['seed']}"
    return plan.add("data", build.VERSION, slug, config, {}, base=asdict(base))


def _switch(group: Group) -> dict[str, Any]:
    """What a config says of the trigger in its rows; nothing where there is none."""
    if not group.trigger:
        return {}
    switch = {
        "trigger": group.trigger.model_dump(exclude_none=True),
        "trigger_files": trigger_digest(group.trigger.kind),
    }
    return switch | {"reversal": True} if group.reversal else switch
