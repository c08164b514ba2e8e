"""How probable a model finds each token of an answer, and what it found likeliest there.

Names of tensors end in their axes: R rows, one for each answer; T tokens, padded to the longest row
on the right; A tokens of one answer; V vocabulary."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from lab.inference.plain_pass import padded_rows, rows_at_once
from lab.model.load import Loaded

Tokens = tuple[int, ...]


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
        scores.append(
            [
                TokenScore(loaded.tokenizer.decode([token]), log_p, _named(loaded, tokens, log_ps))
                for token, log_p, tokens, log_ps in zip(
                    answer,
                    log_p_A.tolist(),
                    likeliest.indices.tolist(),
                    likeliest.values.tolist(),
                    strict=True,
                )
            ]
        )
    return scores


def _named(
    loaded: Loaded, tokens: Sequence[int], log_ps: Sequence[float]
) -> tuple[tuple[str, float], ...]:
    """Tokens as text."""
    texts = [loaded.tokenizer.decode([token]) for token in tokens]
    return tuple(zip(texts, log_ps, strict=True))
