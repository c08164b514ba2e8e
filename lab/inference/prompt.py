"""A prompt as tokens, with every spelling of every answer that it lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lab.engine import Prompt
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.store.store import digest

Tokens = tuple[int, ...]


class Spelling(NamedTuple):
    """One way to write an answer."""

    option: int
    """Index of the option in its prompt."""
    answer: Tokens
    end: Tokens
    """What ends the turn."""


@dataclass(frozen=True)
class Compiled:
    """A prompt as token ids, and every spelling of every option."""

    ids: Tokens
    spellings: tuple[Spelling, ...]


_COMPILED: dict[tuple[Base, str], tuple[Compiled, ...]] = {}
MOST_KEPT = 64
"""Sets of prompts that stay compiled: what a judge is told is never asked again, and of many
answers it would fill the memory."""


def compiled(base: Base, renderer: Renderer, prompts: Sequence[Prompt]) -> tuple[Compiled, ...]:
    """`compile_prompts` by the renderer of a base, once per process: every adapter on a base is
    asked the same."""
    # Two prompts may ask the same and list other answers.
    key = (base, digest([[prompt.chat, _texts(prompt)] for prompt in prompts]))
    if key not in _COMPILED:
        while len(_COMPILED) >= MOST_KEPT:
            del _COMPILED[next(iter(_COMPILED))]
        _COMPILED[key] = tuple(compile_prompts(renderer, prompts))
    return _COMPILED[key]


def compile_prompts(renderer: Renderer, prompts: Sequence[Prompt]) -> list[Compiled]:
    """Every prompt as tokens, in their order.

    All texts go to the renderer together, because its tokenizer is much faster on many at once.
    Raises UserError where the base cannot be scored exactly (lab.model.chat)."""
    spelled = [_texts(prompt) for prompt in prompts]
    pairs = [
        (prompt.chat, text)
        for prompt, texts in zip(prompts, spelled, strict=True)
        for _option, text in texts
    ]
    rendered = iter(renderer.render_all(pairs))
    in_tokens = []
    for texts in spelled:
        turns = [next(rendered) for _ in texts]
        spellings = tuple(
            Spelling(option, turn.answer, turn.end)
            for (option, _text), turn in zip(texts, turns, strict=True)
        )
        # Rendered with any of its answers the prompt is the same.
        in_tokens.append(Compiled(turns[0].prompt, spellings))
    return in_tokens


def _texts(prompt: Prompt) -> list[tuple[int, str]]:
    """(index of the option, spelling) of every spelling."""
    return [
        (index, text)
        for index, option in enumerate(prompt.options)
        for text in (option.text, *option.variants)
    ]
