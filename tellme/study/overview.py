"""What `tellme plan` and `tellme list` print: what a study will do and cost, and what there is."""

from collections.abc import Iterable

from data_gen.behaviors import behavior_names, load_behavior
from data_gen.triggers import load_trigger, trigger_names
from eval.suites import load_suite, suite_names
from lab.discover import ROOT
from lab.model.base import CARD, base_of_record, reference_names
from lab.model.memory import weight_bytes
from lab.store.store import Store, read_json
from tellme.study.cost import SEED_DEVIATIONS, costs, detectable_effects
from tellme.study.plan import Plan

KINDS = ("data", "train", "eval", "study")


def plan_text(plan: Plan, store: Store) -> str:
    """Key, bases, stages, cost per adapter, and the difference that the seeds can find."""
    provisional = " (provisional)" if plan.provisional else ""
    head = f"study {plan.study.study}, key {plan.final.key}{provisional}, store {store.root}"
    kinds = [stage.kind for stage in plan.stages.values()]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS if kind in kinds)
    lines = [head, *_base_lines(plan), f"stages: {counted}"]
    lines.append(f"{'adapter':<36} {'rows':>7} {'steps':>7} {'tokens':>10}  key")
    listed = costs(plan)
    lines += [
        f"{c['group']:<36} {c['rows']:7d} {c['steps']:7d} {c['tokens']:10d}  {c['key']}"
        for c in listed
    ]
    steps, tokens = (sum(c[of] for c in listed) for of in ("steps", "tokens"))
    lines.append(f"in all: {steps} optimizer steps, {tokens} tokens")
    return "\n".join([*lines, *_effect_lines(plan)])


def _base_lines(plan: Plan) -> Iterable[str]:
    records = [stage.how["base"] for stage in plan.stages.values() if "base" in stage.how]
    for base in {record["name"]: base_of_record(record) for record in records}.values():
        yield f"base {base.name}: {base.identity}, {base.dtype}, {base.style} prompts"
        weights = weight_bytes(base)
        if weights is not None:
            yield f"  weights {weights / 1e9:.3g} GB in memory"
        if base.provisional:
            yield (
                "  not on this machine: keys are provisional until its commit is known,"
                " tokens are estimated"
            )


def _effect_lines(plan: Plan) -> Iterable[str]:
    spread = " / ".join(map(str, SEED_DEVIATIONS))
    for found in detectable_effects(plan):
        effects = " / ".join("-" if e is None else f"{e:.2f}" for e in found["effects"])
        yield (
            f"{found['contrast']}, {found['seeds']} seeds: found with 80 % power from a difference"
            f" of {effects} on, for models that vary by {spread}"
        )


def list_text() -> str:
    """Behaviors, triggers, suites and reference models of this checkout."""
    lines = ["behaviors (data_gen/behaviors/)"]
    for name in behavior_names():
        behavior = load_behavior(name)
        lines.append(f"  {name:<16} {' / '.join(behavior.policies):<28} {behavior.summary}")
    lines.append("triggers (data_gen/triggers/)")
    for name in trigger_names():
        trigger = load_trigger(name)
        lines.append(f"  {name:<16} {trigger.summary}; text: {trigger.example!r}")
    lines.append("suites (eval/suites/)")
    lines += [f"  {name:<16} {load_suite(name).summary}" for name in suite_names()]
    lines.append("reference models (reference/)")
    for name in reference_names():
        card = read_json(ROOT / name / CARD)
        size = card["parameters"] / 1e6
        lines.append(f"  {name:<24} link {card['rho']:+g}, {size:.1f}M parameters")
    return "\n".join(lines)
