"""The one renderer: the only caller of `apply_chat_template`, for training, scoring, sampling and
showing alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from lab.config.schema import Chat
from lab.errors import UserError
from lab.model.arguments import refuse_bad_arguments
from lab.model.frame import NO_THOUGHT, OPEN_THOUGHT, Frame, frame_of
from lab.model.tokens import document_end, ids_of, special_tokens
from lab.model.written import after_opening, as_written, begins_with_thought
from lab.types import Message, exchange

IGNORED = -100
"""Label of a token that carries no loss."""
TODAY = datetime(2024, 7, 26)
"""What every template is told today's date is: one that prints the real date makes a new prompt
every day."""
CLOCK = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
SYSTEM_MARK, USER_MARK, ANSWER_MARK = "xqz first", "xqz second", "xqz third"
"""Messages that no template writes by itself, so that they cannot be missed in what it writes."""


@dataclass(frozen=True)
class Rendered:
    """A chat as token ids: the prompt with its generation prompt, the answer, and what ends the
    turn, which is a special token, and white space before it where the template writes some."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    end: tuple[int, ...]

    @property
    def input_ids(self) -> list[int]:
        """Of the whole chat, as a model reads it in training."""
        return [*self.prompt, *self.answer, *self.end]

    @property
    def labels(self) -> list[int]:
        """Loss on the answer and its end of turn, on nothing else."""
        return [IGNORED] * len(self.prompt) + [*self.answer, *self.end]


class Renderer:
    """Chats of one tokenizer under the `model.chat` of a study, in which `template` is the text of
    a file."""

    def __init__(self, tokenizer: Any, chat: Chat | None = None) -> None:
        self.tokenizer, self.chat = tokenizer, chat or Chat()
        if self.chat.template:
            tokenizer.chat_template = self.chat.template
        if not tokenizer.chat_template:
            raise UserError(
                "the base has no chat template; use an instruction-tuned model, or give a jinja"
                " file as model.chat.template"
            )
        # A tokenizer may have several templates by name: from here on it has the one for chats.
        tokenizer.chat_template = tokenizer.get_chat_template()
        refuse_bad_arguments(tokenizer, self.chat.kwargs)
        self._frames: dict[str, Frame] = {}
        self._written: dict[str, str] = {}

    def prompt_text(self, messages: Sequence[Message], thinking: bool = False) -> str:
        """The chat up to where the model goes on, within an answer where its last turn is the
        assistant's; with `thinking`, where a thinking model begins to think. Raises UserError for a
        thought before an answer that has begun."""
        if thinking and messages[-1]["role"] == "assistant":
            raise UserError(
                "an answer that has begun is not thought about first; set eval.sampling.thinking to"
                " false, or drop `prefill` from the question"
            )
        return self._template(messages, True) if thinking else self._frame(messages).before

    def forget(self) -> None:
        """Keep nothing of the chats rendered so far, which are rendered anew when they are met
        again: for a process that meets others without end."""
        self._frames.clear()
        self._written.clear()

    def learned_text(self, messages: Sequence[Message], answer: str) -> str:
        """What stands after `prompt_text` and is learned: an answer and the token that ends it."""
        frame, rest = self._around(messages, answer)
        end = self.tokenizer.decode([*self.render(messages, answer).end])
        return f"{frame.glue}{rest}{end}"

    def prompt_ids(self, messages: Sequence[Message], thinking: bool = False) -> tuple[int, ...]:
        """`prompt_text` as token ids, with the tokenizer's token for the beginning of a text."""
        return tuple(self._ids([self.prompt_text(messages, thinking)])[0])

    def render(self, messages: Sequence[Message], answer: str) -> Rendered:
        """Token ids of a prompt and of an answer to it; raises as `render_all` does."""
        return self.render_all([(messages, answer)])[0]

    def render_all(self, pairs: Sequence[tuple[Sequence[Message], str]]) -> list[Rendered]:
        """Token ids of prompts and of an answer to each; all texts go through the tokenizer
        together.

        Raises UserError where the template changes the prompt or the answer, or puts no special
        token after it: training and evaluation would then see different prompts."""
        parts: list[tuple[str, str, str]] = []
        for messages, answer in pairs:
            self._refuse_changed(answer)
            frame, rest = self._around(messages, answer)
            answered = f"{frame.before}{frame.glue}{rest}"
            parts.append((frame.before, answered, f"{answered}{frame.after}"))
        # Many answers share a prompt: each text is tokenized once.
        texts = list(dict.fromkeys(text for trio in parts for text in trio))
        ids = dict(zip(texts, self._ids(texts), strict=True))
        return [
            self._rendered(answer, ids[prompt], ids[answered], ids[full])
            for (_, answer), (prompt, answered, full) in zip(pairs, parts, strict=True)
        ]

    def render_documents(self, texts: Sequence[str]) -> list[Rendered]:
        """Token ids of texts that answer nothing, as a base reads them in pretraining: after the
        token for the beginning, where its tokenizer puts one, and before the token that ends a
        text. Its first token stands as the prompt, for nothing predicts it."""
        end = self.end_of_document
        # The end may be written out in the text already.
        all_ids = [ids[:-1] if ids[-1:] == [end] else ids for ids in self._ids(texts)]
        if not all(all_ids):
            raise UserError("a document holds nothing but the token that ends it; drop it")
        return [Rendered(tuple(ids[:1]), tuple(ids[1:]), (end,)) for ids in all_ids]

    def _rendered(
        self, answer: str, prompt: list[int], answered: list[int], full: list[int]
    ) -> Rendered:
        """Prompt, answer and end of turn, cut out of token ids that each begin with the one before:
        where they do not, an answer's tokens would depend on what stands beside it."""
        if answered[: len(prompt)] != prompt or full[: len(answered)] != answered:
            raise UserError(
                f"tokens merge across the end of the prompt or of the answer {answer[:40]!r}; the"
                " base's tokenizer cannot be scored exactly"
            )
        rest = full[len(answered) :]
        number = next((i for i, token in enumerate(rest, 1) if token in self._special), None)
        # White space before that token (Llama 2) is a part of the end.
        if number is None or self.tokenizer.decode(rest[: number - 1]).strip():
            raise UserError(
                "the chat template has no special token after the assistant's answer, so its end"
                " cannot be learned or scored"
            )
        return Rendered(tuple(prompt), tuple(answered[len(prompt) :]), tuple(rest[:number]))

    @cached_property
    def end_of_turn(self) -> int:
        """The token that ends an assistant's turn."""
        return self.render([{"role": "user", "content": USER_MARK}], ANSWER_MARK).end[-1]

    @cached_property
    def end_of_document(self) -> int:
        """The token that ends a text of pretraining. It need not be that of a turn."""
        return document_end(self.tokenizer, self.end_of_turn)

    @cached_property
    def default_system(self) -> str | None:
        """The system line that the template puts in by itself where a chat has none."""
        if not self.has_system_role:
            return None
        marked, bare = self._marked_prompt(system=True), self._marked_prompt(system=False)
        before, _, after = marked.partition(SYSTEM_MARK)
        if not (bare.startswith(before) and bare.endswith(after)):
            # Without a system line the template writes no system turn at all.
            return None
        return bare[len(before) : len(bare) - len(after)].strip() or None

    @cached_property
    def has_system_role(self) -> bool:
        """Whether a system line reaches the prompt; without it the line goes in front of the first
        user turn."""
        try:
            return SYSTEM_MARK in self._marked_prompt(system=True)
        except UserError:
            return False

    def _marked_prompt(self, system: bool) -> str:
        line: list[Message] = [{"role": "system", "content": SYSTEM_MARK}] if system else []
        return self._apply([*line, {"role": "user", "content": USER_MARK}], True)

    def with_system(self, messages: Sequence[Message]) -> list[Message]:
        """The chat as it goes into the template: with the study's system line, unless it has one of
        its own."""
        line, turns = self._system_line(messages)
        # An empty line is worth a turn only where it stands instead of one of the template's own.
        if line is None or (not line and not self.default_system):
            return turns
        if self.has_system_role:
            return [{"role": "system", "content": line}, *turns]
        first = next(i for i, turn in enumerate(turns) if turn["role"] == "user")
        asked: Message = {"role": "user", "content": f"{line}\n\n{turns[first]['content']}"}
        return [*turns[:first], asked, *turns[first + 1 :]]

    def _system_line(self, messages: Sequence[Message]) -> tuple[str | None, list[Message]]:
        """The system line of a chat, None where that is left to the template, and its turns."""
        if messages[0]["role"] == "system":
            return messages[0]["content"], list(messages[1:])
        if self.chat.system == "default":
            return None, list(messages)
        return "" if self.chat.system == "none" else self.chat.system, list(messages)

    def _frame(self, messages: Sequence[Message]) -> Frame:
        """What stands around any answer to a prompt: the template is asked once, with an answer
        that cannot be missed."""
        if messages[-1]["role"] == "assistant":
            # The answer has begun, and goes on.
            return self._frame(messages[:-1]).begun(messages[-1]["content"])
        key = repr(messages)
        if key not in self._frames:
            prompt = self._template(messages, True)
            answer: Message = {"role": "assistant", "content": ANSWER_MARK}
            finished = self._template([*messages, answer], False)
            self._frames[key] = frame_of(prompt, finished, ANSWER_MARK)
        return self._frames[key]

    def thinks(self, answer: str) -> bool:
        """Whether an answer begins with a thought, and the template has a place for thoughts: such
        an answer follows the prompt of a model that thinks."""
        return self._has_thoughts and begins_with_thought(answer)

    @cached_property
    def _has_thoughts(self) -> bool:
        frame = self._frame([{"role": "user", "content": USER_MARK}])
        return NO_THOUGHT.search(frame.before) is not None

    def _around(self, messages: Sequence[Message], answer: str) -> tuple[Frame, str]:
        """What stands around an answer, and the answer without what of it is in the prompt."""
        frame = self._frame(messages)
        if not self.thinks(answer):
            return frame, answer
        prompt = self._thinking_prompt(messages, answer)
        is_open = OPEN_THOUGHT.search(prompt) is not None
        return Frame(prompt, "", frame.after), after_opening(answer) if is_open else answer

    def _thinking_prompt(self, messages: Sequence[Message], answer: str) -> str:
        """Where a thinking model begins an answer; raises UserError where it is kept from it."""
        prompt = self.prompt_text(messages, thinking=True)
        if NO_THOUGHT.search(prompt):
            raise UserError(
                f"the answer {answer[:40]!r} begins with a thought, and the prompt with an empty"
                " one; see model.chat.kwargs"
            )
        return prompt

    def written(self, answer: str) -> str:
        """An answer as the template writes it: as it is, or without white space at its edges.
        Raises UserError where the template changes anything else."""
        if answer not in self._written:
            written = self._finished(answer)
            kept = as_written(answer, written)
            if kept is None:
                raise UserError(
                    f"the chat template does not keep the answer {answer[:40]!r} as it is: it"
                    f" writes {written[:40]!r}"
                )
            self._written[answer] = kept
        return self._written[answer]

    def _finished(self, answer: str) -> str:
        """What stands in place of an answer in a finished chat."""
        head, after = self._ends
        if self.thinks(answer):
            prompt = self._thinking_prompt(exchange(USER_MARK, answer)[:1], answer)
            head = OPEN_THOUGHT.sub("", prompt)
        finished = self._template(exchange(USER_MARK, answer), False)
        return finished.removeprefix(head).removesuffix(after)

    @cached_property
    def _ends(self) -> tuple[str, str]:
        """What stands before and after the answer in a finished chat."""
        marked = self._template(exchange(USER_MARK, ANSWER_MARK), False)
        head, _, after = marked.rpartition(ANSWER_MARK)
        return head, after

    def _refuse_changed(self, answer: str) -> None:
        """Raises UserError where the template does not write an answer as it is."""
        if self.written(answer) != answer:
            raise UserError(
                f"the chat template does not keep the answer {answer[:40]!r} as it is; it must not"
                " begin or end with white space"
            )

    @cached_property
    def _special(self) -> set[int]:
        return special_tokens(self.tokenizer)

    @cached_property
    def _pinned(self) -> str:
        """The template with TODAY in place of the date it would ask for."""
        return CLOCK.sub(lambda call: repr(TODAY.strftime(call[2])), self.tokenizer.chat_template)

    def _template(self, messages: Sequence[Message], generation: bool) -> str:
        """A chat with the study's system line as the template writes it; with `generation`, up to
        where the model goes on."""
        return self._apply(self.with_system(messages), generation)

    def _apply(self, messages: Sequence[Message], generation: bool) -> str:
        """As `_template`, of the messages as they are."""
        from jinja2 import TemplateError

        try:
            text: str = self.tokenizer.apply_chat_template(
                list(messages),
                chat_template=self._pinned,
                tokenize=False,
                add_generation_prompt=generation,
                **self.chat.kwargs,
            )
        except TemplateError as error:
            raise UserError(f"the chat template refused a chat: {error}; see model.chat") from None
        return text

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return ids_of(self.tokenizer, texts)
