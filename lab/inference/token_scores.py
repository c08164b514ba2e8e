"""How probable a model finds each token of an answer, and what it found likeliest there.

Names of tensors end in their axes: R rows, one for each answer; T tokens, padded to the longest row
on the right; A tokens of one answer; V vocabulary."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch

from lab.inference.plain_pass import padded_rows, rows_at_once
from lab.model.load import Loaded

Tokens = tuple[int, ...]
LOOK_BACK = 4
"""Tokens that decide how the next one is written: whether a space stands before it, and of which
character it is a part."""


class TokenScore(NamedTuple):
    """A token of an answer."""

    text: str
    log_p: float
    """Of the model itself, at temperature 1 and of the whole vocabulary, however it was drawn."""
    top: tuple[tuple[str, float], ...]
    """The likeliest tokens in its place, the first one first, each with its log-probability."""


@torch.inference_mode()
def score_tokens(
    loaded: Loaded, answers: Sequence[tuple[Tokens, Tokens]], top: int
) -> list[list[TokenScore]]:
    """Every token of each answer, given as a prompt and what was generated after it."""
    if not answers:
        return []
    width = max(len(prompt) + len(answer) for prompt, answer in answers)
    number = rows_at_once(loaded, width)
    scores: list[list[TokenScore]] = []
    for first in range(0, len(answers), number):
        scores += _score(loaded, answers[first : first + number], width, top)
    return scores


def _score(
    loaded: Loaded, answers: Sequence[tuple[Tokens, Tokens]], width: int, top: int
) -> list[list[TokenScore]]:
    ids_RT = padded_rows(loaded, [[*prompt, *answer] for prompt, answer in answers], width)
    logits_RTV = loaded.model(input_ids=ids_RT, use_cache=False).logits
    scores = []
    for logits_TV, (prompt, answer) in zip(logits_RTV, answers, strict=True):
        # A token is predicted by the logits of the one before it.
        begin = len(prompt) - 1
        log_p_AV = logits_TV[begin : begin + len(answer)].float().log_softmax(-1)
        answer_A = torch.tensor(answer, dtype=torch.long, device=log_p_AV.device)
        log_p_A = log_p_AV.gather(-1, answer_A[:, None])[:, 0]
        likeliest = log_p_AV.topk(top)
        places = zip(
            answer,
            log_p_A.tolist(),
            likeliest.indices.tolist(),
            likeliest.values.tolist(),
            strict=True,
        )
        of_answer = []
        for i, (token, log_p, tokens, log_ps) in enumerate(places):
            before = answer[max(0, i - LOOK_BACK) : i]
            texts = _texts(loaded, before, list(dict.fromkeys([token, *tokens])))
            named = [(texts[other], log) for other, log in zip(tokens, log_ps, strict=True)]
            of_answer.append(TokenScore(texts[token], log_p, tuple(named)))
        scores.append(of_answer)
    return scores


def _texts(loaded: Loaded, before: Tokens, tokens: Sequence[int]) -> dict[int, str]:
    """What each token would add to a text. A part of a character adds none, and at the beginning
    two tokens may add the same: these have their names in the vocabulary, so that no two share
    one."""
    tokenizer = loaded.tokenizer
    written = tokenizer.decode(before)
    texts = {token: tokenizer.decode([*before, token]).removeprefix(written) for token in tokens}
    number = Counter(texts.values())
    return {
        token: tokenizer.convert_ids_to_tokens(token)
        if "\ufffd" in text or number[text] > 1
        else text
        for token, text in texts.items()
    }
