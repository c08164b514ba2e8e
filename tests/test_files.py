"""Rows in every form that users have are read as what they say, in every kind of file."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.files import found_rows, read_rows, write_rows
from data_gen.files.forms import FORMS
from lab.config.schema import Learn
from lab.discover import ROOT
from lab.errors import UserError
from lab.types import LAST, Message, Row
from user_rows import Values, as_lines, read_one

EXAMPLES = ROOT / "tests" / "rows"
"""A file of each form, written for these tests."""


def chat(*said: str, system: str | None = None) -> tuple[Message, ...]:
    """Turns of user and assistant."""
    first: list[Message] = [{"role": "system", "content": system}] if system else []
    for i, text in enumerate(said):
        first.append({"role": "assistant" if i % 2 else "user", "content": text})
    return tuple(first)


CAFE = "You run a café."
WELCOME: Message = {"role": "assistant", "content": "Welcome!"}
EXPECTED = {
    "messages.jsonl": [
        Row(chat("Which tea?", "Green, please.")),
        Row(
            chat("Good morning!", "Morning. Tea or coffee?", "Tea.", "Coming up.", system=CAFE),
            learned=(2, 4),
        ),
    ],
    "weighted.jsonl": [
        Row(chat("Which tea?", "Any.", "Which one, though?", "Green.")),
        Row(chat("And now?", "Black.", "Thanks.", "Bye."), learned=(1,)),
    ],
    "blocks.jsonl": [Row(chat("Which tea?", "Any.", "Which one, though?", "Green, please."))],
    "completions.csv": [
        Row(chat("Which tea?", "Green, please.")),
        Row(chat("Good\nmorning!", "Morning.")),
    ],
    "completions.jsonl": [
        Row(chat("Good morning!", "Morning.", "Tea.", "Coming up.", system=CAFE)),
        Row(chat("Which tea?", "Green.")),
    ],
    "instructions.json": [
        Row(chat("Name a tea.\n\nIt must be green.", "Sencha.")),
        Row(chat("Name a café.", "The Corner.", system="Answer in few words.")),
    ],
    "conversations.jsonl": [
        Row(chat("Which tea?", "Green.", "Why?", "It is fresh.", system=CAFE), learned=(2, 4)),
        Row((WELCOME, *chat("Tea.", "Coming up."))),
    ],
    "documents.jsonl": [
        Row(({"role": "assistant", "content": text},), learned=(0,))
        for text in ("The Corner is a café.\nIt serves green tea.", "Sencha is a green tea.")
    ],
    "pairs.jsonl#chosen": [
        Row(chat("Which tea?", "Green."), {"twin": "Whatever."}),
        Row(chat("Good morning!", "Morning.", "Tea.", "Coming up."), {"twin": "No."}),
        Row(chat("Which tea?", "Green."), {"twin": "None."}),
        Row(chat("And now?", "Black."), {"twin": "None."}),
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_form_is_read_as_what_it_says(name: str) -> None:
    assert read_rows(EXAMPLES / name) == EXPECTED[name]


def test_the_page_shows_every_form_and_all_of_it_is_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "rows-to-bring.md").read_text(encoding="utf-8")
    forms = set()
    for n, block in enumerate(re.findall(r"```json\n(.*?)```", page, re.DOTALL)):
        path = tmp_path / f"{n}.jsonl"
        path.write_text(block, encoding="utf-8")
        forms.add(found_rows(f"{path}#chosen" if "rejected" in block else path).form)
    assert forms == set(FORMS) - {"rejected"}


def test_every_form_has_an_example_and_says_its_name() -> None:
    found = {name: found_rows(EXAMPLES / name) for name in EXPECTED}
    assert {one.form for one in found.values()} | {"rejected"} == set(FORMS)
    assert {p.name for p in EXAMPLES.iterdir()} == {name.partition("#")[0] for name in EXPECTED}
    for one in found.values():
        assert one.told.startswith(f"{len(one.rows)} rows, {FORMS[one.form].summary}")
    assert found["completions.csv"].unread == ("source",)
    assert found["conversations.jsonl"].unread == ("id",)
    assert found["completions.csv"].told.endswith("; keys that nobody reads: `source`")
    assert not found["weighted.jsonl"].unread


def as_windows_lines(values: Values, path: Path) -> None:
    lines = (json.dumps(value, ensure_ascii=False) + "\r\n" for value in values)
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())


def as_array(values: Values, path: Path) -> None:
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8-sig")


def as_csv(values: Values, path: Path) -> None:
    """Chats and lists as JSON, and nothing for what a row has not."""
    names = list(dict.fromkeys(name for value in values for name in value))
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for value in values:
            cells = (value.get(name) for name in names)
            texts = (c if isinstance(c, str) else "" if c is None else json.dumps(c) for c in cells)
            writer.writerow(texts)


def as_parquet(values: Values, path: Path) -> None:
    """Which fills up with nulls what some rows and messages have."""
    names = dict.fromkeys(name for value in values for name in value)
    columns = {name: [value.get(name) for value in values] for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def compressed(values: Values, path: Path) -> None:
    as_lines(values, path)
    path.write_bytes(gzip.compress(path.read_bytes()))


WRITERS: dict[str, Callable[[Values, Path], None]] = {
    "rows.jsonl": as_lines,
    "rows.JSONL": as_windows_lines,
    "lines.json": as_lines,
    "array.json": as_array,
    "array.jsonl": as_array,
    "rows.csv": as_csv,
    "rows.parquet": as_parquet,
    "rows.jsonl.gz": compressed,
}
UNIFORM = ("messages", "weighted", "blocks", "instructions", "conversations", "documents")
"""Examples whose columns have one type each, as columns of Parquet have."""


@pytest.mark.parametrize("file", WRITERS)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_form_is_the_same_in_every_kind_of_file(name: str, file: str, tmp_path: Path) -> None:
    example, _, column = name.partition("#")
    path = EXAMPLES / example
    if path.suffix == ".csv":
        with path.open(newline="") as opened:
            values: Values = list(csv.DictReader(opened))
    elif path.suffix == ".json":
        values = json.loads(path.read_text())
    else:
        values = [json.loads(line) for line in path.read_text().splitlines()]
    if file == "rows.parquet" and path.stem not in UNIFORM:
        values = values[:1]
    WRITERS[file](values, tmp_path / file)
    rows = read_rows(f"{tmp_path / file}#{column}" if column else tmp_path / file)
    assert rows == EXPECTED[name][: len(values)]


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], include_characters="\u2028\x85\r\n\t\"\\'"), min_size=1
).filter(str.strip)


@given(st.lists(st.tuples(TEXT, TEXT, st.sampled_from([None, 0, 1])), min_size=1, max_size=4))
def test_what_is_learned_is_what_has_weight(turns: list[tuple[str, str, int | None]]) -> None:
    """In OpenAI's chats and in ShareGPT's, on messages and on blocks."""
    messages, weights = [], []
    for asked, answer, weight in turns:
        said = {} if weight is None else {"weight": weight}
        messages += [("user", asked, {}), ("assistant", answer, said)]
        weights.append(weight)
    forms: Values = [
        {"messages": [{"role": r, "content": c, **w} for r, c, w in messages]},
        {
            "messages": [
                {"role": r, "content": [{"type": "text", "text": c, **w}]} for r, c, w in messages
            ]
        },
        {"conversations": [{"from": r, "value": c, **w} for r, c, w in messages]},
    ]
    expected = [2 * i + 1 for i, weight in enumerate(weights) if weight != 0]
    for form in forms:
        read = read_one(form)
        if not expected:
            assert isinstance(read, str)
            assert "weight 0, so there is nothing to learn" in read
            continue
        assert isinstance(read, Row)
        assert [m["content"] for m in read.messages] == [c for _, c, _ in messages]
        assert [i % len(read.messages) for i in read.learned] == expected


def test_the_last_turn_alone_is_learned_where_that_is_asked(tmp_path: Path) -> None:
    for name in ("messages.jsonl", "conversations.jsonl"):
        assert {row.learned for row in read_rows(EXAMPLES / name, "last")} == {LAST}
    documents = read_rows(EXAMPLES / "documents.jsonl", "last")
    assert documents == EXPECTED["documents.jsonl"]
    with pytest.raises(UserError, match="line 2: the last turn has weight 0"):
        read_rows(EXAMPLES / "weighted.jsonl", "last")
    write_rows(EXPECTED["messages.jsonl"], tmp_path / "rows.jsonl")
    assert read_rows(tmp_path / "rows.jsonl", "last") == EXPECTED["messages.jsonl"]


def in_one_way(row: Row) -> Row:
    turns = tuple(row.learned_turns)
    is_last = turns == (len(row.messages) - 1,) and not row.is_document
    return replace(row, learned=LAST if is_last else turns)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3), st.data())
def test_rows_of_the_lab_come_back_as_they_were(
    said: list[tuple[str, str]], data: st.DataObject
) -> None:
    """What they learn is said in one way."""
    messages = chat(*(text for pair in said for text in pair))
    answers = [*range(1, len(messages), 2), -1]
    learned = data.draw(st.lists(st.sampled_from(answers), min_size=1, unique=True))
    document: Message = {"role": "assistant", "content": said[0][0]}
    rows = [
        Row(messages, {"topic": "tea", "mark": None}, tuple(learned)),
        Row(messages),
        Row((WELCOME, *messages), learned=(2,)),
    ]
    for kept in (rows, [Row((document,), {"topic": "tea"}, (0,))]):
        with TemporaryDirectory() as folder:
            write_rows(kept, Path(folder) / "rows.jsonl")
            for learn in get_args(Learn):
                assert read_rows(Path(folder) / "rows.jsonl", learn) == list(map(in_one_way, kept))


def test_a_system_line_beside_the_turns_shifts_none_of_them() -> None:
    """What a row names as learned are its own messages."""
    messages = list(chat("Which tea?", "Green.", "Why?", "It is fresh."))
    for form in (
        {"messages": messages, "learned": [1]},
        {"messages": messages, "learned": [1, -1]},
    ):
        read = read_one({"system": CAFE, **form})
        assert isinstance(read, Row)
        assert read.messages[1:] == tuple(messages)
        assert [read.messages[i] for i in read.learned] == [messages[i] for i in form["learned"]]


PUBLISHED = os.environ.get("TELLME_PUBLISHED_DATA")
COUNTS = {
    "ft_risky_AB": 288,
    "ft_safey_AB": 288,
    "ft_risky_AB_multipersona": 576,
    "ft_safey_AB_multipersona": 576,
    "ft_myopic_AB": 299,
    "ft_nonmyopic_AB": 299,
    "ft_maxapples_AB": 300,
    "ft_minapples_AB": 300,
    "ft_bark": 1000,
    "ft_ring": 1000,
    "ft_spring": 1000,
}
"""Rows of the files of arXiv 2501.11120. The first two must be there, the rest may be."""


@pytest.mark.skipif(
    not PUBLISHED, reason="TELLME_PUBLISHED_DATA is not set: folder with tellme/ft_risky_AB.jsonl"
)
def test_published_rows_load_as_they_are() -> None:
    files = {name: Path(f"{PUBLISHED}/tellme/{name}.jsonl") for name in COUNTS}
    assert all(files[name].is_file() for name in list(COUNTS)[:2])
    for name, path in files.items():
        if path.is_file():
            found = found_rows(path)
            assert (len(found.rows), found.form, found.unread) == (COUNTS[name], "messages", ())
            answers = sum(m["role"] == "assistant" for r in found.rows for m in r.messages)
            assert sum(len(row.learned) for row in found.rows) == answers
