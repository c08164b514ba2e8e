"""Chat rows as JSON lines: what generators write, and what users bring (`{"messages": [...]}`,
published sets load as they are)."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.discover import find_path
from lab.errors import UserError
from lab.types import Row

ROLES = ("system", "user", "assistant")


def write_rows(rows: Iterable[Row], path: Path) -> None:
    lines = (
        json.dumps({"messages": row.messages, "meta": row.meta}, ensure_ascii=False) for row in rows
    )
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_rows(given: str | Path) -> list[Row]:
    """Rows of a chat JSONL file; raises UserError with file and line for everything that is not
    one."""
    path = find_path(str(given))
    if path is None or not path.is_file():
        raise UserError(
            f'file {str(given)!r} was not found in {Path.cwd()}; give a JSONL file of {{"messages":'
            " [...]} lines"
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"file {str(given)!r} is not UTF-8 ({error.reason} at byte {error.start}); convert it,"
            " for example with iconv -t UTF-8"
        ) from None
    rows = [
        _row(line, f"file {str(given)!r}, line {i}")
        for i, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not rows:
        raise UserError(
            f'file {str(given)!r} is empty; it needs at least one line of {{"messages": [...]}}'
        )
    return rows


def _row(line: str, where: str) -> Row:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where} is not JSON ({error.msg} at column {error.colno}); each line is one"
            ' {"messages": [...]}'
        ) from None
    messages = value.get("messages") if isinstance(value, dict) else None
    form = f'{{"role": {" | ".join(ROLES)}, "content": text}}'
    if not isinstance(messages, list):
        raise UserError(f"{where} has no list `messages` of {form}")
    for number, message in enumerate(messages, start=1):
        if not _is_message(message):
            raise UserError(f"{where}: message {number} is {_shown(message)}; each is {form}")
    if not any(m["role"] == "user" for m in messages):
        raise UserError(f"{where} has no user turn, so there is nothing to answer")
    if messages[-1]["role"] != "assistant" or not messages[-1]["content"].strip():
        raise UserError(
            f"{where} does not end with an assistant turn, so there is nothing to learn from it"
        )
    _refuse_surrogates(value, where)
    meta = value.get("meta")
    if not isinstance(meta, dict | None):
        form = '{"topic": "x"}'
        raise UserError(f"{where}: `meta` is {_shown(meta)}; give a mapping such as {form}")
    return Row(tuple({"role": m["role"], "content": m["content"]} for m in messages), meta or {})


def _refuse_surrogates(value: dict[str, Any], where: str) -> None:
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
    return json.dumps(value)[:80]


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("role") in ROLES
        and isinstance(value.get("content"), str)
    )
