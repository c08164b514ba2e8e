"""`tellme show`: rows and questions before a run, with the part that carries loss marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.ask import asked
from lab.chat import prompt_text, render
from lab.types import Row
from study.plan import Plan, Stage, planned_rows
from study.stages import quiet_libraries


def show_study(plan: Plan) -> None:
    """One training row of each group and one wording of each question, through the chat template where the base is here."""
    quiet_libraries()
    shown = set()
    for stage in plan.stages.values():
        group = stage.how.get("group", "").rpartition("-s")[0]
        if stage.kind == "train" and group not in shown:
            shown.add(group)
            print(f"\n== group {group}: one row; between >>> and <<< is learned")
            print(_learned(planned_rows(plan, stage.inputs["data"])[0], _tokenizer(stage)))
    for stage in plan.stages.values():
        if stage.kind != "eval" or (stage.config["suite"], stage.config["behavior"], stage.config["style"]) in shown:
            continue
        shown.add((stage.config["suite"], stage.config["behavior"], stage.config["style"]))
        tokenizer = _tokenizer(stage)
        print(f"\n== suite {stage.config['suite']} of {stage.config['behavior']}")
        for question in asked(stage.config["suite"], stage.config["behavior"], stage.config["style"]):
            wording = question.wordings[0]
            text = prompt_text(tokenizer, [{"role": "user", "content": wording.text}]) if tokenizer else wording.text
            answers = ", ".join(f"{o.text}={o.score:g}" for o in wording.options[:4]) + (
                ", ..." if len(wording.options) > 4 else ""
            )
            print(
                f"-- {question.name} ({len(question.wordings)} wordings, {question.kind})\n{text}\n   answers: {answers}"
            )


def _learned(row: Row, tokenizer: Any) -> str:
    if tokenizer is None:
        return "\n".join(f"{m['role']}: {m['content']}" for m in row.prompt) + f"\nassistant: >>>{row.completion}<<<"
    rendered = render(tokenizer, row.prompt, row.completion)
    return f"{prompt_text(tokenizer, row.prompt)}>>>{tokenizer.decode([*rendered.answer, *rendered.end])}<<<"


def _tokenizer(stage: Stage) -> Any:
    """The base's tokenizer, or None where the base is not on this machine."""
    from transformers import AutoTokenizer

    source = stage.how["base"]["source"]
    return AutoTokenizer.from_pretrained(source) if Path(source).is_dir() else None
