"""Rows as users bring them, good and bad."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data_gen.files import read_rows
from lab.errors import UserError
from lab.types import Row

Values = list[dict[str, Any]]


def line(asked: str = '"a"', answer: str = '"A"', more: str = "") -> str:
    """A row as JSON, its contents as JSON too."""
    turns = (("user", asked), ("assistant", answer))
    chat = ", ".join(f'{{"role": "{role}", "content": {content}}}' for role, content in turns)
    return f'{{"messages": [{chat}]{more}}}'


def as_lines(values: Values, path: Path) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def read_one(value: dict[str, Any]) -> Row | str:
    """The row that a value is, or why it is none."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        as_lines([value], path)
        try:
            return read_rows(path)[0]
        except UserError as error:
            return str(error)


BAD_FILES = {
    "missing.jsonl": None,
    "empty.jsonl": b"",
    "notjson.jsonl": f"{line()}\n{{oops\n".encode(),
    "noassistant.jsonl": b'{"messages":[{"role":"user","content":"a"}]}\n',
    "nouser.jsonl": b'{"messages":[{"role":"assistant","content":"A"}]}\n',
    "latin.jsonl": (line(asked='"café"') + "\n").encode("latin-1"),
}
"""What stands in files that are refused by name; None is no file."""
