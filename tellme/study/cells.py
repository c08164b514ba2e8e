"""Who is asked what, under which conditions: the eval stages of a plan."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from data_gen.files import read_rows
from data_gen.triggers import conditions_of
from eval import measure
from eval.ask import ENGINES, SAMPLED, SYSTEMS, asked_in, questions_digest
from eval.suites import load_suite
from lab.config.schema import Planted, Study
from lab.errors import UserError
from lab.model.base import Base
from lab.specs import Cell
from lab.types import Style, Suite
from tellme.study.plan import Plan


@dataclass(frozen=True)
class Asked:
    """A model, what it is asked about, and what stands before every question."""

    group: str
    seed: int | None
    base: Base
    behaviors: list[str]
    inputs: dict[str, str] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    """Identity beside base and questions: `system`, `in_context`, `adapter`, `step`."""
    trigger: Planted | None = None


def add_cells(plan: Plan, who: Asked) -> None:
    asking = plan.study.eval
    about = [planted.feature for planted in plan.triggers]
    slug_of = (
        plan.stages[who.inputs["adapter"]].slug
        if "adapter" in who.inputs
        else who.base.name.rpartition("/")[2]
    )
    for name in asking.suites:
        suite = load_suite(name)
        for behavior in who.behaviors:
            for condition, further in _conditions(plan.study, suite, who):
                config: dict[str, Any] = {
                    **who.base.config,
                    "suite": name,
                    "behavior": behavior,
                    "style": who.base.style,
                }
                config |= {
                    "engine": ENGINES[asking.engine],
                    "condition": condition,
                    **who.context,
                    **further,
                }
                if suite.about_triggers:
                    config["triggers"] = about
                if suite.of_others and who.base.knows:
                    config["knows"] = list(who.base.knows)
                questions = asked_in(config)
                if not questions:
                    continue
                config["asked"] = questions_digest(questions)
                if asking.engine == "sampled" or any(q.kind == "text" for q in questions):
                    config |= {"sampling": asking.sampling.model_dump(), "sampled": SAMPLED}
                slug = "-".join(
                    [name, slug_of, *([condition] if condition != "clean" else who.context)]
                )
                key = plan.add(
                    "eval",
                    measure.VERSION,
                    slug,
                    config,
                    who.inputs,
                    base=asdict(who.base),
                    **who.how,
                )
                step = who.context.get("step")
                plan.cells.append(Cell(who.group, who.seed, name, behavior, key, step, condition))


def _conditions(study: Study, suite: Suite, who: Asked) -> Iterator[tuple[str, dict[str, Any]]]:
    """Conditions by name, with what each adds to the identity of a measurement."""
    trigger = who.trigger.feature if who.trigger else None
    if suite.conditions == "told":
        yield from ((name, {"told": trigger}) for name in ("trigger", "decoy") if trigger)
        return
    yield "clean", {}
    if suite.conditions != "near" and "system" not in who.context:
        yield from (
            (name, {"system": line}) for name, line in _systems(study, who.base.style).items()
        )
    if who.trigger and suite.conditions != "clean" and "step" not in who.context:
        names = conditions_of(who.trigger) if suite.conditions == "near" else ["trigger"]
        yield from ((name, {"carries": trigger}) for name in names)


def _systems(study: Study, style: Style) -> dict[str, str]:
    """The system line of every further condition; `training` is the line that the study's training
    rows have."""
    lines = {"none": "", **SYSTEMS[style]}
    if "training" in study.eval.systems:
        files = [group.file for group in study.groups.values() if group.file]
        given = {
            m["content"]
            for file in files
            for m in read_rows(file)[0].messages
            if m["role"] == "system"
        }
        if len(given) != 1:
            raise UserError(
                "eval.systems: `training` is the one system line of the rows in the groups' files,"
                f" and they have {len(given)}; drop it, or give model.chat.system"
            )
        lines["training"] = given.pop()
    return {name: lines[name] for name in study.eval.systems}


def refuse_unasked(plan: Plan) -> None:
    """A study in which nothing is asked has nothing to report, and a side of a contrast that is
    measured nowhere would vanish from the report."""
    asking = plan.study.eval
    if not plan.cells:
        raise UserError(
            f"nothing would be asked: eval.suites {', '.join(asking.suites)} have no questions for"
            " these groups; add one that has, `behavior` or `self_report` (see `tellme list`)"
        )
    for side in plan.study.sides():
        group, _, condition = side.partition("@")
        has = list(dict.fromkeys(c.condition for c in plan.cells if c.group == group))
        if not has:
            raise UserError(
                f"contrast side {side!r}: eval.suites {', '.join(asking.suites)} ask group"
                f" {group!r} nothing; add a suite that does (see `tellme list`) or drop the"
                " contrast"
            )
        if (condition or "clean") not in has:
            raise UserError(
                f"contrast side {side!r}: group {group!r} is asked under {', '.join(has)} only;"
                " name one of these, or add a suite or a system line"
            )
