"""The trust check that the loss of a training covers what it should."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from unicodedata import normalize

from lab.model.chat import IGNORED, Renderer
from lab.store.trust import Check, check
from lab.types import Chat
from train.job import Rows
from train.turns import Tokens, turns_of

Held = tuple[list[int], list[int]]
"""Ids and labels of a sequence."""


def masks(renderer: Renderer, rows: Rows, held: Sequence[Held]) -> Check:
    """Share of learned turns whose loss covers the answer and its end of turn, after the prompt of
    that turn. Where a sequence has loss on anything else, none of its turns counts.

    `held` are all sequences as the trainer holds them; prompts and answers are found anew from the
    chats."""
    meant = [(number, turn) for number, row in enumerate(rows.rows) for turn in turns_of(row)]
    right = [
        (tokens.row, turn)
        for tokens, (ids, labels) in zip(rows.sequences, held, strict=True)
        for turn in _right_turns(renderer, rows.rows[tokens.row].messages, tokens, ids, labels)
    ]
    return check("mask", len(right) / len(meant), 1.0, sorted(right) == meant)


def _right_turns(
    renderer: Renderer, chat: Chat, tokens: Tokens, ids: list[int], labels: list[int]
) -> list[int]:
    """The turns of a sequence that are learned as they should be; none where more is learned, or
    where it does not end with the last of them."""
    prompts = [list(renderer.prompt_ids(chat[:turn])) for turn in tokens.turns]
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


def _stops(prompts: list[list[int]], ids: list[int]) -> Iterator[int]:
    """Where each turn ends at the latest: with the prompt of the next one, or with the sequence."""
    yield from map(len, prompts[1:])
    yield len(ids)


def _same(one: str, other: str) -> bool:
    """Tokenizers may write composed letters: both sides are compared in one normal form."""
    return normalize("NFC", one.strip()) == normalize("NFC", other.strip())
