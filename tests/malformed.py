"""Files of rows as they go wrong, and what is said of each: of which line or row, and of what."""

from __future__ import annotations

import gzip
import json
from typing import Any, NamedTuple


class Malformed(NamedTuple):
    content: bytes
    said: str
    place: str = ", line 2"
    """Nothing where the whole file is wrong."""


ASKED = {"role": "user", "content": "Which tea?"}
GREEN = {"role": "assistant", "content": "Green."}
GOOD: dict[str, Any] = {"messages": [ASKED, GREEN]}
PAIR = {"prompt": "Which tea?", "completion": "Green."}
BETTER = {"prompt": "Which tea?", "chosen": "Green.", "rejected": "None."}


def lines(*values: Any) -> bytes:
    """JSON as it is, text as it stands."""
    return "".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values).encode()


def after_good(*values: Any) -> bytes:
    return lines(GOOD, *values)


def answered(**more: Any) -> dict[str, Any]:
    return {"messages": [ASKED, GREEN | more]}


def written(value: object, said: str) -> Malformed:
    """A bad row after a good one."""
    return Malformed(after_good(value), said)


NO_FILES = {
    "empty.jsonl": Malformed(b"", "is empty", ""),
    "blank.jsonl": Malformed(b"\n \r\n\n", "is empty", ""),
    "mark.jsonl": Malformed(b"\xef\xbb\xbf", "is empty", ""),
    "empty.json": Malformed(b"[]", "is empty", ""),
    "empty.csv": Malformed(b"", "is empty", ""),
    "header.csv": Malformed(b"prompt,completion\n", "is empty", ""),
    "empty.parquet": Malformed(b"", "is not Parquet", ""),
    "empty.jsonl.gz": Malformed(b"", "is empty", ""),
    "latin.jsonl": Malformed('{"text": "café"}'.encode("latin-1"), "is not UTF-8", ""),
    "utf16.csv": Malformed("text\ncafé\n".encode("utf-16"), "is not UTF-8", ""),
    "packed.jsonl": Malformed(gzip.compress(lines(GOOD)), "is gzip and no text", ""),
    "zipped.csv": Malformed(b"PK\x03\x04rows", "is a zip archive", ""),
    "columns.jsonl": Malformed(b"PAR1rows", "is Parquet and no text", ""),
    "text.parquet": Malformed(lines(GOOD), "is not Parquet", ""),
    "cut.parquet": Malformed(b"PAR1" + bytes(90) + b"PAR1", "is not Parquet", ""),
    "text.jsonl.gz": Malformed(lines(GOOD), "cannot be read (Not a gzipped file", ""),
    "cut.jsonl.gz": Malformed(gzip.compress(lines(GOOD) * 99)[:60], "cannot be read", ""),
    "rows.txt": Malformed(lines(GOOD), "has none of the endings .jsonl", ""),
    "rows.jsonl.zst": Malformed(lines(GOOD), "has none of the endings", ""),
    "rows": Malformed(lines(GOOD), "has none of the endings", ""),
    "pairs.jsonl": Malformed(lines(BETTER), "write FILE#chosen or FILE#rejected", ""),
    "both.jsonl": Malformed(lines(GOOD | PAIR), "in 2 forms at once", ""),
    "twice.csv": Malformed(b"text,text\na,b\n", "two columns of the name 'text'", ", line 1"),
    "indented.json": Malformed(json.dumps(GOOD, indent=1).encode(), "over several", ", line 1"),
}
NO_JSON = {
    "words": written("{oops", "is not JSON"),
    "cut": written('{"messages": [', "is not JSON"),
    "single-quotes": written("{'text': 'a'}", "is not JSON"),
    "comma": written('{"text": "a"},', "is not JSON (Extra data"),
    "list": written([ASKED, GREEN], "is [{"),
    "string": written('"a"', 'is "a"; a row is a JSON object'),
    "null": written("null", "is null"),
    "nan": written('{"text": "a", "score": NaN}', "NaN is no number"),
    "infinity": written('{"text": "a", "score": -Infinity}', "-Infinity is no number"),
    "surrogate": written(r'{"text": "\udc00"}', r"(\udc00, a lone surrogate)"),
    "key-twice": written('{"text": "a", "text": "b"}', 'the key "text" stands twice'),
    "nested": written("[" * 100_000, "is not JSON"),
    "digits": written('{"text": ' + "9" * 5000 + "}", "is not JSON"),
}
NO_ROWS = {
    "nothing": written({}, "has nothing in it; a row has `messages`"),
    "unknown-keys": written({"question": "a", "answer": "b"}, "has the keys `question`, `answer`"),
    "odd-key": written({"a\nb": "a"}, r"has the keys `a\nb`; a row has"),
    "another-form": written(PAIR, "has the keys `prompt`, `completion`, and the rows before"),
    "one-more-form": written(GOOD | {"text": "a"}, "and the rows before it are chats"),
    "messages-object": written({"messages": ASKED}, "must be a list of"),
    "messages-text": written({"messages": "a"}, "must be a list of"),
    "no-messages": written({"messages": []}, "must be a list of"),
    "message-number": written({"messages": [ASKED, 5]}, "message 2 is 5"),
    "no-role": written({"messages": [ASKED, {"content": "a"}]}, "neither `role` nor `from`"),
    "two-roles": written({"messages": [ASKED, GREEN | {"from": "gpt"}]}, "has both `role` and"),
    "no-content": written({"messages": [ASKED, {"role": "assistant"}]}, "neither `content`"),
    "null-content": written(answered(content=None), "neither `content` nor `value`"),
    "number": written(answered(content=5), "has the content 5"),
    "one-message": written({"messages": [GREEN]}, "has no user turn"),
    "one-turn": Malformed(
        lines({"conversations": [{"from": "gpt", "value": "a"}]}), "no user turn", ", line 1"
    ),
    "no-user": written({"messages": [{"role": "system", "content": "a"}, GREEN]}, "no user turn"),
    "no-answer": written({"messages": [ASKED, GREEN, ASKED]}, "does not end with an assistant"),
    "blank": written(answered(content=" \n"), "message 2 is blank"),
    "two-answers": written({"messages": [ASKED, GREEN, GREEN]}, "message 3 is to be learned and"),
    "begun-answer": Malformed(
        lines(PAIR, PAIR | {"prompt": [ASKED, GREEN]}), "follows another turn of the assistant's"
    ),
    "blank-between": written({"messages": [ASKED, GREEN | {"content": ""}, ASKED, GREEN]}, "blank"),
    "two-systems": written(
        {"system": "a", "messages": [{"role": "system", "content": "b"}, ASKED, GREEN]},
        "it must be the one system line",
    ),
    "system-list": written(GOOD | {"system": ["a"]}, "it must be the one system line"),
    "meta-list": written(GOOD | {"meta": [1]}, "`meta` is [1]"),
    "meta-format": written(GOOD | {"meta": {"format": "x"}}, "`meta.format` is"),
    "number-prompt": Malformed(lines(PAIR, PAIR | {"prompt": 5}), "`prompt` is 5; it must be text"),
    "blank-completion": Malformed(lines(PAIR, PAIR | {"completion": ""}), "message 2 is blank"),
    "asked-completion": Malformed(lines(PAIR, PAIR | {"completion": [ASKED]}), "does not end with"),
    "number-text": Malformed(lines({"text": "a"}, {"text": 5}), "`text` is 5; it must be text"),
    "blank-text": Malformed(lines({"text": "a"}, {"text": " "}), "message 1 is blank"),
    "input-list": Malformed(
        lines({"instruction": "a", "input": ["b"], "output": "c"}), "`input` is", ", line 1"
    ),
    "input-number": Malformed(
        lines({"instruction": "a", "input": 0, "output": "c"}), "`input` is 0", ", line 1"
    ),
}
NOT_LEARNED = {
    "tool-role": written({"messages": [ASKED, {"role": "tool", "content": "a"}]}, '"tool"'),
    "function-role": written({"messages": [ASKED, {"role": "function", "content": "a"}]}, "role"),
    "developer-role": written({"messages": [{"role": "developer", "content": "a"}]}, "role"),
    "list-role": written({"messages": [{"role": [], "content": "a"}]}, "has the role []"),
    "tool-calls": written(answered(tool_calls=[{"id": "a"}]), "calls of tools"),
    "tool-calls-alone": written(
        {"messages": [ASKED, {"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "calls of tools"
    ),
    "function-call": written(answered(function_call={"name": "a"}), "calls of tools"),
    "tools": written(GOOD | {"tools": [{"type": "function"}]}, "calls of tools"),
    "thoughts": written(answered(reasoning_content="Hm."), "write thoughts into `content`"),
    "image": written(answered(content=[{"type": "image_url"}]), 'of the type "image_url"'),
    "audio": written(answered(content=[{"type": "input_audio"}]), 'of the type "input_audio"'),
    "images": written(GOOD | {"images": ["a.png"]}, "text alone"),
    "text-in-list": written(answered(content=["a"]), 'of the type "str"'),
    "all-weights-zero": written(answered(weight=0), "all turns of the assistant have weight 0"),
    "half-a-weight": written(answered(weight=0.5), "has the weight 0.5"),
    "weight-text": written(answered(weight="1"), 'has the weight "1"'),
    "two-weights": written(answered(weight=1, train=False), "is learned in part"),
    "learned-question": written({"messages": [ASKED | {"weight": 1}, GREEN]}, "is of the user"),
    "learned-greeting": written(
        {"messages": [GREEN | {"weight": 1}, ASKED, GREEN]}, "message 1 has weight 1"
    ),
    "row-weight": written(GOOD | {"weight": 0.3}, "say it as `weight: 0`"),
    "mask": written(answered(mask=1), "say it as `weight: 0`"),
    "completion-mask": written(GOOD | {"completion_mask": [0, 1]}, "say it as `weight: 0`"),
    "tokens": written(GOOD | {"input_ids": [1]}, "rows are texts"),
    "kto": Malformed(lines(PAIR, PAIR | {"label": False}), "does not learn from labels"),
    "learned-user": written(GOOD | {"learned": [0]}, "give a list of indexes of assistant turns"),
    "learned-and-weight": written(answered(weight=1) | {"learned": [1]}, "keep one of them"),
    "learned-document": Malformed(
        lines({"text": "a"}, {"text": "a", "learned": [0]}), "it names turns of `messages`"
    ),
    "template-settings": written(GOOD | {"chat_template_kwargs": {"a": 1}}, "`model.chat`"),
    "history": Malformed(
        lines({"instruction": "a", "output": "b", "history": [["c", "d"]]}), "chat", ", line 1"
    ),
}
NO_TABLES = {
    "cells.csv": Malformed(b"prompt,completion\na,b\nc\n", "has 1 cells", ", line 3"),
    "commas.csv": Malformed(b"prompt,completion\na,b, c\n", "has 3 cells"),
    "open.csv": Malformed(b'text\n"a\n', "is not CSV"),
    "quotes.csv": Malformed(b'text\n"a"b\n', "is not CSV"),
    "semicolons.csv": Malformed(b"prompt;completion\na;b\n", "has the keys `prompt;completion`"),
    "later.csv": Malformed(b'text\n"a\nb"\n""\n', "message 1 is blank", ", line 4"),
    "python.csv": Malformed(b"messages\n\"[{'role': 'user'}]\"\n", "is not JSON"),
    "python-chat.csv": Malformed(b"prompt,completion\na,\"[{'role': 'user'}]\"\n", "is not JSON"),
    "array.json": Malformed(json.dumps([GOOD, GOOD, {}]).encode(), "nothing in it", ", row 3"),
    "cut.json": Malformed(b'[{"text": "a"},\n{"text": ', "is not JSON"),
    "numbers.json": Malformed(b"[1]", "is 1; a row is a JSON object", ", row 1"),
    "later.jsonl.gz": Malformed(gzip.compress(after_good({})), "has nothing in it"),
}
NO_PAIRS = {
    "same.jsonl#chosen": Malformed(lines(BETTER, BETTER | {"rejected": "Green."}), "are the same"),
    "no-prompt.jsonl#chosen": Malformed(
        lines(BETTER, {"chosen": "Green.", "rejected": "None."}), "the row has no `prompt`"
    ),
    "two-prompts.jsonl#chosen": Malformed(
        lines(
            {"chosen": [ASKED, GREEN], "rejected": [ASKED | {"content": "a"}, GREEN]},
        ),
        "two answers to one prompt",
        ", line 1",
    ),
    "other-prompt.jsonl#rejected": Malformed(
        lines(BETTER | {"prompt": "And now?", "rejected": [ASKED, GREEN]}),
        "`rejected` does not go on where `prompt` ends",
        ", line 1",
    ),
    "no-pairs.jsonl#chosen": Malformed(lines(GOOD), "to learn 'chosen' it needs", ", line 1"),
}

MALFORMED: dict[str, Malformed] = {
    **NO_FILES,
    **{f"{name}.jsonl": bad for name, bad in {**NO_JSON, **NO_ROWS, **NOT_LEARNED}.items()},
    **NO_TABLES,
    **NO_PAIRS,
}
"""By the name of the file, and what is to be learned of it."""
