"""The one renderer: the only caller of `apply_chat_template`, for training, scoring and showing alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import UserError
from lab.types import Message

IGNORED = -100
"""Label of a token that carries no loss."""


@dataclass(frozen=True)
class Rendered:
    """A chat as token ids: the prompt with its generation prompt, the answer, and the token that ends the turn."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    end: tuple[int, ...]

    @property
    def input_ids(self) -> list[int]:
        return [*self.prompt, *self.answer, *self.end]

    @property
    def labels(self) -> list[int]:
        """Loss on the answer and its end of turn, on nothing else."""
        return [IGNORED] * len(self.prompt) + [*self.answer, *self.end]


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    if not tokenizer.chat_template:
        raise UserError(
            "the base has no chat template; use an instruction-tuned model, or save a chat_template.jinja in its folder"
        )
    text: str = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    return text


def render(tokenizer: Any, messages: Sequence[Message], answer: str) -> Rendered:
    """Token ids of a prompt and an answer to it.

    Raises UserError where the template does not keep the prompt as a prefix of the whole chat, changes the answer, or
    puts no special token after it: training and evaluation would then see different prompts.
    """
    before = prompt_text(tokenizer, messages)
    whole: str = tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": answer}], tokenize=False)
    if not whole.startswith(before + answer):
        raise UserError(
            f"the chat template does not keep prompt and answer as they are: {whole[max(0, len(before) - 20) :][:80]!r} should go on from {before[-20:]!r} with {answer[:40]!r}"
        )
    prompt, answered, full = (_ids(tokenizer, text) for text in (before, before + answer, whole))
    if answered[: len(prompt)] != prompt or full[: len(answered)] != answered:
        raise UserError(
            f"tokens merge across the end of the prompt or of the answer {answer[:40]!r}; the base's tokenizer cannot be scored exactly"
        )
    end = full[len(answered) : len(answered) + 1]
    if not end or end[0] not in tokenizer.all_special_ids:
        raise UserError(
            "the chat template has no special token after the assistant's answer, so its end cannot be learned or scored"
        )
    return Rendered(tuple(prompt), tuple(answered[len(prompt) :]), tuple(end))


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
