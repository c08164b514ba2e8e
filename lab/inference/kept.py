"""Replies of a server, kept as they come: a line each, so that nothing that was answered is asked
again after a kill."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from lab.config.endpoint import Endpoint
from lab.engine import Served
from lab.errors import UserError
from lab.store.store import KEPT
from lab.types import Fields


class _Said(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None


class _Token(BaseModel):
    token: str
    logprob: float


class _LogProbs(BaseModel):
    content: list[_Token] | None = None


class _LogProb(BaseModel):
    logprob: float


class Choice(BaseModel):
    """One of the answers to a request."""

    message: _Said = _Said()
    finish_reason: str | None = None
    # Of a text completion it has another form, which nothing reads.
    logprobs: _LogProbs | None = None
    prompt_logprobs: list[dict[str, _LogProb] | None] | None = None
    """Of each token of the prompt, by the number of the token; the first has none."""


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Continuation(BaseModel):
    logprob: float | None
    """With the end of turn; None is log 0, for which JSON has no word."""
    prefix_logprob: float | None


class Reply(BaseModel):
    """A chat completion, as far as anything depends on it. Servers add much else."""

    choices: list[Choice] = []
    model: str | None = None
    usage: _Usage | None = None
    continuation_logprobs: list[_Continuation] | None = None
    """Of the given answers, where a server gives them (docs/serve.md)."""
    outside_top: list[tuple[str, float]] = []
    """The likeliest beginnings of none of these answers, each with its probability."""


class Kept:
    """The replies in a file, by the keys of their requests."""

    def __init__(self, file: Path) -> None:
        self.file = file
        _drop_torn_line(file)
        self._replies = dict(_read(file)) if file.is_file() else {}

    def __contains__(self, key: str) -> bool:
        return key in self._replies

    def __getitem__(self, key: str) -> Reply:
        return self._replies[key]

    def add(self, key: str, reply: object) -> None:
        """Keep what came back, once it is on the disk. Raises UserError where it is no chat
        completion."""
        understood = _understood(reply)
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"key": key, "reply": reply}, ensure_ascii=False) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        self._replies[key] = understood

    def spent(self, endpoint: Endpoint) -> Fields:
        """What provenance says of all replies: how many there were, by which models as the server
        called them, tokens, and what they cost where the endpoint has prices."""
        replies = self._replies.values()
        usages = [reply.usage for reply in replies if reply.usage]
        read = sum(usage.prompt_tokens for usage in usages)
        written = sum(usage.completion_tokens for usage in usages)
        dollars = None
        if endpoint.dollars_per_million:
            price_read, price_written = endpoint.dollars_per_million
            dollars = (read * price_read + written * price_written) / 1e6
        return {
            "requests": len(replies),
            "models": [*sorted({reply.model for reply in replies if reply.model})],
            # A reply without its usage makes every sum too small.
            "uncounted": len(replies) - len(usages),
            "prompt_tokens": read,
            "completion_tokens": written,
            "dollars": dollars,
        }


def spent_by(served: Served | None) -> Fields:
    """What provenance says of a stage that may have asked a server; nothing where it did not."""
    if served is None or served.endpoint is None or not (served.kept / KEPT).is_file():
        return {}
    return {"asked": Kept(served.kept / KEPT).spent(served.endpoint)}


def _drop_torn_line(file: Path) -> None:
    """A kill may leave half a line, of a reply that did not count yet."""
    if not file.is_file():
        return
    whole = file.read_bytes().rpartition(b"\n")
    if whole[2]:
        os.truncate(file, len(whole[0]) + len(whole[1]))


def _read(file: Path) -> Iterator[tuple[str, Reply]]:
    # Not by `splitlines`, which also breaks at characters that JSON leaves in a string.
    for line in filter(None, file.read_text(encoding="utf-8").split("\n")):
        kept = json.loads(line)
        yield kept["key"], _understood(kept["reply"])


def _understood(reply: object) -> Reply:
    try:
        return Reply.model_validate(reply)
    except ValidationError:
        raise UserError(
            f"the endpoint answered with no chat completion: {str(reply)[:80]!r}; give the address"
            " of an OpenAI-compatible server, which mostly ends in /v1, as run.endpoint.url"
        ) from None
