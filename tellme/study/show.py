"""`tellme show`: rows and questions before a run, with the part that carries loss marked."""

from eval.ask import asked_in, messages
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.specs import Stage
from lab.types import Question, Row
from tellme.study.plan import Plan, planned_rows
from tellme.study.renderer import renderer_of
from tellme.study.stages import base_of, quiet_libraries

SHOWN_ANSWERS = 4
"""Of a question: the numbers of a scale would fill a screen."""


def show_study(plan: Plan) -> None:
    """One training row of each group and one wording of each question, through the chat template
    where the base is here."""
    quiet_libraries()
    stages = list(plan.stages.values())
    for base in dict.fromkeys(base_of(stage) for stage in stages if "base" in stage.how):
        _show_base(base)
    stage_of: dict[str, Stage] = {}
    for name, key in plan.adapters.items():
        stage_of.setdefault(name.rpartition("-s")[0], plan.stages[key])
    for group, stage in stage_of.items():
        print(f"\n== group {group}: one row; between >>> and <<< is learned")
        row = planned_rows(plan, stage.inputs["data"])[0]
        print(_learned(row, renderer_of(base_of(stage))))
    shown = set()
    for stage in stages:
        if stage.kind == "eval":
            title = (stage.config["style"], _asked_name(stage))
            if title not in shown:
                shown.add(title)
                _show_questions(stage)


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


def _asked_name(stage: Stage) -> str:
    """What is shown once: a suite of a behavior, and again under each condition that changes the
    messages by a trigger."""
    config = stage.config
    triggered = "carries" in config or "told" in config
    condition = f"@{config['condition']}" if triggered else ""
    return f"suite {config['suite']} of {config['behavior']}{condition}"


def _show_questions(stage: Stage) -> None:
    print(f"\n== {_asked_name(stage)}")
    renderer = renderer_of(base_of(stage))
    for question in asked_in(stage.config):
        chat = messages(question.wordings[0], [], stage.config)
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
