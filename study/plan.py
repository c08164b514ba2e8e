"""From a study to its stages in order: what each reads, and the key that names its output."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_gen import build
from data_gen.behaviors import behavior_digest, behavior_names, load_behavior
from data_gen.files import read_rows
from eval import measure
from eval.ask import ENGINES, NEUTRAL, asked, asked_digest
from eval.suites import load_suite
from lab.base import Base, resolve_adapter, resolve_base
from lab.config import Data, Group, Model, Study
from lab.discover import find_path
from lab.errors import UserError, unknown
from lab.store import digest, file_digest, make_key
from lab.types import Message, Row, Style
from train import sft

STUDY_VERSION = 2
ITS_OWN = {"revision": None, "trust_remote_code": False}
"""Keys of `model` that were said of the study's base and hold for no other."""


@dataclass(frozen=True)
class Stage:
    """One folder of the run store. `config` is identity and made the key; `how` may change no number."""

    kind: str
    slug: str
    key: str
    config: dict[str, Any]
    inputs: dict[str, str]
    how: dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """Which eval output is which group's: the names that no eval key holds."""

    group: str
    seed: int | None
    suite: str
    behavior: str
    key: str
    step: int | None = None
    """Optimizer step at which the adapter is measured; None is the end of training."""


@dataclass
class Plan:
    study: Study
    stages: dict[str, Stage] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    provisional: bool = False
    online: bool = False

    def add(
        self, kind: str, version: int, slug: str, config: dict[str, Any], inputs: dict[str, str], **how: Any
    ) -> str:
        key = make_key(kind, version, config, sorted(inputs.values()))
        self.stages.setdefault(key, Stage(kind, slug, key, config, inputs, how))
        return key

    @property
    def final(self) -> Stage:
        return list(self.stages.values())[-1]


def make_plan(study: Study, online: bool = False) -> Plan:
    """Resolve names and bases, and lay out data -> train -> eval -> study; raises UserError before anything is written.

    `online` lets a Hub base that is not in the cache be looked up.
    """
    for suite in study.eval.suites:
        load_suite(suite)
    plan = Plan(study, online=online)
    groups = {name: resolved(name, group, study) for name, group in study.groups.items()}
    behaviors = sorted({g.behavior for g in groups.values() if g.behavior})
    if not behaviors:
        raise UserError(
            f"no group of {study.study!r} names a behavior, so there is nothing to ask; add `behavior: NAME` ({', '.join(behavior_names())})"
        )
    if study.primary and study.primary.suite not in study.eval.suites:
        raise unknown("primary.suite", study.primary.suite, study.eval.suites)
    study_base = resolve_base(study.model, online)
    _add_cells(plan, "base", None, study_base, behaviors, {}, {})
    bases = {name: resolve_base(_model(group, study), online) for name, group in groups.items()}
    for name, group in groups.items():
        _add_group(plan, name, group, groups, behaviors, bases[name])
    _refuse_foreign_base(study, study_base, bases)
    plan.provisional |= any(s.how.get("base", {}).get("provisional") for s in plan.stages.values())
    config = {
        "study": study.study,
        "cells": [asdict(c) for c in plan.cells],
        "contrasts": study.contrasts,
        "primary": study.primary.model_dump() if study.primary else None,
    }
    if study.points:
        config["points"] = study.points
    written = study.model_dump(mode="json", exclude={"run"}, exclude_defaults=True)
    plan.add(
        "study",
        STUDY_VERSION,
        study.study,
        config,
        {f"{c.group}/{c.seed}/{c.step}/{c.suite}/{c.behavior}": c.key for c in plan.cells},
        written=written,
    )
    return plan


def _refuse_foreign_base(study: Study, base: Base, bases: dict[str, Base]) -> None:
    """`base` is the study's model; a group trained on another one has nothing to do with it."""
    for pair in study.contrasts:
        sides = {s.partition("@")[0] for side in pair for s in ([side] if isinstance(side, str) else side)}
        for name in sides - {"base"} if "base" in sides else set():
            if not isinstance(study.groups[name].model, str) and bases[name].config != base.config:
                raise UserError(
                    f"contrast {pair!r}: group {name!r} has a base of its own, so `base` ({base.name}) is no control"
                    " for it; add a group {model: ID} for its base and name that"
                )


def planned_rows(plan: Plan, key: str) -> list[Row]:
    """The rows a data stage will write, made now."""
    stage = plan.stages[key]
    source = next((planned_rows(plan, parent) for parent in stage.inputs.values()), None)
    return build.rows_for(stage.config, source, stage.how.get("file"))


def resolved(name: str, group: Group, study: Study) -> Group:
    """The group with its names checked; a control is trained as the group it controls, unless it says otherwise."""
    if group.of:
        source = study.groups[group.of]
        merged = {key: getattr(source, key) | getattr(group, key) for key in ("data", "lora", "sft")}
        names = {"behavior": source.behavior, "policy": source.policy, "model": group.model or source.model}
        group = group.model_copy(update=names | merged)
    behavior, policy = group.behavior, group.prompted or group.policy
    if group.control not in (None, "shuffled", "clean", "always_a") and not (behavior and policy):
        raise UserError(
            f"groups.{name}: control {group.control!r} is made from the questions of a behavior; name `behavior` and `policy`"
            f" in group {group.of!r}"
        )
    if group.prompted and not behavior:
        known = {g.behavior for g in study.groups.values() if g.behavior}
        if len(known) != 1:
            raise UserError(f"groups.{name}: `prompted` needs `behavior` where the study has {len(known)} behaviors")
        (behavior,) = known
        group = group.model_copy(update={"behavior": behavior})
    if behavior and policy and policy not in load_behavior(behavior).policies:
        raise unknown(f"groups.{name}: policy of {behavior!r}", policy, load_behavior(behavior).policies)
    if behavior:
        load_behavior(behavior)
    return group


def _add_group(plan: Plan, name: str, group: Group, groups: dict[str, Group], behaviors: list[str], base: Base) -> None:
    study = plan.study
    asks = [group.behavior] if group.behavior else behaviors
    if isinstance(group.model, str):
        _add_cells(plan, name, None, base, asks, {}, {})
    elif group.prompted:
        told = load_behavior(str(group.behavior)).described(group.prompted, base.style)
        _add_cells(plan, name, None, base, asks, {}, {}, system=told)
    elif group.adapter:
        found = resolve_adapter(f"groups.{name}.adapter", group.adapter, base, group.declares, plan.online)
        plan.provisional |= found.provisional
        how = {"adapter_source": found.source, "adapter_revision": found.revision}
        _add_cells(plan, name, None, base, asks, {}, how, adapter=found.identity)
    else:
        for seed in study.seeds:
            data = _add_data(plan, group, seed, base, groups)
            if group.in_context:
                _add_cells(plan, name, seed, base, asks, {"examples": data}, {}, in_context=group.in_context)
                continue
            adapter = _add_train(plan, name, group, seed, base, data)
            _add_cells(plan, name, seed, base, asks, {"adapter": adapter}, {})
            for step in study.eval.steps:
                _add_cells(plan, name, seed, base, asks, {"adapter": adapter}, {}, step=step)


def _model(group: Group, study: Study) -> Model:
    if isinstance(group.model, str):
        return study.model.model_copy(update=ITS_OWN | {"base": group.model})
    given = group.model or {}
    return Model.model_validate(study.model.model_dump() | (ITS_OWN if "base" in given else {}) | given)


def _add_data(plan: Plan, group: Group, seed: int, base: Base, groups: dict[str, Group]) -> str:
    data = Data.model_validate(plan.study.data.model_dump() | group.data)
    named: dict[str, Any] = {"behavior": group.behavior, "policy": group.policy, "style": base.style}
    if group.control:
        source = groups[str(group.of)]
        inputs = {"rows": _add_data(plan, source.model_copy(update={"data": group.data}), seed, base, groups)}
        config = {"control": group.control, "seed": seed, "lint": "report", **named}
        if group.behavior:
            config["files"] = behavior_digest(group.behavior)
        return plan.add(
            "data", build.VERSION, f"{group.control}-{group.behavior}-{group.policy}-s{seed}", config, inputs
        )
    if group.file:
        path = find_path(group.file)
        num_rows = len(read_rows(group.file))
        config = {"file": file_digest(Path(str(path))), "lint": data.lint, "num_rows": num_rows, **named}
        return plan.add("data", build.VERSION, Path(group.file).stem, config, {}, file=str(path))
    config = {
        **named,
        "num_rows": group.in_context or data.num_rows,
        "seed": seed,
        "files": behavior_digest(str(group.behavior)),
    }
    if data.planted < 1 and not group.in_context:
        config["planted"] = data.planted
    if data.num_decoys and not group.in_context:
        config["num_decoys"] = data.num_decoys
    return plan.add("data", build.VERSION, f"{group.behavior}-{group.policy}-s{seed}", config, {})


def _add_train(plan: Plan, name: str, group: Group, seed: int, base: Base, data: str) -> str:
    study = plan.study
    settings = {"lora": study.lora | group.lora, "sft": sft.DEFAULTS | study.sft | group.sft}
    drawn = {name: value for name, value in plan.stages[data].config.items() if name != "files"}
    stream = int(digest([drawn, settings, seed])[:8], 16) % 2**31
    config = {**base.config, **settings, "seed": seed, "stream": stream}
    if study.eval.steps:
        config["steps"] = list(study.eval.steps)
        last = sft.num_steps(len(planned_rows(plan, data)), settings["sft"])
        if study.eval.steps[-1] > last:
            raise UserError(
                f"eval.steps has {study.eval.steps[-1]}, and training of group {name!r} ends after {last} steps; drop it or train longer"
            )
    label = f"{name}-s{seed}"
    slug = f"{group.control or Path(group.file or '').stem or group.behavior}-{group.policy or 'rows'}-s{seed}"
    return plan.add(
        "train",
        sft.VERSION,
        slug,
        config,
        {"data": data},
        base=asdict(base),
        group=label,
        name=study.study,
        report_to=list(study.run.report_to),
    )


def _add_cells(
    plan: Plan,
    name: str,
    seed: int | None,
    base: Base,
    behaviors: list[str],
    inputs: dict[str, str],
    how: dict[str, Any],
    **context: Any,
) -> None:
    asking = plan.study.eval
    lines = {"clean": context} | ({} if "system" in context else _systems(plan, base.style, context))
    combinations = [(suite, b) for suite in asking.suites for b in behaviors if asked(suite, b, base.style)]
    for suite, behavior in combinations:
        generates = asking.engine == "sampled" or any(q.kind == "text" for q in asked(suite, behavior, base.style))
        for condition, context in lines.items():
            config = {
                **base.config,
                "suite": suite,
                "behavior": behavior,
                "style": base.style,
                "asked": asked_digest(suite, behavior, base.style),
                "engine": ENGINES[asking.engine],
                "condition": condition,
                **({"sampling": asking.sampling.model_dump()} if generates else {}),
                **context,
            }
            asked_of = plan.stages[inputs["adapter"]].slug if "adapter" in inputs else base.name.rpartition("/")[2]
            slug = "-".join([suite, asked_of, *([condition] if condition != "clean" else context)])
            key = plan.add("eval", measure.VERSION, slug, config, inputs, base=asdict(base), **how)
            plan.cells.append(Cell(name, seed, suite, behavior, key, context.get("step")))


def _systems(plan: Plan, style: Style, context: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The system line of every further condition; `training` is the line that the study's training rows have."""
    lines: dict[str, str] = {"none": "", "neutral": NEUTRAL[style]}
    if "training" in plan.study.eval.systems:
        given = {
            row["content"] for group in plan.study.groups.values() if group.file for row in _first_system(group.file)
        }
        if len(given) != 1:
            raise UserError(
                f"eval.systems: `training` is the one system line of the rows in the groups' files, and they have {len(given)}; drop it, or give model.chat.system"
            )
        lines["training"] = given.pop()
    return {name: {**context, "system": lines[name]} for name in plan.study.eval.systems}


def _first_system(file: str) -> list[Message]:
    return [m for m in read_rows(file)[0].messages if m["role"] == "system"]
