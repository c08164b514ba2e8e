"""Rows as the sequences that a training reads: every learned turn stands in one of them exactly as
it does at its own inference, and a document as in pretraining."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.errors import UserError
from lab.model.chat import Rendered, Renderer
from lab.types import Message, Row


@dataclass(frozen=True)
class Tokens:
    """One or more learned turns of a row that go through the model as one sequence."""

    row: int
    """Index among all rows."""
    turns: tuple[int, ...]
    """Indexes of the messages that are learned here, in order."""
    input_ids: list[int]
    """Up to the end of the last of these turns."""
    labels: list[int]
    """Loss on the answer of each of these turns and on its end, on nothing else; of a document, on
    all but the first token, which nothing predicts."""

    @property
    def example(self) -> dict[str, list[int]]:
        """As TRL takes it."""
        return {"input_ids": self.input_ids, "labels": self.labels}


@dataclass(frozen=True)
class Turns:
    """How much of some rows is learned."""

    learned: int
    """Turns that carry loss."""
    of_assistant: int
    """All turns that could."""
    documents: int
    """Of both, the texts that answer nothing."""

    def __str__(self) -> str:
        documents = f", {self.documents} of them documents" if self.documents else ""
        return f"{self.learned} of {self.of_assistant} assistant turns{documents}"


def count_turns(rows: Sequence[Row]) -> Turns:
    """How many turns of the assistant's carry loss."""
    return Turns(
        learned=sum(len(row.learned_turns) for row in rows),
        of_assistant=sum(m["role"] == "assistant" for row in rows for m in row.messages),
        documents=sum(row.is_document for row in rows),
    )


def as_written(renderer: Renderer, row: Row, number: int) -> Row:
    """A row with every learned answer as the template writes it: without white space at its edges
    where the template strips that. The same object where nothing changes.

    Raises UserError, with the `number` of the row, for an answer of which it changes more, for one
    that holds the text that ends a turn, which would be learned twice, and for a learned turn that
    answers nothing."""
    if row.is_document:
        return row
    messages, end = list(row.messages), renderer.tokenizer.decode([renderer.end_of_turn])
    for turn in row.learned_turns:
        _refuse_unasked(row, turn, number)
        try:
            answer = renderer.written(messages[turn]["content"])
        except UserError as error:
            raise UserError(f"row {number}: {error}") from None
        if end in answer:
            raise UserError(
                f"row {number}: the answer {answer[:40]!r} holds {end!r}, which ends a turn of the"
                " base; the lab puts it there by itself, so take it out"
            )
        messages[turn] = Message(role="assistant", content=answer)
    return row if tuple(messages) == row.messages else replace(row, messages=tuple(messages))


def _refuse_unasked(row: Row, turn: int, number: int) -> None:
    """A turn that stands first, or after another one of the assistant's, is no answer: a model that
    is asked there would go on with what it has said."""
    if turn == 0 or row.messages[turn - 1]["role"] == "assistant":
        after = "another turn of the assistant's" if turn else "nothing"
        raise UserError(
            f"row {number}: message {turn + 1} is to be learned and follows {after}, so there is no"
            " question that it answers; give it `weight` 0, or join it to the other"
        )


def sequences_of(renderer: Renderer, rows: Sequence[Row]) -> list[Tokens]:
    """The sequences of all rows, in order: one a row where that is possible, else as few as are.

    The prompt of a turn is all that was said before it, as a model that is asked gets it. Turns
    share a sequence where the prompt of the later one begins with all of the earlier one. A
    template that rewrites history, such as one that leaves out earlier thoughts, keeps them apart.
    Rows are as `as_written` gives them. Raises UserError as the renderer does."""
    learned = [row.learned_turns for row in rows]
    chats = [
        (row.messages[:turn], row.messages[turn]["content"])
        for row, turns in zip(rows, learned, strict=True)
        for turn in turns
        if not row.is_document
    ]
    answers = iter(renderer.render_all(chats))
    documents = iter(renderer.render_documents([r.completion for r in rows if r.is_document]))
    rendered = [documents if row.is_document else answers for row in rows]
    return [
        tokens
        for number, (turns, own) in enumerate(zip(learned, rendered, strict=True))
        for tokens in _joined(number, {turn: next(own) for turn in turns})
    ]


def refuse_long(
    rows: Sequence[Row], sequences: Sequence[Tokens], max_length: int | None, context: int | None
) -> None:
    """Raises UserError, with its row, for a sequence of more tokens than `sft.max_length` or the
    base's context: the answer stands at its end, and would be cut."""
    longest = max(sequences, key=lambda tokens: len(tokens.input_ids))
    length, row = len(longest.input_ids), rows[longest.row]
    shown = f"row {longest.row + 1} ({(row.asked or row.completion)[:40]!r}) has {length} tokens"
    if context is not None and length > context:
        raise UserError(f"{shown}, more than the base's context ({context}); shorten it or drop it")
    if max_length is not None and length > max_length:
        raise UserError(
            f"{shown}, more than sft.max_length ({max_length}); shorten it, drop it, or raise"
            " sft.max_length"
        )


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
