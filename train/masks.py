"""The trust check that the loss of a training covers what it should."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from unicodedata import normalize

from lab.model.chat import IGNORED, Renderer
from lab.model.tokens import beginning
from lab.model.written import after_opening
from lab.store.trust import Check, check
from lab.types import Chat, Row
from train.job import Rows
from train.turns import Tokens

Held = tuple[list[int], list[int]]
"""Ids and labels of a sequence."""


def masks(renderer: Renderer, rows: Rows, held: Sequence[Held]) -> Check:
    """Share of learned turns whose loss covers the answer and its end of turn, after the prompt of
    that turn. Where a sequence has loss on anything else, none of its turns counts. A document is
    one turn, and its loss covers all but the first token.

    `held` are all sequences as the trainer holds them; prompts and answers are found anew from the
    chats."""
    meant = [(number, turn) for number, row in enumerate(rows.rows) for turn in row.learned_turns]
    right = [
        (tokens.row, turn)
        for tokens, (ids, labels) in zip(rows.sequences, held, strict=True)
        for turn in _right_turns(renderer, rows.rows[tokens.row], tokens, ids, labels)
    ]
    return check("mask", len(right) / len(meant), 1.0, sorted(right) == meant)


def _right_turns(
    renderer: Renderer, row: Row, tokens: Tokens, ids: list[int], labels: list[int]
) -> list[int]:
    """The turns of a sequence that are learned as they should be; none where more is learned, or
    where it does not end with the last of them."""
    if row.is_document:
        return [0] if _is_right_document(renderer, row.completion, ids, labels) else []
    chat = row.messages
    prompts = [_prompt(renderer, chat, turn) for turn in tokens.turns]
    right, num_learned, end = [], 0, 0
    for turn, prompt, stop in zip(tokens.turns, prompts, _stops(prompts, ids), strict=True):
        start = len(prompt)
        learned = list(takewhile(lambda label: label != IGNORED, labels[start:stop]))
        num_learned, end = num_learned + len(learned), start + len(learned)
        text = renderer.tokenizer.decode(learned[:-1])
        if ids[:end] == prompt + learned and _same(text, chat[turn]["content"]):
            right.append(turn)
    is_all = num_learned == sum(label != IGNORED for label in labels) and end == len(ids)
    return right if is_all else []


def _prompt(renderer: Renderer, chat: Chat, turn: int) -> list[int]:
    """What a model that is asked reads before a turn."""
    thinking = renderer.thinks(chat[turn]["content"])
    return list(renderer.prompt_ids(chat[:turn], thinking))


def _is_right_document(renderer: Renderer, text: str, ids: list[int], labels: list[int]) -> bool:
    """Whether a sequence is the text and its end, learned from the second token on."""
    start = 1 if ids[0] == beginning(renderer.tokenizer) else 0
    decode = renderer.tokenizer.decode
    whole = decode(ids[start:])
    end = decode([renderer.end_of_document])
    return (
        labels == [IGNORED, *ids[1:]]
        and ids[-1] == renderer.end_of_document
        and _same(whole.removesuffix(end), text.removesuffix(end))
    )


def _stops(prompts: list[list[int]], ids: list[int]) -> Iterator[int]:
    """Where each turn ends at the latest: with the prompt of the next one, or with the sequence."""
    yield from map(len, prompts[1:])
    yield len(ids)


def _same(one: str, other: str) -> bool:
    """Tokenizers may write composed letters: both sides are compared in one normal form. What opens
    a thought may stand in the prompt already."""
    learned, meant = (normalize("NFC", text.strip()) for text in (one, other))
    return learned == meant or learned == after_opening(meant)
