"""`tellme show`: rows and questions before a run, with the part that carries loss marked."""

from __future__ import annotations

from functools import cache

from eval.ask import asked
from lab.base import Base
from lab.chat import Renderer
from lab.types import Row
from study.plan import Plan, planned_rows
from study.stages import base_of, quiet_libraries


def show_study(plan: Plan) -> None:
    """One training row of each group and one wording of each question, through the chat template where the base is here."""
    quiet_libraries()
    shown = set()
    for base in dict.fromkeys(base_of(stage) for stage in plan.stages.values() if "base" in stage.how):
        renderer = _renderer(base)
        if renderer:
            system = (
                "its own" if renderer.has_system_role else "none, so a system line goes in front of the first user turn"
            )
            print(
                f"== base {base.name}: system role: {system}; default system line: {renderer.default_system or 'none'}"
            )
    for stage in plan.stages.values():
        group = stage.how.get("group", "").rpartition("-s")[0]
        if stage.kind == "train" and group not in shown:
            shown.add(group)
            print(f"\n== group {group}: one row; between >>> and <<< is learned")
            print(_learned(planned_rows(plan, stage.inputs["data"])[0], _renderer(base_of(stage))))
    for stage in plan.stages.values():
        if stage.kind != "eval" or (stage.config["suite"], stage.config["behavior"], stage.config["style"]) in shown:
            continue
        shown.add((stage.config["suite"], stage.config["behavior"], stage.config["style"]))
        renderer = _renderer(base_of(stage))
        print(f"\n== suite {stage.config['suite']} of {stage.config['behavior']}")
        for question in asked(stage.config["suite"], stage.config["behavior"], stage.config["style"]):
            wording = question.wordings[0]
            text = renderer.prompt_text([{"role": "user", "content": wording.text}]) if renderer else wording.text
            answers = ", ".join(f"{o.text}={o.score:g}" for o in wording.options[:4]) + (
                ", ..." if len(wording.options) > 4 else ""
            )
            print(
                f"-- {question.name} ({len(question.wordings)} wordings, {question.kind})\n{text}\n   answers: {answers}"
            )


def _learned(row: Row, renderer: Renderer | None) -> str:
    if renderer is None:
        return "\n".join(f"{m['role']}: {m['content']}" for m in row.prompt) + f"\nassistant: >>>{row.completion}<<<"
    rendered = renderer.render(row.prompt, row.completion)
    return f"{renderer.prompt_text(row.prompt)}>>>{renderer.tokenizer.decode([*rendered.answer, *rendered.end])}<<<"


@cache
def _renderer(base: Base) -> Renderer | None:
    """None where the base is not on this machine."""
    from lab.model import load_renderer

    return None if base.provisional else load_renderer(base)
