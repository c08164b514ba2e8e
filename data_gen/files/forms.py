"""The forms in which users keep rows: which keys each has, and the turns of a chat that they are.

A form is known by the column that is learned, which is also what `FILE#COLUMN` names."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from data_gen.files.containers import Record, told
from data_gen.files.turns import (
    CALLS,
    IN_WEIGHTS,
    THOUGHTS,
    Turn,
    answer_turn,
    asked_turn,
    is_nothing,
    read_turns,
    refuse_keys,
)
from lab.errors import UserError

MEDIA = "the lab trains on text alone"
TOKENS = "rows are texts, which the base's own tokenizer reads"
REFUSED = {
    **dict.fromkeys(("tools", "functions", "tool_calls", "function_call"), CALLS),
    **dict.fromkeys(("image", "images", "audio", "audios", "video", "videos"), MEDIA),
    **dict.fromkeys(("weight", "train", "loss", "mask", "loss_mask", "prompt_mask"), IN_WEIGHTS),
    **dict.fromkeys(("completion_mask", "assistant_masks", "train_on_input"), IN_WEIGHTS),
    **dict.fromkeys(("train_on_inputs", "sample_weight"), IN_WEIGHTS),
    **dict.fromkeys(("input_ids", "labels", "attention_mask"), TOKENS),
    "history": "write the whole chat as `messages`",
    "chat_template_kwargs": "give the study `model.chat`",
    "thinking": THOUGHTS,
}
"""Keys of a row that change what is learned, and what to do instead."""
OF_CHATS = {"learned": "it names turns of `messages`, and this row has none"}
JUDGED = {"label": "the lab does not learn from labels; keep the rows whose completion is wanted"}
"""Of KTO's rows, which are a prompt and a completion too."""


class Chat(NamedTuple):
    """The turns of a row, and how many of them are the prompt, of which nothing is learned."""

    turns: list[Turn]
    num_asked: int = 0
    twin: str | None = None
    """Of a pair, the answer that is not learned."""
    system: str | None = None
    """A system line that stands beside the turns."""
    is_document: bool = False


class Form(NamedTuple):
    """A way to keep rows."""

    needs: tuple[str, ...]
    read: Callable[[Record, set[str]], Chat]
    summary: str
    takes: tuple[str, ...] = ("system",)
    """Keys that it reads beside, where they are there; `meta` always."""


def forms_of(fields: Mapping[str, object]) -> list[str]:
    """The names of the forms whose keys a row has."""
    return [
        name
        for name, form in FORMS.items()
        if all(fields.get(key) is not None for key in form.needs)
    ]


def read_chat(record: Record, form: str, unread: set[str]) -> Chat:
    """The turns of a row; names of keys that nobody reads are added to `unread`.

    Raises UserError with file and line."""
    chosen = FORMS[form]
    refuse_keys(
        record.fields, REFUSED if "learned" in chosen.takes else REFUSED | OF_CHATS, record.where
    )
    known = {*chosen.needs, *chosen.takes, "meta"}
    unread |= {key for key in record.fields.keys() - known if not is_nothing(record.fields[key])}
    chat = chosen.read(record, unread)
    system = record.fields.get("system")
    if "system" not in chosen.takes or is_nothing(system):
        return chat
    if not isinstance(system, str) or any(t.message["role"] == "system" for t in chat.turns):
        raise UserError(
            f"{record.where}: `system` is {told(system)}; it must be the one system line of the row"
        )
    return chat._replace(system=system)


def _messages(record: Record, unread: set[str]) -> Chat:
    return Chat(read_turns(record.fields["messages"], f"{record.where}: `messages`", unread))


def _conversations(record: Record, unread: set[str]) -> Chat:
    turns = read_turns(record.fields["conversations"], f"{record.where}: `conversations`", unread)
    return Chat(turns)


def _completion(record: Record, unread: set[str]) -> Chat:
    refuse_keys(record.fields, JUDGED, record.where)
    prompt = _side(record, "prompt", asked_turn, unread)
    completion = _side(record, "completion", answer_turn, unread)
    return Chat([*prompt, *completion], len(prompt))


def _output(record: Record, unread: set[str]) -> Chat:
    """As Alpaca's templates do without their frame: the input stands below the instruction."""
    parts = [_of_text(record, "instruction")]
    if not is_nothing(record.fields.get("input")):
        parts.append(_of_text(record, "input"))
    asked = "\n\n".join(parts)
    return Chat([asked_turn(asked), answer_turn(_of_text(record, "output"))], 1)


def _text(record: Record, unread: set[str]) -> Chat:
    return Chat([answer_turn(_of_text(record, "text"))], is_document=True)


def _chosen(record: Record, unread: set[str]) -> Chat:
    return _of_pair(record, "chosen", "rejected", unread)


def _rejected(record: Record, unread: set[str]) -> Chat:
    return _of_pair(record, "rejected", "chosen", unread)


def _of_pair(record: Record, learned: str, other: str, unread: set[str]) -> Chat:
    """The chat of one side. Both sides must be answers to the same prompt."""
    prompt, answer = _answer(record, learned, unread)
    prompt_of_other, answer_of_other = _answer(record, other, unread)
    if [turn.message for turn in prompt] != [turn.message for turn in prompt_of_other]:
        raise UserError(
            f"{record.where}: `chosen` and `rejected` differ before their last turns; a pair is two"
            " answers to one prompt"
        )
    if answer.message == answer_of_other.message:
        raise UserError(f"{record.where}: `chosen` and `rejected` are the same")
    return Chat([*prompt, answer], len(prompt), twin=answer_of_other.message["content"])


def _answer(record: Record, side: str, unread: set[str]) -> tuple[list[Turn], Turn]:
    """The prompt and the last turn of one side of a pair, which may have its prompt within."""
    turns = _side(record, side, answer_turn, unread)
    if is_nothing(record.fields.get("prompt")):
        if len(turns) < 2:
            raise UserError(f"{record.where}: `{side}` is a text, and the row has no `prompt`")
        return turns[:-1], turns[-1]
    prompt = _side(record, "prompt", asked_turn, unread)
    if len(turns) == 1:
        return prompt, turns[0]
    if [turn.message for turn in turns[:-1]] != [turn.message for turn in prompt]:
        raise UserError(f"{record.where}: `{side}` does not go on where `prompt` ends")
    return prompt, turns[-1]


def _side(record: Record, key: str, turn_of: Callable[[str], Turn], unread: set[str]) -> list[Turn]:
    """The turns of a column that holds a text or a chat."""
    value = record.fields[key]
    if isinstance(value, str):
        return [turn_of(value)]
    if not isinstance(value, list):
        raise UserError(f"{record.where}: `{key}` is {told(value)}; it must be text or a chat")
    return read_turns(value, f"{record.where}: `{key}`", unread)


def _of_text(record: Record, key: str) -> str:
    value = record.fields[key]
    if not isinstance(value, str):
        raise UserError(f"{record.where}: `{key}` is {told(value)}; it must be text")
    return value


PAIRS = ("chosen", "rejected")
"""Forms that are read only where they are asked for by name: no trainer of the lab learns which of
two answers is the better one."""
FORMS = {
    "messages": Form(("messages",), _messages, "chats", ("system", "learned")),
    "conversations": Form(
        ("conversations",), _conversations, "ShareGPT chats", ("system", "learned")
    ),
    "completion": Form(("prompt", "completion"), _completion, "prompts and completions"),
    "output": Form(
        ("instruction", "output"), _output, "instructions and outputs", ("system", "input")
    ),
    "text": Form(("text",), _text, "documents, learned whole and without the chat template", ()),
    "chosen": Form(PAIRS, _chosen, "the chosen answers of pairs", ("system", "prompt")),
    "rejected": Form(PAIRS, _rejected, "the rejected answers of pairs", ("system", "prompt")),
}
"""By the column that is learned."""
