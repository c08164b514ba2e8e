"""A model behind an OpenAI-compatible address, asked through the `openai` client: so many requests
at a time, each tried again where the server is busy, each reply kept as it comes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from lab.config.endpoint import Endpoint
from lab.config.schema import Sampling
from lab.engine import Prompt, Scored, Served, log_of, log_sum
from lab.errors import UserError, first_line
from lab.inference.kept import Choice, Kept, Reply
from lab.inference.prompt_logprobs import score_given
from lab.model.base import Base
from lab.model.written import CLOSE_TAG
from lab.store.store import KEPT, digest
from lab.types import Answer, Chat, Fields, Message

if TYPE_CHECKING:
    from openai import OpenAI

MOST_SAMPLES = 20
"""Answers that one request asks for: what a kill in the middle of it loses is no more."""
TRIES = 8
"""Further tries of a request, with the client's own back-off of up to 8 seconds or what the server
asks for: a minute of outage is sat out."""
PATIENCE = 300.0
"""Seconds for a reply."""
CHAT = "/chat/completions"
NO_KEY = "none"
"""What is sent where no key is set: servers of one's own want none, and the client must have one.
"""


@dataclass(frozen=True)
class Heard:
    """What a server gave to a chat."""

    texts: tuple[str, ...]
    """Of its answers."""
    log_ps: tuple[tuple[str, float], ...]
    """First tokens of answers with their log-probabilities; none where the server does not say."""
    prompt_tokens: int | None
    """As it counts them; None where it does not say."""


@dataclass(frozen=True)
class Remote:
    """A model that is asked at an address."""

    base: Base
    endpoint: Endpoint
    model: str
    """What it is called there."""
    system: str | None
    """The line that stands before chats that have none of their own."""
    client: OpenAI
    kept: Kept
    loaded: None = None
    """Nothing of it is in this process."""

    def sample(self, chats: Sequence[Chat], sampling: Sampling) -> list[list[Answer]]:
        """`num_samples` answers to each chat. Raises UserError where the server gives none; what it
        gave until then is kept."""
        return [_answers(of_chat, sampling) for of_chat in self._replies_to(chats, sampling)]

    def heard(self, chats: Sequence[Chat], sampling: Sampling) -> list[Heard]:
        """The same answers, with what the server says of their first tokens and of each prompt."""
        wanted: Fields = {"logprobs": True}
        try:
            self._replies_to(chats[:1], sampling, wanted)
        except UserError:
            # Some models refuse to tell; one that is out of order refuses the next as well.
            wanted = {}
        return [
            Heard(
                tuple(answer.text for answer in _answers(of_chat, sampling)),
                tuple(first for reply in of_chat for first in _first_tokens(reply)),
                of_chat[0].usage.prompt_tokens if of_chat[0].usage else None,
            )
            for of_chat in self._replies_to(chats, sampling, wanted)
        ]

    def _replies_to(
        self, chats: Sequence[Chat], sampling: Sampling, wanted: Fields | None = None
    ) -> list[list[Reply]]:
        """Replies that together have `num_samples` answers to each chat, or more; `wanted` is asked
        beside."""
        replies: list[list[Reply]] = [[] for _ in chats]
        got = [0] * len(chats)
        while short := [i for i in range(len(chats)) if got[i] < sampling.num_samples]:
            # A server may give fewer than it was asked for: `n` is not known to all.
            bodies = [self._sampled(chats[i], sampling, got[i]) | (wanted or {}) for i in short]
            for i, reply in zip(short, self.replies(bodies), strict=True):
                if not reply.choices:
                    raise UserError(f"the endpoint gave {self.model!r} no answer to a chat")
                replies[i].append(reply)
                got[i] += len(reply.choices)
        return replies

    def score(self, prompts: Sequence[Prompt]) -> list[Scored]:
        """The probabilities of listed answers, as the server computes them. Raises UserError where
        it gives none of whole answers."""
        if not prompts:
            return []
        (first,) = self.replies([self._listed(prompts[0])])
        if first.continuation_logprobs is None and not self.base.served:
            # Its tokens are known here.
            return score_given(self.base, self.model, prompts, self._completions)
        replies = self.replies([self._listed(prompt) for prompt in prompts])
        return [_scored(prompt, reply) for prompt, reply in zip(prompts, replies, strict=True)]

    def _completions(self, bodies: Sequence[Fields]) -> list[Reply]:
        return self.replies(bodies, "/completions")

    def _sampled(self, chat: Chat, sampling: Sampling, got: int) -> Fields:
        """What is asked for the answers after the first `got`."""
        body: Fields = {
            "n": min(MOST_SAMPLES, sampling.num_samples - got),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
        }
        if sampling.stop:
            body["stop"] = [*sampling.stop]
        if sampling.thinking:
            body["chat_template_kwargs"] = {"enable_thinking": True}
        asked = self._asking(chat) | body
        # Each chat, and each further request for it, has a seed of its own, of 31 bits.
        return asked | {"seed": int(digest([sampling.seed, got, asked])[:8], 16) % 2**31}

    def _listed(self, prompt: Prompt) -> Fields:
        texts = [text for option in prompt.options for text in (option.text, *option.variants)]
        return self._asking(prompt.chat) | {"continuations": [*texts], "max_tokens": 1}

    def _asking(self, chat: Chat) -> Fields:
        """The model and the chat, with the study's system line unless it has one of its own."""
        turns = [*chat]
        if self.system is not None and turns[0]["role"] != "system":
            turns.insert(0, Message(role="system", content=self.system))
        body: Fields = {
            "model": self.model,
            "messages": [{"role": turn["role"], "content": turn["content"]} for turn in turns],
        }
        if turns[-1]["role"] == "assistant":
            # An answer that has begun goes on, as vLLM and `tellme serve` take it.
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body

    def replies(self, bodies: Sequence[Fields], path: str = CHAT) -> list[Reply]:
        """What the server says to each request, in their order; only those that it has not answered
        yet are sent. Raises UserError for the first that fails, once all that are under way have
        been kept."""
        keys = [digest(body) for body in bodies]
        waiting = {k: body for k, body in zip(keys, bodies, strict=True) if k not in self.kept}
        with ThreadPoolExecutor(self.endpoint.at_a_time) as pool:
            asked = {pool.submit(self._ask, body, path): key for key, body in waiting.items()}
            bar = tqdm(as_completed(asked), "ask", len(asked), leave=False, delay=1)
            failed: BaseException | None = None
            try:
                for done in bar:
                    failed = done.exception()
                    if failed:
                        break
                    self.kept.add(asked.pop(done), done.result())
            finally:
                # What was sent is paid for: it is waited for, and kept.
                pool.shutdown(cancel_futures=True)
                for other, key in asked.items():
                    if not other.cancelled() and not other.exception():
                        self.kept.add(key, other.result())
        if failed:
            raise self._refusal(failed) from None
        return [self.kept[key] for key in keys]

    def _ask(self, body: Fields, path: str) -> object:
        # By path, since the client's own methods know nothing of what servers take beside.
        return self.client.post(path, body=body, cast_to=object)

    def _refusal(self, error: BaseException) -> BaseException:
        """What a failed request means, in one line; other errors as they are."""
        import openai

        if not isinstance(error, openai.OpenAIError):
            return error
        where = f"endpoint {self.endpoint.url!r}"
        # Some servers repeat the key that they refuse.
        reason = first_line(error).replace(self.client.api_key, "...")
        match error:
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                variable = self.endpoint.api_key_env
                return UserError(f"{where} refuses the key in {variable}: {reason}; set {variable}")
            case openai.NotFoundError():
                return UserError(
                    f"{where} has no model {self.model!r}, or is another address: {reason}; it"
                    f" serves {self._models()}"
                )
            case openai.APIConnectionError() | openai.InternalServerError():
                why = f"gave no answer in {TRIES + 1} tries"
            case openai.RateLimitError():
                why = f"is still too busy after {TRIES + 1} tries"
            case _:
                why = f"refuses a request to {self.model!r}"
        return UserError(
            f"{where} {why}: {reason}; what it answered is kept, and the same command goes on from"
            " there"
        )

    def _models(self) -> str:
        """The models of the server, by their names there."""
        import openai

        try:
            return ", ".join(sorted(model.id for model in self.client.models.list()))
        except openai.OpenAIError:
            return "nothing that it would list"


def _answers(replies: Sequence[Reply], sampling: Sampling) -> list[Answer]:
    """As many as were asked for: a server may give more."""
    answers = [_answer(choice, sampling) for reply in replies for choice in reply.choices]
    return answers[: sampling.num_samples]


def _answer(choice: Choice, sampling: Sampling) -> Answer:
    text = choice.message.content or choice.message.refusal or ""
    thinking, end_of_thought, answer = text.rpartition(CLOSE_TAG)
    thinking = choice.message.reasoning_content or thinking
    cut = choice.finish_reason in ("length", "content_filter")
    if sampling.thinking and not end_of_thought and not choice.message.reasoning_content:
        # All of it is a thought where the budget ended; else the model did not think.
        return Answer("", answer.strip(), True) if cut else Answer(answer.strip())
    return Answer(answer.strip(), thinking.strip(), cut)


def _first_tokens(reply: Reply) -> Iterator[tuple[str, float]]:
    for choice in reply.choices:
        if choice.logprobs and choice.logprobs.content:
            yield choice.logprobs.content[0].token, choice.logprobs.content[0].logprob


def _scored(prompt: Prompt, reply: Reply) -> Scored:
    """The options of a prompt, each with the probabilities of its spellings added."""
    found = reply.continuation_logprobs
    num_spellings = sum(1 + len(option.variants) for option in prompt.options)
    if found is None or len(found) != num_spellings:
        raise UserError(
            "the endpoint gives no log-probabilities of whole answers, which engine"
            " `endpoint_exact` reads (docs/endpoint.md); set eval.engine: endpoint, which samples"
        )
    logs = iter([(log_of(one.logprob), log_of(one.prefix_logprob)) for one in found])
    exact, prefix = [], []
    for option in prompt.options:
        spelled = [next(logs) for _ in (option.text, *option.variants)]
        exact.append(log_sum([log for log, _ in spelled]))
        prefix.append(log_sum([log for _, log in spelled]))
    return Scored(tuple(exact), tuple(prefix), tuple(reply.outside_top))


@contextmanager
def opened(base: Base, adapter: Path | None, served: Served | None = None) -> Iterator[Remote]:
    """The base at an address, or what is called by the adapter's name there. Raises UserError where
    no address is known, or the client is not installed."""
    if served is None or served.endpoint is None:
        raise UserError(
            "no endpoint is given; set run.endpoint.url, for example --set"
            " run.endpoint.url=http://127.0.0.1:8000/v1"
        )
    endpoint = served.endpoint
    line = base.model.chat.system
    with _client(endpoint) as client:
        yield Remote(
            base=base,
            endpoint=endpoint,
            model=served.adapter if adapter else base.served or endpoint.base,
            # A server has the template, and with it the template's own line or none.
            system=None if line in ("default", "none") else line,
            client=client,
            kept=Kept(served.kept / KEPT),
        )


def _client(endpoint: Endpoint) -> OpenAI:
    try:
        from openai import OpenAI
    except ImportError:
        raise UserError(
            "engine `endpoint` needs the package openai: pip install -e '.[endpoint]'"
        ) from None
    return OpenAI(
        base_url=endpoint.url,
        api_key=os.environ.get(endpoint.api_key_env) or NO_KEY,
        max_retries=TRIES,
        timeout=PATIENCE,
    )
