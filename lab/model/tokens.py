"""Texts as the token ids of one tokenizer, and what its special tokens stand for."""

from collections.abc import Sequence
from typing import Any

DOCUMENT_ENDS = ("<|endoftext|>", "<|end_of_text|>", "<eos>", "</s>")
"""What ends a text of pretraining, by the names that families of models give it: the tokenizer of a
chat model often has the end of a turn in its place."""


def ids_of(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, beginning exactly once with the token for that, where the tokenizer
    puts one before every text."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)
    all_ids: list[list[int]] = encoded["input_ids"]
    bos = beginning(tokenizer)
    if bos is None:
        return all_ids
    return [ids if ids[:1] == [bos] else [bos, *ids] for ids in all_ids]


def beginning(tokenizer: Any) -> int | None:
    """The token that a tokenizer puts before every text, so that a template need not; None where it
    puts none."""
    bos: int | None = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else None


def special_tokens(tokenizer: Any) -> set[int]:
    """Tokens that may end a turn: some models have added theirs without calling it special."""
    return {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}


def document_end(tokenizer: Any, end_of_turn: int) -> int:
    """The token that ends a text of pretraining, which need not be that of a turn."""
    eos: int | None = tokenizer.eos_token_id
    if eos is not None and eos != end_of_turn:
        return eos
    added: dict[str, int] = tokenizer.get_added_vocab()
    return next((added[name] for name in DOCUMENT_ENDS if name in added), end_of_turn)
