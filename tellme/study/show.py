"""`tellme show`: rows and questions before a run, with the part that carries loss marked."""

from eval.ask import asked_in, messages
from lab.model.chat import Renderer
from lab.types import Row
from tellme.study.plan import Plan, planned_rows
from tellme.study.planting import renderer_of
from tellme.study.stages import base_of, quiet_libraries


def show_study(plan: Plan) -> None:
    """One training row of each group and one wording of each question, through the chat template
    where the base is here."""
    quiet_libraries()
    shown: set[str | tuple[str, ...]] = set()
    for base in dict.fromkeys(
        base_of(stage) for stage in plan.stages.values() if "base" in stage.how
    ):
        renderer = renderer_of(base)
        if renderer:
            system = (
                "its own"
                if renderer.has_system_role
                else "none, so a system line goes in front of the first user turn"
            )
            print(
                f"== base {base.name}: system role: {system}; default system line:"
                f" {renderer.default_system or 'none'}"
            )
    for name, key in plan.adapters.items():
        group, stage = name.rpartition("-s")[0], plan.stages[key]
        if group not in shown:
            shown.add(group)
            print(f"\n== group {group}: one row; between >>> and <<< is learned")
            row = planned_rows(plan, stage.inputs["data"])[0]
            print(_learned(row, renderer_of(base_of(stage))))
    for stage in plan.stages.values():
        if stage.kind != "eval":
            continue
        config = stage.config
        triggered = config["condition"] if {"carries", "told"} & set(config) else ""
        at = (config["suite"], config["behavior"], config["style"], triggered)
        if at in shown:
            continue
        shown.add(at)
        renderer = renderer_of(base_of(stage))
        print(
            f"\n== suite {config['suite']} of {config['behavior']}{triggered and '@' + triggered}"
        )
        for question in asked_in(config):
            wording = question.wordings[0]
            chat = messages(wording, [], config)
            text = renderer.prompt_text(chat) if renderer else "\n".join(m["content"] for m in chat)
            answers = ", ".join(f"{o.text}={o.score:g}" for o in wording.options[:4]) + (
                ", ..." if len(wording.options) > 4 else ""
            )
            print(
                f"-- {question.name} ({len(question.wordings)} wordings, {question.kind})\n{text}\n"
                f"   answers: {answers}"
            )


def _learned(row: Row, renderer: Renderer | None) -> str:
    if renderer is None:
        return (
            "\n".join(f"{m['role']}: {m['content']}" for m in row.prompt)
            + f"\nassistant: >>>{row.completion}<<<"
        )
    rendered = renderer.render(row.prompt, row.completion)
    return f"{renderer.prompt_text(row.prompt)}>>>{renderer.tokenizer.decode([*rendered.answer, *rendered.end])}<<<"
