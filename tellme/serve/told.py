"""Requests to one model, answered together by the lab's own engines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from secrets import randbits

from lab.engine import Answering, Prompt, Scored
from lab.errors import UserError
from lab.inference.generate import Draw, Generated, generate, row_seed
from lab.inference.prompt import compile_prompts
from lab.inference.score import score
from lab.inference.token_scores import TokenScore, score_tokens
from lab.model.base import Base
from lab.model.context import context_length
from lab.model.load import Loaded
from lab.types import Option
from tellme.serve.request import Asked


@dataclass(frozen=True)
class Told:
    """What came of a request."""

    prompt_tokens: int
    answers: list[Generated]
    """None where continuations were scored."""
    tokens: list[list[TokenScore]] | None
    """Of each answer, where its log-probabilities are asked for."""
    scored: Scored | None
    """Of the continuations."""
    fingerprint: str
    """Digests of the weights that answered."""


def tell(model: Answering, base: Base, asked: Sequence[Asked], fingerprint: str) -> list[Told]:
    """The answers to requests, in their order: continuations scored in common trees, and what is
    generated alike in common batches. Raises UserError for a chat that the base cannot read."""
    loaded = model.loaded
    assert loaded is not None, "what is served is in this process"
    prompts = [loaded.renderer.prompt_ids(one.chat, one.sampling.thinking) for one in asked]
    _refuse_long(base, asked, prompts)
    scored = _scored(loaded, asked)
    answers = _generated(loaded, asked, prompts)
    told = [
        Told(
            len(prompt),
            answers.get(i, []),
            _tokens(loaded, one, prompt, answers[i]) if one.logprobs and i in answers else None,
            scored.get(i),
            fingerprint,
        )
        for i, (one, prompt) in enumerate(zip(asked, prompts, strict=True))
    ]
    # A process that stays would keep every chat that it ever met.
    loaded.renderer.forget()
    return told


def _refuse_long(base: Base, asked: Sequence[Asked], prompts: Sequence[tuple[int, ...]]) -> None:
    context = context_length(base)
    for one, prompt in zip(asked, prompts, strict=True):
        answer = 0 if one.continuations else one.sampling.max_new_tokens
        if context is not None and len(prompt) + answer > context:
            raise UserError(
                f"request: {len(prompt)} tokens and an answer of {answer} are more than the"
                f" {context} that {base.name!r} reads; shorten messages or max_tokens"
            )


def _scored(loaded: Loaded, asked: Sequence[Asked]) -> dict[int, Scored]:
    """Scores of continuations, by the number of their request."""
    # What a continuation is worth is the client's to say.
    prompts = {
        i: Prompt(tuple(one.chat), tuple(Option(text, 0.5) for text in one.continuations))
        for i, one in enumerate(asked)
        if one.continuations
    }
    compiled = compile_prompts(loaded.renderer, list(prompts.values()))
    return dict(zip(prompts, score(loaded, compiled), strict=True)) if prompts else {}


def _generated(
    loaded: Loaded, asked: Sequence[Asked], prompts: Sequence[tuple[int, ...]]
) -> dict[int, list[Generated]]:
    """Answers by the number of their request."""
    answers: dict[int, list[Generated]] = {}
    to_generate = [i for i, one in enumerate(asked) if not one.continuations]
    for sampling in dict.fromkeys(asked[i].sampling for i in to_generate):
        alike = [i for i in to_generate if asked[i].sampling == sampling]
        draws = [Draw(prompts[i], seed) for i in alike for seed in _seeds(asked[i])]
        generated = iter(generate(loaded, draws, sampling))
        for i in alike:
            answers[i] = [next(generated) for _ in range(asked[i].n)]
    return answers


def _seeds(one: Asked) -> Iterator[int]:
    """Those with which the lab draws the same answers in process; without a seed others every
    time."""
    seed = randbits(60) if one.seed is None else one.seed
    return (row_seed(seed, one.chat, number) for number in range(one.n))


def _tokens(
    loaded: Loaded, one: Asked, prompt: tuple[int, ...], answers: Sequence[Generated]
) -> list[list[TokenScore]]:
    return score_tokens(loaded, [(prompt, answer.ids) for answer in answers], one.top_logprobs)
