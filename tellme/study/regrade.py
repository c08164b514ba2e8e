"""`tellme grade`: the stored answers of a finished study, graded by another judge. No model is
asked for an answer: only grades and the study itself are made again."""

import json
from dataclasses import replace
from pathlib import Path

from eval.ask import asked_digest, forget, questions_of
from eval.judges import locate_judge
from lab.config.read import validate
from lab.discover import find_path, short
from lab.engines import load_engine
from lab.errors import UserError
from lab.judge import Named
from lab.say import say
from lab.specs import AnswerSpec, Cell, GradeSpec, Stage, StudySpec
from lab.store.store import Store
from tellme.study.cells import refuse_idle_judge
from tellme.study.judges import graded_by, judges_named, refuse_own_judge
from tellme.study.plan import Plan
from tellme.study.run import fetch_bases, read_plan, run_plan


def grade_again(given: str, judge: str) -> Path:
    """The folder of the study with its free answers graded by another judge.

    Raises UserError where `given` is no finished study whose plan and answers are in its run store,
    where its questions have changed, or where the judge may not judge it."""
    found = find_path(given)
    if found is None or not (found / "summary.json").is_file():
        raise UserError(f"{given!r} is no folder of a finished study; give runs/study/NAME-KEY")
    store = Store(found.parent.parent)
    plan = regraded(_plan_of(found, store), store, locate_judge(judge, "--judge"))
    refuse_idle_judge(plan)
    fetch_bases(plan, store)
    for note in plan.notes:
        say(note)
    return run_plan(plan, store, declare=False)


def _plan_of(folder: Path, store: Store) -> Plan:
    """The plan of a finished study, as it was run."""
    files = [store.root / "plans" / f"{folder.name}.json"]
    # A study that was queued has its plan beside what was queued.
    files += sorted((store.root / "slurm" / folder.name).glob("*/plan.json"))
    file = next((path for path in files if path.is_file()), None)
    if file is None:
        raise UserError(
            f"the plan of {folder.name} is not in {store.root}; run its configuration with `--set"
            " eval.judge=FILE`, which finds what was answered"
        )
    stages = read_plan(str(file)).stages
    final = next(s for s in stages.values() if s.kind == "study")
    spec = final.spec
    assert isinstance(spec, StudySpec), final
    written = json.loads(final.how.written)
    # Its groups are those of the sweep already.
    study = validate({key: value for key, value in written.items() if key != "sweep"}, str(file))
    run = study.run.model_copy(update={"dir": str(store.root)})
    trained = [s.inputs["adapter"] for s in stages.values() if "adapter" in s.inputs]
    adapters = {key: key for key in trained}
    return Plan(
        study.model_copy(update={"run": run}),
        stages=stages,
        cells=list(spec.cells),
        adapters=adapters,
        online=True,
    )


def regraded(plan: Plan, store: Store, judge: Named) -> Plan:
    """The plan of a study without what makes rows and adapters, with its answers, which are there,
    and another judge of free text. Raises UserError where answers are not there, or are those to
    other questions."""
    forget()
    asked = plan.study.eval.model_copy(update={"judge": judge})
    again = replace(
        plan, study=plan.study.model_copy(update={"eval": asked}), stages={}, cells=[], judges={}
    )
    keys: dict[str, str] = {}
    for cell in plan.cells:
        keys[cell.key] = _graded_again(again, plan, store, cell)
        again.cells.append(cell.model_copy(update={"key": keys[cell.key]}))
    refuse_own_judge(again)
    _add_study(again, plan.final, keys)
    return again


def _graded_again(again: Plan, plan: Plan, store: Store, cell: Cell) -> str:
    """The key of the grades of a cell, another one where the judge reads any of its answers."""
    before = plan.stages[cell.key]
    answers = plan.stages[before.inputs["answers"]]
    assert isinstance(before.spec, GradeSpec), before
    assert isinstance(answers.spec, AnswerSpec), answers
    if store.find("answers", answers.key) is None:
        raise UserError(f"answers {answers.key} ({answers.slug}) are not in {store.root}")
    again.stages.setdefault(answers.key, answers)
    asking = before.spec.asking
    if not any(question.kind == "text" for question in questions_of(asking)):
        again.stages.setdefault(cell.key, before)
        return cell.key
    if asked_digest(asking, load_engine(answers.spec.engine).reads_lists) != answers.spec.asked:
        raise UserError(
            f"the questions of suite {short(asking.suite)!r} have changed since they were answered;"
            " `tellme run` the study again"
        )
    return again.add(before.slug, graded_by(again, asking), before.inputs)


def _add_study(again: Plan, final: Stage, keys: dict[str, str]) -> None:
    """The last stage, of the grades that there are now. A judge that is chosen after measuring is
    no part of what was registered."""
    spec = final.spec
    assert isinstance(spec, StudySpec), final
    changed: dict[str, object] = {"cells": tuple(again.cells)}
    if spec.primary_suite:
        changed["judges"] = judges_named(again.stages.values(), spec.primary_suite) or spec.judges
    inputs = {name: keys.get(key, key) for name, key in final.inputs.items()}
    written = json.loads(final.how.written)
    judge = again.study.eval.judge
    written.setdefault("eval", {})["judge"] = (
        judge if isinstance(judge, str) else judge and judge.model_dump(exclude_defaults=True)
    )
    how = final.how.model_copy(update={"written": json.dumps(written)})
    again.add(final.slug, spec.model_copy(update=changed), inputs, how)
