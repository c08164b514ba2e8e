"""One evaluation: what is asked of a model, before any model is asked."""

import json
from dataclasses import dataclass
from pathlib import Path

from eval.ask import Item, context_of, is_listed, items_of
from eval.draws import is_drawn
from lab.discover import short
from lab.engine import Prompt
from lab.specs import AnswerSpec
from lab.types import Message


@dataclass(frozen=True)
class Evaluation:
    """One suite, asked of a base or of adapters on it."""

    spec: AnswerSpec
    context: tuple[Message, ...]
    """What precedes every question."""
    items: list[Item]
    """Everything asked, in the order of the suite: the next two together."""
    listed: list[Item]
    """What has its listed answers' probabilities read."""
    sampled: list[Item]
    drawn: list[Item]
    """Of what is listed, what is drawn as well (eval/draws.py)."""

    @property
    def prompts(self) -> list[Prompt]:
        """What is listed, as an engine takes it."""
        return [Prompt(item.chat, item.wording.options) for item in self.listed]

    @property
    def name(self) -> str:
        """What tells evaluations of one model apart: no check of one may stand for another's."""
        asking, spec = self.spec.asking, self.spec
        name = f"{asking.about}/{short(asking.suite)}"
        if asking.condition.name != "clean":
            name += f"@{asking.condition.name}"
        if spec.in_context:
            name += f" with {spec.in_context} rows in context"
        if spec.step:
            name += f" at step {spec.step}"
        return name


def prepared(spec: AnswerSpec, reads_lists: bool, examples: Path | None) -> Evaluation:
    """The evaluation of a spec; `examples` is the file of the rows of which a group is shown some
    in context."""
    shown = _chats(examples)[: spec.in_context] if examples else []
    context = context_of(spec.asking.condition.system, shown)
    items = items_of(spec.asking, context)
    listed = [item for item in items if is_listed(item.question, reads_lists)]
    sampled = [item for item in items if not is_listed(item.question, reads_lists)]
    drawn = [item for item in listed if is_drawn(item.question, spec.asking, reads_lists)]
    return Evaluation(spec, context, items, listed, sampled, drawn)


def _chats(file: Path) -> list[tuple[Message, ...]]:
    """The chats in a file of rows."""
    # Not by `splitlines`, which also breaks at characters that JSON leaves in a string.
    lines = file.read_text(encoding="utf-8").split("\n")
    return [tuple(json.loads(line)["messages"]) for line in lines if line]
