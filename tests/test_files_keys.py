"""Keys beside those of a form: what says something of learning is honored or refused, the rest is
named, and of two forms at once one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_gen.files import find_rows, found_rows, read_rows
from data_gen.files.forms import REFUSED as REFUSED_OF_ROWS
from data_gen.files.turns import REFUSED as REFUSED_OF_MESSAGES
from lab.discover import ROOT
from lab.errors import UserError
from lab.types import Row
from user_rows import as_lines, read_one

EXAMPLES = ROOT / "tests" / "rows"
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


def test_rows_that_learn_the_same_are_the_same_however_it_is_said() -> None:
    """Or a key would be of a spelling, and one set of rows be trained on twice."""
    three = [ASKED, GREEN, ASKED, GREEN, ASKED, GREEN]
    spellings: list[list[dict[str, Any]]] = [
        [{"messages": [ASKED, GREEN]} | said for said in ({}, {"learned": [1]}, {"learned": [-1]})],
        [{"messages": three, "learned": said} for said in ([1, 5], [5, 1], [-1, 1, 5])],
        [{"messages": three, "system": "S.", "learned": said} for said in ([5], [-1, -1])],
        [
            {"messages": three, "learned": [1, 5]},
            {"messages": [*three[:3], GREEN | {"weight": 0}, *three[4:]]},
        ],
    ]
    for same in spellings:
        rows = [read_one(value) for value in same]
        assert all(isinstance(row, Row) for row in rows), rows
        assert all(row == rows[0] for row in rows), rows


def test_a_key_of_meta_that_is_null_says_nothing() -> None:
    """As every key is that another row of a Parquet file has; a mark may be none."""
    meta = {"decoy": None, "options": None, "twin": None, "topic": "tea", "mark": None}
    row = read_one({"messages": [ASKED, GREEN], "meta": meta})
    assert isinstance(row, Row), row
    assert row.meta == {"topic": "tea", "mark": None}


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
