"""Who is asked what, under which conditions: the eval stages of a plan."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from data_gen.files import read_rows
from data_gen.triggers import conditions_of
from eval import measure
from eval.ask import ENGINES, SAMPLED, SYSTEMS, asked_in, questions_digest
from eval.suites import load_suite
from lab.config.schema import PlantedTrigger, Study
from lab.errors import UserError
from lab.model.base import Base
from lab.specs import Cell
from lab.types import Question, Style, Suite
from tellme.study.plan import Plan


@dataclass(frozen=True)
class Subject:
    """A model that is asked, what it is asked about, and what stands before every question."""

    group: str
    seed: int | None
    base: Base
    behaviors: list[str]
    inputs: dict[str, str] = field(default_factory=dict)
    """Keys of the stage that made its `adapter`, or of the rows that are its `examples`."""
    how: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    """Identity beside base and questions: `system`, `in_context`, `adapter`, `step`."""
    trigger: PlantedTrigger | None = None
    """The one under which it is asked as well."""


def add_cells(plan: Plan, subject: Subject) -> None:
    """Add an eval stage, and the cell that says whose it is, for every suite, behavior and
    condition in which there is something to ask the subject."""
    for name in plan.study.eval.suites:
        suite = load_suite(name)
        for behavior in subject.behaviors:
            for condition, addition in _conditions(plan.study, suite, subject):
                config = {
                    **subject.base.config,
                    "suite": name,
                    "behavior": behavior,
                    "style": subject.base.style,
                    "engine": ENGINES[plan.study.eval.engine],
                    "condition": condition,
                    **subject.context,
                    **addition,
                    **_what_about(plan, suite, subject),
                }
                questions = asked_in(config)
                if questions:
                    _add_cell(plan, subject, config | _how_asked(plan.study, questions))


def _what_about(plan: Plan, suite: Suite, subject: Subject) -> dict[str, Any]:
    """What the questions of some suites depend on beside the behavior: the triggers of the study,
    and the behaviors that a reference model knows."""
    topics: dict[str, Any] = {}
    if suite.about_triggers:
        topics["triggers"] = [planted.feature for planted in plan.triggers]
    if suite.of_others and subject.base.knows:
        topics["knows"] = list(subject.base.knows)
    return topics


def _how_asked(study: Study, questions: tuple[Question, ...]) -> dict[str, Any]:
    """The content of the questions, and the settings of sampling where any answer is sampled."""
    settings: dict[str, Any] = {"asked": questions_digest(questions)}
    if study.eval.engine == "sampled" or any(question.kind == "text" for question in questions):
        settings["sampling"] = study.eval.sampling.model_dump()
        settings["sampled"] = SAMPLED
    return settings


def _add_cell(plan: Plan, subject: Subject, config: dict[str, Any]) -> None:
    if "adapter" in subject.inputs:
        model = plan.stages[subject.inputs["adapter"]].slug
    else:
        model = subject.base.name.rpartition("/")[2]
    suite, condition = config["suite"], config["condition"]
    ending = [condition] if condition != "clean" else list(subject.context)
    key = plan.add(
        "eval",
        measure.VERSION,
        "-".join([suite, model, *ending]),
        config,
        subject.inputs,
        base=asdict(subject.base),
        **subject.how,
    )
    cell = Cell(
        subject.group,
        subject.seed,
        suite,
        config["behavior"],
        key,
        subject.context.get("step"),
        condition,
    )
    plan.cells.append(cell)


def _conditions(
    study: Study, suite: Suite, subject: Subject
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Conditions by name, with what each adds to the identity of a measurement."""
    planted = subject.trigger
    if suite.conditions == "told":
        if planted:
            yield "trigger", {"told": planted.feature}
            yield "decoy", {"told": planted.feature}
        return
    yield "clean", {}
    if suite.conditions != "near" and "system" not in subject.context:
        for name, line in _systems(study, subject.base.style).items():
            yield name, {"system": line}
    if planted and suite.conditions != "clean" and "step" not in subject.context:
        names = conditions_of(planted) if suite.conditions == "near" else ["trigger"]
        for name in names:
            yield name, {"carries": planted.feature}


def _systems(study: Study, style: Style) -> dict[str, str]:
    """The system line of every further condition; `training` is the line that the study's training
    rows have."""
    lines = {"none": "", **SYSTEMS[style]}
    if "training" in study.eval.systems:
        lines["training"] = _training_line(study)
    return {name: lines[name] for name in study.eval.systems}


def _training_line(study: Study) -> str:
    """The system line of the first row of every file, which must be one and the same."""
    lines = set()
    for group in study.groups.values():
        if group.file:
            first_row = read_rows(group.file)[0]
            lines |= {m["content"] for m in first_row.messages if m["role"] == "system"}
    if len(lines) != 1:
        raise UserError(
            "eval.systems: `training` is the one system line of the rows in the groups' files,"
            f" and they have {len(lines)}; drop it, or give model.chat.system"
        )
    return lines.pop()


def refuse_untriggered(suites: list[Suite]) -> None:
    """Raises UserError for a suite that has nothing to ask in a study without a trigger."""
    for suite in suites:
        if suite.about_triggers or suite.conditions == "told":
            raise UserError(
                f"suite {suite.name!r} asks about triggers, and no group has one; give a group"
                " `trigger: {kind: tag}` and `otherwise`, or drop the suite"
            )


def refuse_unasked(plan: Plan) -> None:
    """A study in which nothing is asked has nothing to report, and a side of a contrast that is
    measured nowhere would vanish from the report."""
    suites = ", ".join(plan.study.eval.suites)
    if not plan.cells:
        raise UserError(
            f"nothing would be asked: eval.suites {suites} have no questions for"
            " these groups; add one that has, `behavior` or `self_report` (see `tellme list`)"
        )
    for side in plan.study.sides():
        group, _, condition = side.partition("@")
        has = list(dict.fromkeys(cell.condition for cell in plan.cells if cell.group == group))
        if not has:
            raise UserError(
                f"contrast side {side!r}: eval.suites {suites} ask group"
                f" {group!r} nothing; add a suite that does (see `tellme list`) or drop the"
                " contrast"
            )
        if (condition or "clean") not in has:
            raise UserError(
                f"contrast side {side!r}: group {group!r} is asked under {', '.join(has)} only;"
                " name one of these, or add a suite or a system line"
            )
