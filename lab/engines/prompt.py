"""A question as tokens: the prompt, and every spelling of every answer that it lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lab.model.chat import Renderer
from lab.types import Message, Wording

Tokens = tuple[int, ...]


class Spelling(NamedTuple):
    """One way to write an answer."""

    option: int
    """Index of the option in its wording."""
    answer: Tokens
    end: Tokens
    """What ends the turn."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as token ids, and every spelling of every allowed answer."""

    ids: Tokens
    spellings: tuple[Spelling, ...]


def compile_prompts(
    renderer: Renderer, chats: Sequence[Sequence[Message]], wordings: Sequence[Wording]
) -> list[Prompt]:
    """The prompt of every chat with the options of its wording, in the order of the chats.

    All texts go to the renderer together, because its tokenizer is much faster on many at once.
    Raises UserError where the base cannot be scored exactly (lab.model.chat)."""
    spelled = [_texts(wording) for wording in wordings]
    pairs = [
        (chat, text) for chat, texts in zip(chats, spelled, strict=True) for _option, text in texts
    ]
    rendered = iter(renderer.render_all(pairs))
    prompts = []
    for texts in spelled:
        turns = [next(rendered) for _ in texts]
        spellings = tuple(
            Spelling(option, turn.answer, turn.end)
            for (option, _text), turn in zip(texts, turns, strict=True)
        )
        # Rendered with any of its answers the prompt is the same.
        prompts.append(Prompt(turns[0].prompt, spellings))
    return prompts


def _texts(wording: Wording) -> list[tuple[int, str]]:
    """(index of the option, spelling) of every spelling."""
    return [
        (index, text)
        for index, option in enumerate(wording.options)
        for text in (option.text, *option.variants)
    ]
