"""Chats as the sequences that a training reads: every learned turn stands in one of them exactly as
it does at its own inference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.errors import UserError
from lab.model.chat import Rendered, Renderer
from lab.types import Row


@dataclass(frozen=True)
class Tokens:
    """One or more learned turns of a chat that go through the model as one sequence."""

    row: int
    """Index of the chat among all rows."""
    turns: tuple[int, ...]
    """Indexes of the messages that are learned here, in order."""
    input_ids: list[int]
    """Up to the end of the last of these turns."""
    labels: list[int]
    """Loss on the answer of each of these turns and on its end, on nothing else."""

    @property
    def example(self) -> dict[str, list[int]]:
        """As TRL takes it."""
        return {"input_ids": self.input_ids, "labels": self.labels}


def turns_of(row: Row) -> list[int]:
    """Indexes of the messages that carry loss, counted from the first message, in order."""
    return sorted({turn % len(row.messages) for turn in row.learned})


def sequences_of(renderer: Renderer, rows: Sequence[Row]) -> list[Tokens]:
    """The sequences of all rows, in order: one a row where that is possible, else as few as are.

    The prompt of a turn is all that was said before it, as a model that is asked gets it. Turns
    share a sequence where the prompt of the later one begins with all of the earlier one. A
    template that rewrites history, such as one that leaves out earlier thoughts, keeps them apart.
    Raises UserError as the renderer does, and for a turn to which there is no prompt."""
    learned = [turns_of(row) for row in rows]
    pairs = [
        (row.messages[:turn], row.messages[turn]["content"])
        for row, turns in zip(rows, learned, strict=True)
        for turn in turns
    ]
    if not all(prompt for prompt, _ in pairs):
        raise UserError(
            "a row begins with an assistant turn that is to be learned, and nothing stands before"
            " it to answer; leave 0 out of its `learned`"
        )
    rendered = iter(renderer.render_all(pairs))
    return [
        tokens
        for number, turns in enumerate(learned)
        for tokens in _joined(number, {turn: next(rendered) for turn in turns})
    ]


def _joined(row: int, turns: Mapping[int, Rendered]) -> list[Tokens]:
    """The turns of one row, each after the earlier ones with which its prompt begins."""
    joined: list[Tokens] = []
    for turn, rendered in turns.items():
        found = next((i for i, tokens in enumerate(joined) if _goes_on(rendered, tokens)), None)
        if found is None:
            joined.append(Tokens(row, (turn,), rendered.input_ids, rendered.labels))
            continue
        earlier = joined[found]
        labels = [*earlier.labels, *rendered.labels[len(earlier.labels) :]]
        joined[found] = Tokens(row, (*earlier.turns, turn), rendered.input_ids, labels)
    return joined


def _goes_on(rendered: Rendered, tokens: Tokens) -> bool:
    """Whether a prompt begins with a sequence."""
    return list(rendered.prompt[: len(tokens.input_ids)]) == tokens.input_ids
