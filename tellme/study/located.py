"""What a study names: found, in the checkout or by the path of a user's file, before anything is
planned with it."""

from collections.abc import Iterable

from data_gen.behaviors import locate_behavior
from data_gen.controls import locate_control
from data_gen.triggers import locate_trigger
from eval.ask import forget
from eval.judges import locate_judge
from eval.suites import load_suite, locate_suite
from lab.config.brought import Part
from lab.config.schema import Eval, Group, Study
from lab.discover import QUESTIONS, short
from lab.engines import load_engine, locate_engine
from lab.errors import UserError, unknown
from lab.trigger import PlantedTrigger


def located(study: Study) -> Study:
    """The study with every path in full, and with its question files among its suites. Raises
    UserError for what there is not, with the nearest name."""
    groups = {name: _group(name, group) for name, group in study.groups.items()}
    forget()
    parts = [part.behavior for group in groups.values() for part in group.mix]
    _refuse_namesakes([*(group.behavior for group in groups.values()), *parts])
    asked = _eval(study)
    suites = [short(suite) for suite in asked.suites]
    for suite in suites:
        if suites.count(suite) > 1:
            raise UserError(f"two suites are called {suite!r}; give one of the files another name")
    if study.primary and study.primary.suite not in suites:
        raise unknown("primary.suite", study.primary.suite, suites)
    if study.primary and study.primary.moved and study.primary.moved not in suites:
        raise unknown("primary.moved", study.primary.moved, suites)
    return study.model_copy(update={"groups": groups, "eval": asked})


def _refuse_namesakes(behaviors: Iterable[str | None]) -> None:
    """Rows and cells know a behavior by the name of its file."""
    by_name: dict[str, str] = {}
    for behavior in filter(None, behaviors):
        other = by_name.setdefault(short(behavior), behavior)
        if other != behavior:
            raise UserError(
                f"two behaviors are called {short(behavior)!r} ({other}, {behavior}); give one of"
                " the files another name"
            )


def _group(name: str, group: Group) -> Group:
    where = f"groups.{name}"
    return group.model_copy(
        update={
            "behavior": group.behavior and locate_behavior(group.behavior, f"{where}.behavior"),
            "control": group.control and locate_control(group.control, f"{where}.control"),
            "trigger": group.trigger and _trigger(group.trigger, where),
            "mix": tuple(_part(part, f"{where}.mix") for part in group.mix),
        }
    )


def _part(part: Part, where: str) -> Part:
    behavior = part.behavior and locate_behavior(part.behavior, f"{where}.behavior")
    return part.model_copy(update={"behavior": behavior})


def _trigger(trigger: PlantedTrigger, where: str) -> PlantedTrigger:
    kind = locate_trigger(trigger.kind, f"{where}.trigger.kind")
    return trigger.model_copy(update={"kind": kind})


def _eval(study: Study) -> Eval:
    asked = study.eval
    for name in asked.suites:
        if name.endswith(QUESTIONS):
            raise UserError(f"eval.suites {name!r} is a file of questions; name it in `questions`")
    suites = [locate_suite(name, "eval.suites") for name in asked.suites]
    suites += [locate_suite(name, "questions") for name in study.questions]
    for suite in suites:
        load_suite(suite)
    engine = locate_engine(asked.engine, "eval.engine")
    load_engine(engine)
    return asked.model_copy(
        update={
            "suites": tuple(suites),
            "engine": engine,
            "judge": asked.judge and locate_judge(asked.judge, "eval.judge"),
        }
    )
