"""`tellme show`: rows and questions before a run, with the part that carries loss marked."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from data_gen.behaviors import load_behavior
from data_gen.files import read_rows
from eval.ask import asked
from lab.chat import prompt_text, render
from lab.types import Row
from study.plan import Plan, Stage
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
            print(_learned(_first_row(plan.stages[stage.inputs["data"]], plan), _tokenizer(stage)))
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


def _first_row(data: Stage, plan: Plan) -> Row:
    while data.inputs:
        data = plan.stages[next(iter(data.inputs.values()))]
    if data.how.get("file"):
        return read_rows(data.how["file"])[0]
    behavior, config = load_behavior(data.config["behavior"]), data.config
    rng = Random(f"{config['behavior']}/{config['policy']}/{config['style']}/{config['seed']}")
    return next(iter(islice(behavior.examples(rng, config["policy"], config["style"], "train"), 1)))


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
