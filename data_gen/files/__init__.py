"""Chat rows as JSON lines: what generators write, and what users bring (`{"messages": [...]}`,
published sets load as they are)."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from data_gen.formats import FORMATS
from lab.config.schema import Learn
from lab.discover import find_path
from lab.errors import UserError
from lab.hub import dataset_file
from lab.types import LAST, Message, Meta, Row

META = TypeAdapter(Meta)
ROLES = ("system", "user", "assistant")
MAX_SHOWN = 80
"""Characters of what a user wrote that an error repeats."""


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """One line a row, letters outside ASCII as they are: `messages`, or `text` of a document, and
    `meta`; `learned` where a reader could take other turns for it."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(_line(row), ensure_ascii=False) + "\n")


def _line(row: Row) -> dict[str, object]:
    if row.is_document:
        return {"text": row.completion, "meta": row.meta}
    line: dict[str, object] = {"messages": row.messages, "meta": row.meta}
    if row.learned != LAST or sum(m["role"] == "assistant" for m in row.messages) > 1:
        line["learned"] = row.learned
    return line


def find_rows(given: str) -> Path:
    """The file that a path or `hf://datasets/OWNER/NAME@COMMIT/PATH` names, fetched where it is of
    the Hub. Raises UserError where there is none."""
    path = dataset_file(given) if given.startswith("hf://") else find_path(given)
    if path is None or not path.is_file():
        raise UserError(
            f'file {given!r} was not found in {Path.cwd()}; give a JSONL file of {{"messages":'
            " [...]} lines"
        )
    return path


def read_rows(given: str | Path, learn: Learn = "all") -> list[Row]:
    """Rows of a chat JSONL file, given as in `find_rows`; raises UserError with file and line for
    everything that is not one. Every answer of the assistant's is learned, or the last one; what a
    row says of itself (`learned`) stands."""
    shown = f"file {str(given)!r}"
    path = find_rows(str(given))
    try:
        # Not splitlines, which also splits at characters that JSON may hold in a string. The
        # byte-order mark of some editors is dropped.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{shown} is not UTF-8 ({error.reason} at byte {error.start}); convert it,"
            " for example with iconv -t UTF-8"
        ) from None
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise UserError(f'{shown} is empty; it needs at least one line of {{"messages": [...]}}')
    return [_row(line, f"{shown}, line {number}", learn) for number, line in numbered]


def _row(line: str, where: str, learn: Learn) -> Row:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where} is not JSON ({error.msg} at column {error.colno}); each line is one"
            ' {"messages": [...]}'
        ) from None
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        _refuse_surrogates(value, where)
        document: Message = {"role": "assistant", "content": value["text"]}
        return Row((document,), _meta(value, where), (0,))
    messages = _messages(value, where)
    _refuse_surrogates(value, where)
    return Row(messages, _meta(value, where), _learned(value, messages, learn, where))


def _meta(value: Mapping[str, Any], where: str) -> Meta:
    """What is known of a row: keys that the lab reads must be what it takes them for, and others
    are kept."""
    try:
        meta = META.validate_python({} if value.get("meta") is None else value["meta"])
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in ("meta", *first["loc"]))
        form = '{"topic": "x"}'
        raise UserError(
            f"{where}: `{name}` is {_shown(first['input'])}: {first['msg'].lower()}; give a mapping"
            f" such as {form}"
        ) from None
    if meta.get("format") not in (None, *FORMATS):
        raise UserError(
            f"{where}: `meta.format` is {_shown(meta['format'])}, and that key marks rows that"
            f" teach a format of answer ({', '.join(FORMATS)}); give yours another name"
        )
    return meta


def _learned(
    value: Mapping[str, Any], messages: tuple[Message, ...], learn: Learn, where: str
) -> tuple[int, ...]:
    """The turns that carry loss: answers of the assistant's to something."""
    first_asked = [m["role"] for m in messages].index("user")
    turns = enumerate(messages[first_asked:], start=first_asked)
    of_assistant = [i for i, message in turns if message["role"] == "assistant"]
    allowed = [*of_assistant, -1]
    usual = LAST if learn == "last" or len(of_assistant) == 1 else tuple(of_assistant)
    learned = value.get("learned", usual)
    # True and 1.0 are equal to 1, and no index.
    is_list = isinstance(learned, list | tuple) and all(type(index) is int for index in learned)
    if not is_list or not learned or not set(learned) <= set(allowed):
        raise UserError(
            f"{where}: `learned` is {_shown(learned)}; give a list of indexes of assistant turns:"
            f" {', '.join(map(str, allowed))}"
        )
    return tuple(learned)


def _messages(value: Any, where: str) -> tuple[Message, ...]:
    """The messages of a line: a chat in which there is something to answer, and an answer."""
    form = f'{{"role": {" | ".join(ROLES)}, "content": text}}'
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list):
        raise UserError(f"{where} has no list `messages` of {form}")
    for number, message in enumerate(messages, start=1):
        if not _is_message(message):
            raise UserError(f"{where}: message {number} is {_shown(message)}; each is {form}")
    if not any(message["role"] == "user" for message in messages):
        raise UserError(f"{where} has no user turn, so there is nothing to answer")
    if messages[-1]["role"] != "assistant" or not messages[-1]["content"].strip():
        raise UserError(
            f"{where} does not end with an assistant turn, so there is nothing to learn from it"
        )
    return tuple(Message(role=m["role"], content=m["content"]) for m in messages)


def _refuse_surrogates(value: Mapping[str, Any], where: str) -> None:
    """JSON can hold half of a character, which no text file and no tokenizer can."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise UserError(
            f"{where} has half of a character ({half}, a lone surrogate); write it whole or drop it"
        ) from None


def _shown(value: Any) -> str:
    """As JSON in letters that every terminal has, cut short."""
    return json.dumps(value)[:MAX_SHOWN]


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("role") in ROLES
        and isinstance(value.get("content"), str)
    )
