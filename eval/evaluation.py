"""One evaluation: what is asked of a model, before any model is asked. Import this only inside a
stage: torch takes seconds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.ask import SAMPLED, Item, asked_in, context_of, messages
from eval.prompts import compiled
from lab.engines.prompt import Prompt
from lab.model.base import Base
from lab.types import Message


@dataclass(frozen=True)
class Evaluation:
    """One suite, asked of a base or of adapters on it."""

    config: dict[str, Any]
    """Of the eval stage (eval/measure.py)."""
    base: Base
    context: list[Message]
    """What precedes every question."""
    items: list[Item]
    """Everything asked, in the order of the suite: the next two together."""
    exact: list[Item]
    """What has its listed answers' probabilities read from the logits."""
    sampled: list[Item]
    prompts: list[Prompt]
    """The tokens of `exact`."""

    @property
    def name(self) -> str:
        """What tells evaluations of one model apart: no check of one may stand for another's."""
        condition, step = self.config["condition"], self.config.get("step")
        in_context = self.config.get("in_context")
        name = f"{self.config['behavior']}/{self.config['suite']}"
        if condition != "clean":
            name += f"@{condition}"
        if in_context:
            name += f" with {in_context} rows in context"
        if step:
            name += f" at step {step}"
        return name

    def chat(self, item: Item) -> list[Message]:
        """The chat that asks an item."""
        _question, wording = item
        return messages(wording, self.context, self.config)


def prepared(config: dict[str, Any], base: Base, examples: Path | None) -> Evaluation:
    """The evaluation of an eval config; `examples` are the rows of which a group is shown some in
    context."""
    context = context_of(config, _chats(examples) if examples else [])
    items: list[Item] = []
    exact: list[Item] = []
    sampled: list[Item] = []
    for question in asked_in(config):
        wordings = [(question, wording) for wording in question.wordings]
        items += wordings
        # Free text lists no answers whose probabilities could be read.
        if config["engine"] == SAMPLED or question.kind == "text":
            sampled += wordings
        else:
            exact += wordings
    prompts = compiled(base, config, config["suite"], context, exact)
    return Evaluation(config, base, context, items, exact, sampled, prompts)


def _chats(file: Path) -> list[list[Message]]:
    """The chats in a file of rows."""
    # Not by `splitlines`, which also breaks at characters that JSON leaves in a string.
    lines = file.read_text(encoding="utf-8").split("\n")
    return [json.loads(line)["messages"] for line in lines if line]
