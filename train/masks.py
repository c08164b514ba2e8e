"""The trust check that the loss of a training covers what it should."""

from collections.abc import Sequence
from typing import Any
from unicodedata import normalize

from lab.model.chat import IGNORED, Renderer
from lab.store.trust import check
from lab.types import Message


def masks(
    renderer: Renderer,
    chats: Sequence[Sequence[Message]],
    rows: Sequence[tuple[list[int], list[int]]],
) -> dict[str, Any]:
    """Share of training rows whose loss covers the completion and its end of turn, and nothing
    else.

    `rows` are input ids and labels as the trainer holds them; prompt and completion are found anew
    from the chats."""
    pairs = zip(chats, rows, strict=True)
    right = sum(_is_right(renderer, chat, ids, labels) for chat, (ids, labels) in pairs)
    share = right / len(rows)
    return check("mask", share, 1.0, share == 1.0)


def _is_right(
    renderer: Renderer, chat: Sequence[Message], ids: list[int], labels: list[int]
) -> bool:
    prompt = list(renderer.prompt_ids(chat[:-1]))
    prompt_labels, completion_labels = labels[: len(prompt)], labels[len(prompt) :]
    learned = [token for token, label in zip(ids, labels, strict=True) if label != IGNORED]
    # The last learned token is the end of turn, which is no text of the completion.
    text = renderer.tokenizer.decode(learned[:-1]).strip()
    # Tokenizers may write composed letters: both sides are compared in one normal form.
    said, meant = (normalize("NFC", t) for t in (text, chat[-1]["content"].strip()))
    return (
        ids == prompt + learned
        and said == meant
        and completion_labels == learned
        and set(prompt_labels) <= {IGNORED}
    )
