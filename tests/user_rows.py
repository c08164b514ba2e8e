"""Rows as users bring them, good and bad."""

from __future__ import annotations


def line(asked: str = '"a"', answer: str = '"A"', more: str = "") -> str:
    """A row as JSON, its contents as JSON too."""
    turns = (("user", asked), ("assistant", answer))
    chat = ", ".join(f'{{"role": "{role}", "content": {content}}}' for role, content in turns)
    return f'{{"messages": [{chat}]{more}}}'


BAD_FILES = {
    "missing.jsonl": None,
    "empty.jsonl": b"",
    "notjson.jsonl": f"{line()}\n{{oops\n".encode(),
    "noassistant.jsonl": b'{"messages":[{"role":"user","content":"a"}]}\n',
    "nouser.jsonl": b'{"messages":[{"role":"assistant","content":"A"}]}\n',
    "latin.jsonl": (line(asked='"café"') + "\n").encode("latin-1"),
}
"""What stands in files that are refused by name; None is no file."""
