"""Answers in the form of OpenAI's chat completions, whole or as a stream."""

import json
from collections.abc import Iterator, Sequence
from itertools import count

from pydantic import JsonValue

from lab.inference.generate import Generated
from lab.inference.token_scores import TokenScore
from lab.store.store import finite
from lab.types import Fields
from tellme.serve.request import Asked
from tellme.serve.told import Told

_NUMBERS = count()


def new_id() -> str:
    """Of an answer, distinct in this process."""
    return f"chatcmpl-{next(_NUMBERS)}"


def completion(asked: Asked, told: Told, created: int) -> Fields:
    """The body of an answer. `created` is a time in whole seconds."""
    body: Fields = {
        **_head(asked, told, created, "chat.completion"),
        "choices": [
            {
                "index": i,
                "message": {"role": "assistant", "content": answer.text},
                "finish_reason": _reason(answer),
                "logprobs": _log_probs(told.tokens[i]) if told.tokens else None,
            }
            for i, answer in enumerate(told.answers)
        ],
        "usage": _usage(told),
    }
    if told.scored is not None:
        scores = zip(
            asked.continuations, told.scored.log_exact, told.scored.log_prefix, strict=True
        )
        body["continuation_logprobs"] = [
            {"text": text, "logprob": exact, "prefix_logprob": prefix}
            for text, exact, prefix in scores
        ]
        body["outside_top"] = [[text, p] for text, p in told.scored.outside_top]
    # JSON has no word for the logarithm of 0, which is null.
    finished: Fields = finite(body)
    return finished


def stream(asked: Asked, told: Told, created: int) -> Iterator[str]:
    """The same as server-sent events: of every answer its role, its text, and why it ended. The
    text comes in one piece, when all of it is there."""
    head = _head(asked, told, created, "chat.completion.chunk")
    # As at OpenAI, where a usage is asked for every event has the key.
    usage: Fields = {"usage": None} if asked.stream_options.include_usage else {}
    for i, answer in enumerate(told.answers):
        log_probs = _log_probs(told.tokens[i]) if told.tokens else None
        deltas: list[tuple[Fields, Fields | None, str | None]] = [
            ({"role": "assistant", "content": ""}, None, None),
            ({"content": answer.text}, log_probs, None),
            ({}, None, _reason(answer)),
        ]
        for delta, probs, reason in deltas:
            choice: Fields = {
                "index": i,
                "delta": delta,
                "logprobs": probs,
                "finish_reason": reason,
            }
            yield _event({**head, "choices": [choice], **usage})
    if asked.stream_options.include_usage:
        yield _event({**head, "choices": [], "usage": _usage(told)})
    yield "data: [DONE]\n\n"


def _head(asked: Asked, told: Told, created: int, kind: str) -> Fields:
    return {
        "id": new_id(),
        "object": kind,
        "created": created,
        "model": asked.model,
        "system_fingerprint": told.fingerprint,
    }


def _reason(answer: Generated) -> str:
    return "length" if answer.cut else "stop"


def _usage(told: Told) -> Fields:
    generated = sum(len(answer.ids) for answer in told.answers)
    return {
        "prompt_tokens": told.prompt_tokens,
        "completion_tokens": generated,
        "total_tokens": told.prompt_tokens + generated,
    }


def _log_probs(tokens: Sequence[TokenScore]) -> Fields:
    content: list[JsonValue] = [
        {
            **_token(score.text, score.log_p),
            "top_logprobs": [_token(text, log_p) for text, log_p in score.top],
        }
        for score in tokens
    ]
    return {"content": content, "refusal": None}


def _token(text: str, log_p: float) -> Fields:
    # A part of a character has no text, and the bytes of its name are not its own.
    return {"token": text, "logprob": log_p, "bytes": None}


def _event(body: Fields) -> str:
    return f"data: {json.dumps(finite(body), allow_nan=False)}\n\n"
