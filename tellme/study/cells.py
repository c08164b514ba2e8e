"""Who is asked what, under which conditions: the answers and grades of a plan."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_gen.files import read_rows
from data_gen.triggers import conditions_of
from eval.ask import SYSTEMS, asked_digest, is_listed, questions_of
from eval.draws import draws_of, is_drawn
from eval.judges import title
from eval.suites import load_suite
from lab.asked.files import read_file
from lab.config.brought import OtherRows
from lab.config.schema import Group, Study
from lab.discover import QUESTIONS, short
from lab.engines import engine_digest, load_engine
from lab.errors import UserError
from lab.model.base import Base
from lab.model.foreign import Adapter
from lab.specs import AnswerSpec, Asking, Cell, GradeSpec, How
from lab.trigger import Condition, PlantedTrigger
from lab.types import Row, Style, Suite
from tellme.study.groups import data_of
from tellme.study.judges import graded_by
from tellme.study.plan import Plan

MAX_SHOWN = 60
"""Characters of a system line that a refusal repeats."""


@dataclass(frozen=True)
class Subject:
    """A model that is asked, what it is asked about, and what stands before every question."""

    group: str
    seed: int | None
    base: Base
    behaviors: Sequence[str | None]
    """None is no behavior."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Keys of the stage that made its `adapter`, or of the rows that are its `examples`."""
    system: str | None = None
    """The line that it is told instead of being trained."""
    in_context: int | None = None
    step: int | None = None
    adapter: Adapter | None = None
    """One from elsewhere."""
    trigger: PlantedTrigger | None = None
    """The one under which it is asked as well."""


def add_cells(plan: Plan, subject: Subject) -> None:
    """Add the answers and grades, and the cell that says whose they are, for every suite, behavior
    and condition in which there is something to ask the subject."""
    for name in plan.study.eval.suites:
        suite = load_suite(name)
        for behavior in subject.behaviors:
            for condition in _conditions(plan.study, suite, subject):
                asking = Asking(
                    suite=name,
                    behavior=behavior,
                    style=subject.base.style,
                    condition=condition,
                    triggers=tuple(plan.triggers) if suite.about_triggers else (),
                    knows=subject.base.knows if suite.of_others else (),
                    kinds=plan.study.eval.kinds,
                )
                if questions_of(asking):
                    _add_cell(plan, subject, asking)


def _add_cell(plan: Plan, subject: Subject, asking: Asking) -> None:
    suite, condition = short(asking.suite), asking.condition.name
    if "adapter" in subject.inputs:
        model = plan.stages[subject.inputs["adapter"]].slug
    else:
        model = subject.base.name.rpartition("/")[2]
    slug = "-".join([suite, model, *_endings(subject, condition)])
    answers = plan.add(
        slug, _answers(plan.study, subject, asking), subject.inputs, _how(plan, subject)
    )
    graded = graded_by(plan, asking)
    cell = Cell(
        group=subject.group,
        seed=subject.seed,
        suite=suite,
        behavior=asking.about,
        key=plan.add(slug, graded, {"answers": answers}),
        step=subject.step,
        condition=condition,
    )
    plan.cells.append(cell)


def _how(plan: Plan, subject: Subject) -> How:
    """Where the answers of a subject come from, if from a server: it calls adapters by their
    groups."""
    seed = "" if subject.seed is None else f"-s{subject.seed}"
    return How(endpoint=plan.study.run.endpoint, group=f"{subject.group}{seed}")


def _endings(subject: Subject, condition: str) -> list[str]:
    """What tells the answers of one model apart in a folder's name."""
    if condition != "clean":
        return [condition]
    told = {
        "system": subject.system,
        "in_context": subject.in_context,
        "adapter": subject.adapter,
        "step": subject.step,
    }
    return [name for name, value in told.items() if value is not None]


def _answers(study: Study, subject: Subject, asking: Asking) -> AnswerSpec:
    """What identifies the answers of a subject: how answers are sampled or drawn only where any
    are."""
    engine = load_engine(study.eval.engine)
    questions = questions_of(asking)
    sampled = [question for question in questions if not is_listed(question, engine.reads_lists)]
    samples, sampling = bool(sampled), study.eval.sampling
    begun = next((q.name for q in sampled if any(w.prefill for w in q.wordings)), None)
    if begun and sampling.thinking:
        raise UserError(
            f"suite {short(asking.suite)!r}, question {begun!r}: an answer that has begun is not"
            " thought about first; set eval.sampling.thinking to false, or drop its `prefill`"
        )
    draws = any(is_drawn(question, asking, engine.reads_lists) for question in questions)
    return AnswerSpec(
        base=subject.base,
        asking=asking,
        asked=asked_digest(asking, engine.reads_lists),
        engine=study.eval.engine,
        answered=engine.name,
        code=engine_digest(study.eval.engine),
        sampled=engine.sampler if samples or draws else None,
        sampling=sampling if samples else None,
        draws=draws_of(subject.seed) if draws else None,
        in_context=subject.in_context,
        step=subject.step,
        adapter=subject.adapter,
    )


def _conditions(study: Study, suite: Suite, subject: Subject) -> Iterator[Condition]:
    """How a suite asks a subject. A line that stands instead of training stands before every
    question, and makes room for no other."""
    planted, told = subject.trigger, subject.system
    # What shows whether a trigger works is asked with near misses of it too.
    moved = study.primary.moved if study.primary else None
    is_near = suite.conditions == "near" or suite.name == moved
    if suite.conditions == "told":
        if planted:
            for name in ("trigger", "decoy"):
                yield Condition(name=name, system=told, trigger=planted.feature, told=True)
        return
    yield Condition(system=told)
    if not is_near and told is None:
        for name, line in _systems(study, subject.base.style).items():
            yield Condition(name=name, system=line)
    if planted and suite.conditions != "clean" and subject.step is None:
        names = conditions_of(planted) if is_near else ["trigger"]
        for name in names:
            yield Condition(name=name, system=told, trigger=planted.feature)


def _systems(study: Study, style: Style) -> dict[str, str]:
    """The system line of every further condition; `training` is the line that the study's training
    rows have."""
    lines = {"none": "", **SYSTEMS[style]}
    if "training" in study.eval.systems:
        lines["training"] = _training_line(study)
    return {name: lines[name] for name in study.eval.systems}


def _training_line(study: Study) -> str:
    """The system line of the rows of all files, which must be one and the same."""
    files = {
        file: data_of(group, study).learn
        for group in study.groups.values()
        for file in _files(group)
    }
    lines = Counter(_system_of(row) for f, learn in files.items() for row in read_rows(f, learn))
    only = next(iter(lines)) if len(lines) == 1 else None
    if only is None:
        said = ", ".join(f"{_shown(line)} in {number}" for line, number in lines.most_common(3))
        raise UserError(
            "eval.systems: `training` is the one system line of all rows in the groups' files, and"
            f" of these rows {len(lines)} lines are known ({said or 'there are none'}); drop it, or"
            " give model.chat.system"
        )
    return only


def _files(group: Group) -> list[str]:
    other = group.otherwise.file if isinstance(group.otherwise, OtherRows) else None
    return list(filter(None, (group.file, other, *(part.file for part in group.mix))))


def _system_of(row: Row) -> str | None:
    first = row.messages[0]
    return first["content"] if first["role"] == "system" else None


def _shown(line: str | None) -> str:
    return "none" if line is None else repr(line[:MAX_SHOWN])


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
    suites = ", ".join(map(short, plan.study.eval.suites))
    if not plan.cells:
        raise UserError(
            f"nothing would be asked: eval.suites {suites} have no questions for"
            " these groups; add one that has (see `tellme list`), `questions: [FILE.yaml]` of your"
            " own, or name the `behavior` of a group"
        )
    primary = plan.study.primary
    for key, suite in (("suite", primary.suite), ("moved", primary.moved)) if primary else ():
        if suite and not any(cell.suite == suite for cell in plan.cells):
            raise UserError(
                f"primary.{key} {suite!r} asks nothing in this study: it is about behaviors or"
                " triggers that no group has; name another suite, or a file of `questions`"
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


def note_unasked(plan: Plan) -> None:
    """Say which suites ask nobody anything, and which files of questions are read in part."""
    for suite in plan.study.eval.suites:
        if suite.endswith(QUESTIONS) and any(h.notes for h in read_file(Path(suite)).heard):
            plan.notes[f"not all of its keys are used: see `tellme questions {suite}`"] = None
    asked = {cell.suite for cell in plan.cells}
    idle = [short(name) for name in plan.study.eval.suites if short(name) not in asked]
    if idle and asked:
        plan.notes[
            f"not asked, having no questions for these groups: {', '.join(idle)} (eval.suites)"
        ] = None


def refuse_one_model(plan: Plan) -> None:
    """Raises UserError for a contrast of two groups that are one: trained alike on the same rows,
    they share their adapters, and their difference is nothing."""
    for a, b in plan.study.contrasts:
        if isinstance(a, str) and isinstance(b, str) and _grades_of(plan, a) == _grades_of(plan, b):
            raise UserError(
                f"contrast [{a}, {b}] is of one model and itself: both are trained alike on the"
                " same rows, or not at all; drop it, or one of the groups"
            )


def _grades_of(plan: Plan, side: str) -> dict[tuple[str, str, int | None, int | None], str]:
    """The keys of all that a side of a contrast is asked."""
    group, _, condition = side.partition("@")
    return {
        (cell.suite, cell.behavior, cell.seed, cell.step): cell.key
        for cell in plan.cells
        if (cell.group, cell.condition) == (group, condition or "clean")
    }


def refuse_idle_judge(plan: Plan) -> None:
    """Raises UserError for a judge of free text in a study that asks for none."""
    specs = (stage.spec for stage in plan.stages.values())
    asked = [q for spec in specs if isinstance(spec, GradeSpec) for q in questions_of(spec.asking)]
    if plan.study.eval.judge and not any(question.kind == "text" for question in asked):
        raise UserError(
            f"eval.judge {title(plan.study.eval.judge)!r} does nothing: no suite of this study asks"
            " for free text; drop it, or add such a suite or questions of kind `text`"
        )
