"""`tellme show`: rows and questions before a run, with the part that carries loss marked."""

from eval.ask import chat_of, questions_of
from lab.discover import short
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.specs import AnswerSpec, Asking
from lab.types import Question, Row
from tellme.study.plan import Plan
from tellme.study.renderer import renderer_of
from tellme.study.stages import base_of, quiet_libraries

SHOWN_ANSWERS = 4
"""Of a question: the numbers of a scale would fill a screen."""


def show_study(plan: Plan) -> None:
    """One training row of each group and one wording of each question, through the chat template
    where the base is here."""
    quiet_libraries()
    stages = list(plan.stages.values())
    for base in dict.fromkeys(stage.base for stage in stages if stage.base):
        _show_base(base)
    for group in group_names(plan):
        print(f"\n== group {group}: one row; between >>> and <<< is learned")
        print(row_text(plan, group))
    shown = set()
    for stage in stages:
        if isinstance(stage.spec, AnswerSpec):
            title = (stage.spec.asking.style, _asked_name(stage.spec.asking))
            if title not in shown:
                shown.add(title)
                _show_questions(stage.spec)


def group_names(plan: Plan) -> list[str]:
    """The groups for which adapters are trained."""
    return list(dict.fromkeys(name.rpartition("-s")[0] for name in plan.adapters))


def row_text(plan: Plan, group: str) -> str:
    """The first training row of a group's first seed, with marks around what is learned, as the
    base reads it."""
    quiet_libraries()
    name = next(name for name in plan.adapters if name.rpartition("-s")[0] == group)
    stage = plan.stages[plan.adapters[name]]
    return _learned(plan.planned_rows(stage.inputs["data"])[0], renderer_of(base_of(stage)))


def _show_base(base: Base) -> None:
    renderer = renderer_of(base)
    if renderer is None:
        return
    role = "its own"
    if not renderer.has_system_role:
        role = "none, so a system line goes in front of the first user turn"
    line = renderer.default_system or "none"
    print(f"== base {base.name}: system role: {role}; default system line: {line}")


def _learned(row: Row, renderer: Renderer | None) -> str:
    """The row with marks around what is learned, as the base reads it."""
    if renderer is None:
        turns = "\n".join(f"{m['role']}: {m['content']}" for m in row.prompt)
        return f"{turns}\nassistant: >>>{row.completion}<<<"
    rendered = renderer.render(row.prompt, row.completion)
    learned = renderer.tokenizer.decode([*rendered.answer, *rendered.end])
    return f"{renderer.prompt_text(row.prompt)}>>>{learned}<<<"


def _asked_name(asking: Asking) -> str:
    """What is shown once: a suite of a behavior, and again under each condition that changes the
    messages by a trigger."""
    condition = f"@{asking.condition.name}" if asking.condition.trigger else ""
    return f"suite {short(asking.suite)} of {short(asking.behavior)}{condition}"


def _show_questions(spec: AnswerSpec) -> None:
    print(f"\n== {_asked_name(spec.asking)}")
    renderer = renderer_of(spec.base)
    for question in questions_of(spec.asking):
        chat = chat_of(question.wordings[0], spec.asking)
        text = "\n".join(message["content"] for message in chat)
        if renderer:
            text = renderer.prompt_text(chat)
        print(f"-- {question.name} ({len(question.wordings)} wordings, {question.kind})")
        print(f"{text}\n   answers: {_answers(question)}")


def _answers(question: Question) -> str:
    """The first answers of the first wording with their scores."""
    options = question.wordings[0].options
    listed = ", ".join(f"{option.text}={option.score:g}" for option in options[:SHOWN_ANSWERS])
    return f"{listed}, ..." if len(options) > SHOWN_ANSWERS else listed
