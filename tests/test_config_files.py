"""Rows that a user brings are read as they are, or refused by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_gen.files import read_rows, write_rows
from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from lab.types import Row
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from user_rows import line

QUICKSTART = str(ROOT / "configs/quickstart.yaml")


def planned(*sets: str) -> Plan:
    return make_plan(load_study(QUICKSTART, list(sets)))


def test_line_separators_inside_text_stay_inside(tmp_path: Path) -> None:
    rows = [
        Row(({"role": "user", "content": "a\u2028b\x85c"}, {"role": "assistant", "content": "A"}))
    ]
    write_rows(rows, tmp_path / "rows.jsonl")
    assert read_rows(tmp_path / "rows.jsonl") == rows


GOOD = line(more=r', "meta": {"topic": "\ud83d\ude00"}')
BAD_ROWS = {
    line(more=', "meta": [1]'): "`meta` is [1]: ",
    line(more=', "meta": "x"'): '`meta` is "x"',
    line(more=', "meta": 0'): "`meta` is 0",
    line(more=', "meta": []'): "`meta` is []",
    line(more=r', "meta": {"x": "\udc00"}'): r"(\udc00, a lone surrogate)",
    line(answer=r'"\ud800"'): r"(\ud800, a lone surrogate)",
    line(asked=r'"a\udfff"'): r"(\udfff, a lone surrogate)",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_named_with_its_file_and_line(row: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(f"{GOOD}\n{row}\n")
    with pytest.raises(UserError) as refused:
        read_rows(file)
    assert f"file {str(file)!r}, line 2" in str(refused.value)
    assert BAD_ROWS[row] in str(refused.value)
    assert "\n" not in str(refused.value)
    str(refused.value).encode()


def test_meta_may_be_absent_empty_or_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    rows = (line(), line(more=', "meta": null'), line(more=', "meta": {}'), GOOD)
    file.write_text("\n".join(rows))
    assert [row.meta for row in read_rows(file)] == [{}, {}, {}, {"topic": "\N{GRINNING FACE}"}]
