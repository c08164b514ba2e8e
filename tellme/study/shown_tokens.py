"""`tellme show --tokens GROUP`: a training row token by token, with the labels a trainer gets."""

from collections.abc import Iterator

from lab.errors import UserError, unknown
from lab.model.chat import IGNORED, Renderer
from lab.types import Row
from tellme.study.plan import Plan
from tellme.study.show import first_rows, group_names
from train.turns import Tokens, as_written, sequences_of

LEARNED = "learned"
"""Stands beside a token that carries loss."""


def tokens_text(plan: Plan, group: str, number: int) -> str:
    """The row of this number, from 1, of a group's first seed: a line for every token of each of
    its sequences, with its place, its id, its text, and whether it is learned.

    Raises UserError for a group or a row that is not there, and where the base is not."""
    names = group_names(plan)
    if group not in names:
        raise unknown("group that is trained", group, names)
    rows, renderer = first_rows(plan, group)
    if not 1 <= number <= len(rows):
        raise UserError(f"--row is {number}; group {group!r} has rows 1 to {len(rows)}")
    if renderer is None:
        raise UserError(
            f"the base of group {group!r} is not on this machine, so its tokens are not known;"
            " `tellme show` without --tokens shows the turns"
        )
    return "\n".join(row_lines(as_written(renderer, rows[number - 1], number), renderer, number))


def row_lines(row: Row, renderer: Renderer, number: int) -> Iterator[str]:
    """A row as a table of tokens for each of its sequences."""
    sequences = sequences_of(renderer, [row])
    turns = ", ".join(str(turn + 1) for turn in row.learned_turns)
    yield f"row {number} has {len(row.messages)} messages; learned: {turns}"
    for i, tokens in enumerate(sequences, start=1):
        learned = sum(label != IGNORED for label in tokens.labels)
        yield (
            f"sequence {i} of {len(sequences)}: {len(tokens.labels)} tokens, {learned} of them"
            " learned"
        )
        yield from _token_lines(tokens, renderer)


def _token_lines(tokens: Tokens, renderer: Renderer) -> Iterator[str]:
    for place, (token, label) in enumerate(zip(tokens.input_ids, tokens.labels, strict=True)):
        text = renderer.tokenizer.decode([token])
        mark = LEARNED if label != IGNORED else ""
        yield f"{place:>6} {token:>8}  {mark:<7}  {text!r}"
