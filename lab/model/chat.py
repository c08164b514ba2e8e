"""The one renderer: the only caller of `apply_chat_template`, for training, scoring, sampling and
showing alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from lab.config.schema import Chat
from lab.errors import UserError, unknown
from lab.types import Message

IGNORED = -100
"""Label of a token that carries no loss."""
TODAY = datetime(2024, 7, 26)
"""What every template is told today's date is: one that prints the real date makes a new prompt
every day."""
CLOCK = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
RESERVED = "conversation messages chat_template tokenize add_generation_prompt".split()
RESERVED += ["continue_final_message", "return_dict"]
LENT = frozenset({"raise_exception", "strftime_now"})
"""Functions that transformers lends to every template."""
GENERATION = re.compile(r"\{%[-+]?\s*(end)?generation\s*[-+]?%\}")
"""Tags of transformers' own around what is learned; jinja does not know them."""
THINK_OPEN, THINK_CLOSED = re.compile(r"<think>\s*$"), re.compile(r"\s*<think>\s*</think>\s*")
FIRST, SECOND, THIRD = "xqz first", "xqz second", "xqz third"


@dataclass(frozen=True)
class Rendered:
    """A chat as token ids: the prompt with its generation prompt, the answer, and the token that
    ends the turn."""

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


@dataclass(frozen=True)
class Frame:
    """What stands around an answer: the prompt, white space that merges into the answer's first
    token, and the rest of the turn."""

    before: str
    glue: str
    after: str


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
        tokenizer.chat_template = tokenizer.get_chat_template()
        reserved = set(RESERVED) & set(self.chat.kwargs)
        if reserved:
            raise UserError(
                f"model.chat.kwargs names {sorted(reserved)[0]!r}, which the lab sets; give"
                " arguments of the template only"
            )
        if self.chat.kwargs:
            self._refuse_unread()
        self._frames: dict[str, Frame] = {}

    def _refuse_unread(self) -> None:
        """Raises UserError for an argument that the template does not read: it would be named in
        the keys and do nothing."""
        from jinja2 import Environment, TemplateError, meta

        parser = Environment(extensions=["jinja2.ext.loopcontrols"])
        try:
            read = meta.find_undeclared_variables(
                parser.parse(GENERATION.sub("", self.tokenizer.chat_template))
            )
        except TemplateError as error:
            raise UserError(
                f"the chat template cannot be read: {error}; see model.chat.template"
            ) from None
        for name in set(self.chat.kwargs) - read:
            allowed = read - {*RESERVED, *LENT} - set(self.tokenizer.special_tokens_map)
            raise unknown("model.chat.kwargs: argument of the chat template", name, allowed)

    def prompt_text(self, messages: Sequence[Message], thinking: bool = False) -> str:
        """The chat up to where the model goes on; with `thinking`, where a thinking model begins to
        think."""
        return self._template(messages, True) if thinking else self._frame(messages).before

    def prompt_ids(self, messages: Sequence[Message], thinking: bool = False) -> tuple[int, ...]:
        return tuple(self._ids([self.prompt_text(messages, thinking)])[0])

    def render(self, messages: Sequence[Message], answer: str) -> Rendered:
        return self.render_all([(messages, answer)])[0]

    def render_all(self, pairs: Sequence[tuple[Sequence[Message], str]]) -> list[Rendered]:
        """Token ids of prompts and of an answer to each; all texts go through the tokenizer
        together.

        Raises UserError where the template changes the prompt or the answer, or puts no special
        token after it: training and evaluation would then see different prompts."""
        asked = []
        for messages, answer in pairs:
            frame = self._frame(messages)
            self._check_kept(answer)
            answered = f"{frame.before}{frame.glue}{answer}"
            asked.append((answer, frame.before, answered, f"{answered}{frame.after}"))
        texts = list(dict.fromkeys(text for _, *three in asked for text in three))
        ids = dict(zip(texts, self._ids(texts), strict=True))
        return [self._rendered(answer, *(ids[text] for text in three)) for answer, *three in asked]

    def _rendered(
        self, answer: str, prompt: list[int], answered: list[int], full: list[int]
    ) -> Rendered:
        if answered[: len(prompt)] != prompt or full[: len(answered)] != answered:
            raise UserError(
                f"tokens merge across the end of the prompt or of the answer {answer[:40]!r}; the"
                " base's tokenizer cannot be scored exactly"
            )
        end = full[len(answered) : len(answered) + 1]
        if not end or end[0] not in self._special:
            raise UserError(
                "the chat template has no special token after the assistant's answer, so its end"
                " cannot be learned or scored"
            )
        return Rendered(tuple(prompt), tuple(answered[len(prompt) :]), tuple(end))

    @cached_property
    def end_of_turn(self) -> int:
        return self.render([{"role": "user", "content": SECOND}], THIRD).end[0]

    @cached_property
    def default_system(self) -> str | None:
        """The system line that the template puts in by itself where a chat has none."""
        if not self.has_system_role:
            return None
        user = {"role": "user", "content": SECOND}
        pre, _, post = self._apply([{"role": "system", "content": FIRST}, user], True).partition(
            FIRST
        )
        bare = self._apply([user], True)
        inside = bare.startswith(pre) and bare.endswith(post)
        return bare[len(pre) : len(bare) - len(post)].strip() or None if inside else None

    @cached_property
    def has_system_role(self) -> bool:
        """Whether a system line reaches the prompt; without it the line goes in front of the first
        user turn."""
        try:
            return FIRST in self._apply(
                [{"role": "system", "content": FIRST}, {"role": "user", "content": SECOND}], True
            )
        except UserError:
            return False

    def with_system(self, messages: Sequence[Message]) -> list[Message]:
        """The chat as it goes into the template: with the study's system line, unless it has one of
        its own."""
        if messages[0]["role"] == "system":
            line: str | None = messages[0]["content"]
            turns = list(messages[1:])
        else:
            chosen: dict[str, str | None] = {"none": "", "default": None}
            line, turns = chosen.get(self.chat.system, self.chat.system), list(messages)
        if line is None or (not line and not self.default_system):
            return turns
        if self.has_system_role:
            return [{"role": "system", "content": line}, *turns]
        return [{**turns[0], "content": f"{line}\n\n{turns[0]['content']}"}, *turns[1:]]

    def _frame(self, messages: Sequence[Message]) -> Frame:
        """Ask the template with an answer that cannot be missed, and see what it put around it."""
        key = repr(messages)
        if key not in self._frames:
            before = self._template(messages, True)
            whole = self._template([*messages, {"role": "assistant", "content": THIRD}], False)
            head, found, after = whole.rpartition(THIRD)
            opened = THINK_OPEN.search(before)
            if opened:
                # A template that forces thinking leaves it out of finished turns: an empty thought
                # is put there instead.
                closed, bare = f"{before.rstrip()}\n\n</think>\n\n", before[: opened.start()]
            else:
                closed = bare = before
            thought = THINK_CLOSED.sub("", head[len(bare) :]) if head.startswith(bare) else head
            if not found or not head.startswith(bare) or thought.strip():
                raise UserError(
                    f"the chat template does not keep prompt and answer as they are: {head[-60:]!r}"
                    f" should go on from {before[-40:]!r}"
                )
            glue = head[len(bare) :]
            if THINK_CLOSED.search(glue):
                closed, glue = bare + glue, ""
            self._frames[key] = Frame(closed, "" if opened else glue, after)
        return self._frames[key]

    def _check_kept(self, answer: str) -> None:
        """Once per answer: the template writes it as it is."""
        if answer not in self._kept:
            chat = [{"role": "user", "content": SECOND}, {"role": "assistant", "content": answer}]
            if answer not in self._template(chat, False).rpartition(SECOND)[2]:
                raise UserError(
                    f"the chat template does not keep the answer {answer[:40]!r} as it is; rows"
                    " must not begin or end with white space"
                )
            self._kept.add(answer)

    @cached_property
    def _kept(self) -> set[str]:
        return set()

    @cached_property
    def _special(self) -> set[int]:
        return {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}

    @cached_property
    def _pinned(self) -> str:
        """The template with TODAY in place of the date it would ask for."""
        return CLOCK.sub(lambda call: repr(TODAY.strftime(call[2])), self.tokenizer.chat_template)

    @cached_property
    def _adds_bos(self) -> bool:
        """Whether the tokenizer begins every text with its token for that, so that a template need
        not."""
        bos = self.tokenizer.bos_token_id
        return bos is not None and self.tokenizer("a")["input_ids"][:1] == [bos]

    def _template(self, messages: Sequence[Message], generation: bool) -> str:
        return self._apply(self.with_system(messages), generation)

    def _apply(self, messages: Sequence[Message], generation: bool) -> str:
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

    def _ids(self, texts: list[str]) -> list[list[int]]:
        found: list[list[int]] = (
            self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)[
                "input_ids"
            ]
            if texts
            else []
        )
        bos = self.tokenizer.bos_token_id
        return [[bos, *ids] if self._adds_bos and ids[:1] != [bos] else ids for ids in found]
