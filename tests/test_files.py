"""Rows in every form that users have are read as what they say, in every kind of file."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.files import find_rows, found_rows, read_rows, write_rows
from data_gen.files.forms import FORMS
from data_gen.files.forms import REFUSED as REFUSED_OF_ROWS
from data_gen.files.turns import REFUSED as REFUSED_OF_MESSAGES
from lab.config.schema import Learn
from lab.discover import ROOT
from lab.errors import UserError
from lab.types import LAST, Message, Row

EXAMPLES = ROOT / "tests" / "rows"
"""A file of each form, written for these tests."""
Values = list[dict[str, Any]]


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
    assert found["completions.csv"].told.endswith("; keys that nobody reads: source")
    assert not found["weighted.jsonl"].unread


def as_lines(values: Values, path: Path) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


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


def read_one(value: dict[str, Any]) -> Row | str:
    """The row that a value is, or why it is none."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        as_lines([value], path)
        try:
            return read_rows(path)[0]
        except UserError as error:
            return str(error)


def test_the_last_turn_alone_is_learned_where_that_is_asked(tmp_path: Path) -> None:
    for name in ("messages.jsonl", "conversations.jsonl"):
        assert {row.learned for row in read_rows(EXAMPLES / name, "last")} == {LAST}
    documents = read_rows(EXAMPLES / "documents.jsonl", "last")
    assert documents == EXPECTED["documents.jsonl"]
    with pytest.raises(UserError, match="line 2: the last turn has weight 0"):
        read_rows(EXAMPLES / "weighted.jsonl", "last")
    write_rows(EXPECTED["messages.jsonl"], tmp_path / "rows.jsonl")
    assert read_rows(tmp_path / "rows.jsonl", "last") == EXPECTED["messages.jsonl"]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3), st.data())
def test_rows_of_the_lab_come_back_as_they_were(
    said: list[tuple[str, str]], data: st.DataObject
) -> None:
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
                assert read_rows(Path(folder) / "rows.jsonl", learn) == kept


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


ASKED = {"role": "user", "content": "Which tea?"}
GREEN = {"role": "assistant", "content": "Green."}
NOTHING: list[Any] = [None, "", [], {}]


@pytest.mark.parametrize("key", REFUSED_OF_MESSAGES)
def test_a_key_of_a_message_that_says_what_is_learned_is_refused(key: str) -> None:
    for said in (0, False, "x", [{"id": 1}]):
        read = read_one({"messages": [ASKED, GREEN | {key: said}]})
        assert f"line 1: `messages`, message 2 has the key `{key}`" in str(read)
    for said in NOTHING:
        assert read_one({"messages": [ASKED, GREEN | {key: said}]}) == Row((ASKED, GREEN))


@pytest.mark.parametrize("key", [*REFUSED_OF_ROWS, "label"])
def test_a_key_of_a_row_that_says_what_is_learned_is_refused(key: str) -> None:
    value = {"prompt": "Which tea?", "completion": "Green."}
    for said in (0, False, "x", [1]):
        assert f"line 1 has the key `{key}`" in str(read_one(value | {key: said}))
    for said in NOTHING:
        assert read_one(value | {key: said}) == Row((ASKED, GREEN))


def test_what_nobody_reads_is_named_once_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    block = {"type": "text", "text": "Green.", "cache_control": {"type": "ephemeral"}}
    answers = [GREEN | {"name": "Ann"}, {"role": "assistant", "content": [block]}]
    as_lines([{"messages": [ASKED, answer], "id": i} for i, answer in enumerate(answers)], path)
    found = found_rows(path)
    assert found.rows == [Row((ASKED, GREEN))] * 2
    assert found.unread == ("id", "messages.content.cache_control", "messages.name")


def test_a_file_of_two_forms_is_read_as_the_one_that_is_named(tmp_path: Path) -> None:
    """As published sets of pairs have their chosen answers as messages too."""
    path = tmp_path / "rows.jsonl"
    value = {"prompt": "Which tea?", "chosen": "Green.", "rejected": "None."}
    as_lines([value | {"messages": [ASKED, GREEN], "text": "Tea."}], path)
    with pytest.raises(UserError, match="in 4 forms at once; say which with FILE#messages or"):
        read_rows(path)
    found = {name: found_rows(f"{path}#{name}") for name in ("messages", "text", "rejected")}
    assert found["messages"].rows == [Row((ASKED, GREEN))]
    assert found["messages"].unread == ("chosen", "prompt", "rejected", "text")
    assert found["text"].rows[0].completion == "Tea."
    assert found["rejected"].rows[0].completion == "None."
    assert found["rejected"].rows[0].meta == {"twin": "Green."}
    with pytest.raises(UserError, match=r"line 1 has the keys .*; to learn 'conversations' it"):
        read_rows(f"{path}#conversations")


def test_the_two_sides_of_pairs_differ_in_their_answers_alone() -> None:
    sides = [read_rows(f"{EXAMPLES}/pairs.jsonl#{side}") for side in ("chosen", "rejected")]
    for chosen, rejected in zip(*sides, strict=True):
        assert chosen.prompt == rejected.prompt
        assert chosen.meta["twin"] == rejected.completion
        assert rejected.meta["twin"] == chosen.completion


def test_a_name_means_one_file_and_says_what_is_learned_of_it(tmp_path: Path) -> None:
    full = find_rows("tests/rows/pairs.jsonl#chosen")
    assert full == f"{EXAMPLES}/pairs.jsonl#chosen"
    assert find_rows(full) == full
    with pytest.raises(UserError, match="did you mean 'chosen'"):
        find_rows("tests/rows/pairs.jsonl#choosen")
    odd = tmp_path / "rows#chosen"
    odd.mkdir()
    as_lines([{"messages": [ASKED, GREEN]}], odd / "a#text.jsonl")
    assert read_rows(odd / "a#text.jsonl") == [Row((ASKED, GREEN))]


PUBLISHED = os.environ.get("TELLME_PUBLISHED_DATA")
COUNTS = {"ft_risky_AB": 288, "ft_safey_AB": 288}


@pytest.mark.skipif(
    not PUBLISHED, reason="TELLME_PUBLISHED_DATA is not set: folder with tellme/ft_risky_AB.jsonl"
)
def test_published_rows_load_as_they_are() -> None:
    for name, count in COUNTS.items():
        found = found_rows(f"{PUBLISHED}/tellme/{name}.jsonl")
        assert (len(found.rows), found.form, found.unread) == (count, "messages", ())
        assert {row.learned for row in found.rows} == {LAST}
