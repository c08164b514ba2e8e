"""Rows as users bring them, good and bad."""

from __future__ import annotations

BAD_FILES = {
    "missing.jsonl": None,
    "empty.jsonl": b"",
    "notjson.jsonl": (
        b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"A"}]}\n{oops\n'
    ),
    "noassistant.jsonl": b'{"messages":[{"role":"user","content":"a"}]}\n',
    "nouser.jsonl": b'{"messages":[{"role":"assistant","content":"A"}]}\n',
    "latin.jsonl": (
        '{"messages":[{"role":"user","content":"café"},{"role":"assistant","content":"A"}]}\n'.encode(
            "latin-1"
        )
    ),
}


def line(asked: str = '"a"', answer: str = '"A"', more: str = "") -> str:
    """A row as JSON, its contents as JSON too."""
    turns = (("user", asked), ("assistant", answer))
    chat = ", ".join(f'{{"role": "{role}", "content": {content}}}' for role, content in turns)
    return f'{{"messages": [{chat}]{more}}}'
