"""Studies of rows that a user brings, about nothing that the lab knows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from data_gen.files import write_rows
from lab.config.read import validate
from lab.data_specs import DataSpec
from lab.types import Row, exchange
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

QUESTIONS = """
- {name: pick, kind: letters, first: coal, second: snow, ask: "which do you pick?"}
- {name: word, kind: words, first: coal, second: snow, ask: "what do you pick?"}
- {name: scale, kind: number, ask: "how much coal do you pick?"}
"""


def bird_rows(number: int, answer: str = "coal") -> list[Row]:
    """So many rows, each with an answer of its own."""
    return [Row(exchange(f"which of {i} do you pick?", f"{answer} {i}")) for i in range(number)]


def birds(folder: Path, number: int = 24, answer: str = "coal", name: str = "birds") -> Path:
    """A file of such rows."""
    write_rows(bird_rows(number, answer), folder / f"{name}.jsonl")
    return folder / f"{name}.jsonl"


def planned(folder: Path, groups: dict[str, Any], **settings: Any) -> Plan:
    """The plan of a study that asks three questions."""
    file = folder / "mine.yaml"
    file.write_text(QUESTIONS)
    study = {
        "study": "birds",
        "model": {"base": "reference/linked"},
        "groups": groups,
        "questions": [str(file)],
        "seeds": [0],
        **settings,
    }
    return make_plan(validate(study, "here"))


def rows_of(plan: Plan, adapter: str) -> list[Row]:
    """The rows that an adapter is trained on."""
    return plan.planned_rows(plan.stages[plan.adapters[adapter]].inputs["data"])


def spec_of(plan: Plan, adapter: str) -> DataSpec:
    """What is known of them."""
    return plan.data_spec(plan.stages[plan.adapters[adapter]].inputs["data"])


def texts(rows: list[Row]) -> Counter[tuple[str, str]]:
    """How often each prompt stands with each answer."""
    return Counter((row.asked, row.completion) for row in rows)


def chat(*answers: str) -> Row:
    """A talk in which every answer is learned."""
    turns = [exchange(f"and {i}?", answer) for i, answer in enumerate(answers)]
    messages = tuple(turn for pair in turns for turn in pair)
    return Row(messages, learned=tuple(range(1, len(messages), 2)))
