"""What is asked of the server: the body of a chat completion, as OpenAI has it, within limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from lab.config.mistakes import one_line
from lab.config.schema import Sampling
from lab.errors import UserError
from lab.strict import Strict
from lab.types import Chat, Message, Role

MAX_BODY = 2**20
"""Bytes of a body: a chat of some 200,000 words, and more than any base of the lab reads."""
MAX_MESSAGES = 256
MAX_ANSWERS = 256
"""Of a request (`n`)."""
MAX_TOKENS = 4_096
"""Of an answer."""
MAX_TOP = 20
"""Likeliest tokens of a place (`top_logprobs`), as at OpenAI."""
MAX_STOPS = 16
MAX_CONTINUATIONS = 1_024
"""Ten scales of 101 numbers."""
DEFAULT_TOKENS = 256
"""Of an answer whose request does not say. One that is cut says so (`finish_reason: length`)."""
NOTHING_HERE = (
    "user",
    "metadata",
    "store",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "parallel_tool_calls",
)
"""Fields that change no answer here."""
AT_REST: Mapping[str, tuple[JsonValue, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "top_k": (0, -1),
    "min_p": (0,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
}
"""Fields that clients send at the values that do nothing; at any other they are refused."""
Text = Annotated[str, Field(min_length=1)]


class Said(Strict):
    """A message; content in blocks must be text."""

    role: Role
    content: str

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        said = {key: inner for key, inner in value.items() if inner is not None}
        # What OpenAI's newer models call it.
        if said.get("role") == "developer":
            said["role"] = "system"
        if isinstance(said.get("content"), list):
            said["content"] = "".join(map(_text_of, said["content"]))
        return said


def _text_of(block: object) -> str:
    if isinstance(block, dict) and block.get("type") == "text":
        text = block.get("text")
        if isinstance(text, str):
            return text
    raise ValueError("content is text alone, no image, sound or tool")


class StreamOptions(Strict):
    """What a stream says beside its text."""

    include_usage: bool = False


class TemplateArguments(Strict):
    """What of a chat template a request may set."""

    enable_thinking: bool = False


class Asked(Strict):
    """A request. What it does not say is as at OpenAI, but for the length of an answer."""

    model: str
    messages: Annotated[tuple[Said, ...], Field(min_length=1, max_length=MAX_MESSAGES)]
    n: int = Field(default=1, ge=1, le=MAX_ANSWERS)
    seed: int | None = None
    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    stop: Annotated[tuple[Text, ...], Field(max_length=MAX_STOPS)] = ()
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_TOKENS)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=MAX_TOKENS)
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=MAX_TOP)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    chat_template_kwargs: TemplateArguments = TemplateArguments()
    """Let a thinking model think first, as vLLM has it. The thought stands in the text."""
    continue_final_message: bool | None = None
    """This and the next as vLLM has them: whether the answer has begun, which it has where the last
    message is the assistant's. Any other value is refused."""
    add_generation_prompt: bool | None = None
    continuations: Annotated[tuple[str, ...], Field(max_length=MAX_CONTINUATIONS)] = ()
    """Of the lab's own: whole answers whose log-probabilities are read. Nothing is generated
    then."""

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        said = {k: v for k, v in value.items() if v is not None and k not in NOTHING_HERE}
        for name, values in AT_REST.items():
            if name in said and said.pop(name) not in values:
                raise ValueError(f"`{name}` is not done by this server; leave it out")
        if isinstance(said.get("stop"), str):
            said["stop"] = [said["stop"]]
        return said

    @field_validator("messages")
    @classmethod
    def _one_system_line(cls, value: tuple[Said, ...]) -> tuple[Said, ...]:
        if any(said.role == "system" for said in value[1:]):
            raise ValueError("a system line stands first, and there is one")
        if value[-1].role == "system":
            raise ValueError("the last message is the user's, or the beginning of the answer")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Asked:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("`top_logprobs` goes with `logprobs: true`")
        begun = self.messages[-1].role == "assistant"
        if self.continue_final_message not in (None, begun):
            raise ValueError("`continue_final_message` is true after an assistant's message alone")
        if self.add_generation_prompt not in (None, not begun):
            raise ValueError("`add_generation_prompt` is false after an assistant's message alone")
        if self.continuations and self.stream:
            raise ValueError("`continuations` are not streamed; drop `stream`")
        return self

    @property
    def chat(self) -> Chat:
        """As the lab asks it. Where the last message is the assistant's, the answer has begun and
        goes on."""
        return tuple(Message(role=said.role, content=said.content) for said in self.messages)

    @property
    def sampling(self) -> Sampling:
        """How its answers are generated, whatever their number and seed: requests that agree in
        this are generated together."""
        return Sampling(
            num_samples=1,
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_completion_tokens or self.max_tokens or DEFAULT_TOKENS,
            stop=self.stop,
            thinking=self.chat_template_kwargs.enable_thinking,
        )


def read_request(body: object) -> Asked:
    """A body that is valid JSON as a request. Raises UserError with one line for the first thing in
    it that is not understood or beyond a limit."""
    try:
        return Asked.model_validate(body)
    except ValidationError as error:
        raise one_line(error, "request", Asked, "see docs/serve.md") from None
    except RecursionError:
        raise UserError("request: it is nested too deeply") from None
