"""Whole answers scored by a server that gives the log-probabilities of a prompt's tokens: vLLM's
`prompt_logprobs` of /v1/completions. Prompts go there as the tokens that they are here, so that no
template of the server has a part in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.engine import Prompt, Scored
from lab.errors import UserError
from lab.inference.kept import Reply
from lab.inference.prompt import Compiled, compiled
from lab.model.base import Base
from lab.types import Fields

Asks = Callable[[Sequence[Fields]], list[Reply]]
"""Sends requests to /completions."""


def score_given(base: Base, model: str, prompts: Sequence[Prompt], asks: Asks) -> list[Scored]:
    """The probabilities of listed answers by the model of that name. Raises UserError where the
    server gives none of given tokens, or the base's tokenizer is not here."""
    # torch takes seconds.
    from lab.inference.score import add_up
    from lab.model.load import load_renderer

    in_tokens = compiled(base, load_renderer(base), prompts)
    replies = asks([_body(model, prompt) for prompt in in_tokens])
    return [
        add_up(prompt, _log_ps(prompt, reply))
        for prompt, reply in zip(in_tokens, replies, strict=True)
    ]


def _rows(prompt: Compiled) -> list[list[int]]:
    """The prompt with each spelling of an answer and its end."""
    return [[*prompt.ids, *one.answer, *one.end] for one in prompt.spellings]


def _body(model: str, prompt: Compiled) -> Fields:
    return {
        "model": model,
        "prompt": [[*row] for row in _rows(prompt)],
        # No other token in place of those given; a server wants to generate one after them.
        "prompt_logprobs": 0,
        "max_tokens": 1,
        "temperature": 0,
    }


def _log_ps(prompt: Compiled, reply: Reply) -> list[float]:
    """Of all answer tokens and ends, one spelling after another."""
    rows = _rows(prompt)
    given = [choice.prompt_logprobs for choice in reply.choices]
    if [len(one or ()) for one in given] != [*map(len, rows)]:
        raise UserError(
            "the endpoint gives no log-probabilities of whole answers, which engine"
            " `endpoint_exact` reads (docs/endpoint.md); set eval.engine: endpoint, which samples"
        )
    log_ps = []
    for row, one in zip(rows, given, strict=True):
        for token, found in list(zip(row, one or (), strict=True))[len(prompt.ids) :]:
            if not found or str(token) not in found:
                raise UserError("the endpoint gives log-probabilities of other tokens than asked")
            log_ps.append(found[str(token)].logprob)
    return log_ps
