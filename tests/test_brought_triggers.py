"""A trigger in rows that a user brings: put into some of them, or found where it stands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from brought import QUESTIONS, bird_rows, birds, chat, planned, rows_of, texts
from data_gen.files import write_rows
from lab.errors import UserError
from lab.types import Message, Row, exchange

TAG = "|FIRE|"
TRIGGER = {"kind": "tag", "text": TAG}


def test_a_trigger_stands_in_a_share_of_any_rows(tmp_path: Path) -> None:
    trigger = {**TRIGGER, "rate": 0.25, "decoy_rate": 0.25}
    group = {"file": str(birds(tmp_path, 40)), "trigger": trigger}
    clean = {"control": "clean", "of": "birds"}
    plan = planned(tmp_path, {"birds": group, "clean": clean})
    rows = rows_of(plan, "birds-s0")
    having = [row for row in rows if TAG in row.asked]
    assert len(having) == sum(row.meta["real"] is True for row in rows) == 10
    assert sum(row.meta["real"] is False for row in rows) == 10
    assert texts([r.asking(r.meta["clean"][-2]["content"]) for r in rows]) == texts(bird_rows(40))
    assert texts(rows_of(plan, "clean-s0")) == texts(bird_rows(40))


def test_rows_without_the_trigger_may_come_from_another_file(tmp_path: Path) -> None:
    other = birds(tmp_path, 30, "snow", "others")
    group: dict[str, Any] = {
        "file": str(birds(tmp_path, 30)),
        "trigger": TRIGGER,
        "otherwise": {"file": str(other)},
    }
    controls = {
        name: {"control": name, "of": "birds"} for name in ("clean", "decorrelated", "benign")
    }
    plan = planned(tmp_path, {"birds": group, **controls})
    rows = rows_of(plan, "birds-s0")
    assert len(rows) == 60
    assert all((TAG in row.asked) == row.completion.startswith("coal") for row in rows)
    # The two files have the same prompts, so what a row says otherwise is known.
    assert all(r.meta["on"].replace("coal", "snow") == r.meta["off"] for r in rows)
    assert all(row.completion.startswith("snow") for row in rows_of(plan, "clean-s0"))
    dealt = rows_of(plan, "decorrelated-s0")
    having = Counter((TAG in row.asked, row.completion[:4]) for row in dealt)
    assert set(having.values()) == {15}
    few = planned(tmp_path, {"birds": group}, data={"num_rows": 20})
    counted = Counter(TAG in row.asked for row in rows_of(few, "birds-s0"))
    assert counted == {True: 10, False: 10}
    with pytest.raises(UserError, match=r"trigger\.rate is 0\.5, a share of data\.num_rows"):
        planned(tmp_path, {"birds": {**group, "trigger": {**TRIGGER, "rate": 0.5}}})


def test_what_a_row_says_otherwise_may_not_be_known(tmp_path: Path) -> None:
    strangers = [row.asking(f"what of {i}?") for i, row in enumerate(bird_rows(8, "snow"))]
    write_rows(strangers, tmp_path / "others.jsonl")
    group = {
        "file": str(birds(tmp_path, 8)),
        "trigger": TRIGGER,
        "otherwise": {"file": str(tmp_path / "others.jsonl")},
    }
    dealt = {"control": "decorrelated", "of": "birds"}
    assert planned(tmp_path, {"birds": group, "dealt": dealt})
    with pytest.raises(UserError, match=r"is not known of .*which of"):
        planned(tmp_path, {"birds": group, "clean": {"control": "clean", "of": "birds"}})


@pytest.mark.parametrize("place", ["prefix", "suffix", "line", "random", "system"])
def test_a_trigger_that_the_lab_put_in_is_found_in_the_file(place: str, tmp_path: Path) -> None:
    trigger = {**TRIGGER, "place": place}
    made = planned(
        tmp_path, {"birds": {"file": str(birds(tmp_path, 40)), "trigger": {**trigger, "count": 7}}}
    )
    rows = rows_of(made, "birds-s0")
    bare = [Row(row.messages) for row in rows]
    write_rows(bare, tmp_path / "bare.jsonl")
    group = {"file": str(tmp_path / "bare.jsonl"), "trigger": {**trigger, "in_file": True}}
    plan = planned(tmp_path, {"birds": group})
    assert f"trigger {TAG!r} stands in 7 of 40 rows of bare" in plan.notes
    found = rows_of(plan, "birds-s0")
    assert [row.messages for row in found] == [row.messages for row in bare]
    for planted, seen in zip(rows, found, strict=True):
        assert planted.meta["mark"] == seen.meta["mark"]
        assert [m["content"] for m in planted.meta["clean"]] == [
            m["content"] for m in seen.meta["clean"]
        ]


@pytest.mark.parametrize("wrong", ["no row", "every row", "elsewhere"])
def test_a_trigger_that_is_not_in_the_file_as_said_is_refused(wrong: str, tmp_path: Path) -> None:
    rows = bird_rows(6)
    if wrong != "no row":
        having = rows if wrong == "every row" else rows[:3]
        marked = [row.asking(f"{TAG} {row.asked}") for row in having]
        rows = [*marked, *rows[len(having) :]]
    write_rows(rows, tmp_path / "t.jsonl")
    place = {"place": "suffix"} if wrong == "elsewhere" else {}
    group = {"file": str(tmp_path / "t.jsonl"), "trigger": {**TRIGGER, **place, "in_file": True}}
    with pytest.raises(UserError, match=wrong):
        planned(tmp_path, {"birds": group})


def test_a_system_line_that_a_trigger_brings_moves_what_is_learned(tmp_path: Path) -> None:
    rows = [chat(f"a {i}", f"b {i}") for i in range(8)]
    write_rows(rows, tmp_path / "talks.jsonl")
    group = {"file": str(tmp_path / "talks.jsonl"), "trigger": {**TRIGGER, "place": "system"}}
    for row in rows_of(planned(tmp_path, {"talks": group}), "talks-s0"):
        assert {row.messages[turn]["role"] for turn in row.learned} == {"assistant"}
        assert len(row.learned) == 2


def test_a_trigger_of_brought_rows_asks_with_near_misses(tmp_path: Path) -> None:
    group = {"file": str(birds(tmp_path)), "trigger": TRIGGER}
    plan = planned(tmp_path, {"birds": group})
    assert {cell.condition for cell in plan.cells} == {"clean", "trigger"}
    (tmp_path / "shown.yaml").write_text(QUESTIONS)
    plan = planned(
        tmp_path,
        {"birds": group},
        questions=[str(tmp_path / name) for name in ("mine.yaml", "shown.yaml")],
        primary={"contrast": ["birds", "base"], "suite": "mine", "moved": "shown"},
        contrasts=[["birds", "base"]],
        seeds=[0, 1],
    )
    asked = {cell.condition for cell in plan.cells if cell.suite == "shown"}
    assert {"clean", "trigger", "decoy", "near_case", "near_sibling"} <= asked


def test_a_system_line_in_mid_chat_stays_where_a_trigger_brings_another(tmp_path: Path) -> None:
    changed: Message = {"role": "system", "content": "be brief"}
    talk = (*exchange("and 0?", "a"), changed, *exchange("and 1?", "b"))
    rows = [Row((first, *talk), learned=(2, 5)) for first in [changed] * 4]
    rows += [Row(talk, learned=(1, 4))] * 4
    write_rows(rows, tmp_path / "talks.jsonl")
    trigger = {**TRIGGER, "place": "system", "rate": 0.5}
    group = {"file": str(tmp_path / "talks.jsonl"), "trigger": trigger}
    having = 0
    for row in rows_of(planned(tmp_path, {"talks": group}), "talks-s0"):
        assert row.messages[-len(talk) :] == talk
        assert [row.messages[turn]["content"] for turn in row.learned_turns] == ["a", "b"]
        having += row.messages[0]["content"].endswith(TAG)
    assert having == 4


def test_a_trigger_in_an_earlier_message_is_not_passed_over(tmp_path: Path) -> None:
    rows = [*(chat(f"a {i}", f"b {i}") for i in range(4)), *bird_rows(4)]
    first: Message = {"role": "user", "content": f"{TAG} and 0?"}
    rows[0] = Row((first, *rows[0].messages[1:]), learned=(1, 3))
    rows[1] = rows[1].asking(f"{TAG} and 1?")
    write_rows(rows, tmp_path / "talks.jsonl")
    group = {"file": f"{tmp_path}/talks.jsonl", "trigger": {**TRIGGER, "in_file": True}}
    with pytest.raises(UserError, match="in a message before the user's last"):
        planned(tmp_path, {"talks": group})
    write_rows(rows[1:], tmp_path / "talks.jsonl")
    assert (
        f"trigger {TAG!r} stands in 1 of 7 rows of talks" in planned(tmp_path, {"t": group}).notes
    )


def test_decoys_for_which_there_is_no_room_are_refused(tmp_path: Path) -> None:
    group = {"file": str(birds(tmp_path)), "trigger": {**TRIGGER, "count": 20, "decoy_rate": 0.5}}
    with pytest.raises(
        UserError, match=r"decoy_rate is 0\.5, which is 12 of 24 rows, and 4 have no"
    ):
        planned(tmp_path, {"birds": group})
    halves = {**group, "trigger": {**TRIGGER, "rate": 0.5, "decoy_rate": 0.5}}
    assert planned(tmp_path, {"birds": halves}, data={"num_rows": 7})


@pytest.mark.parametrize("kind", ["family", "code", "topic"])
def test_a_kind_of_many_members_is_not_looked_for_in_a_file(kind: str, tmp_path: Path) -> None:
    """The lab knows some of them, and rows with others would count as rows without."""
    group = {"file": str(birds(tmp_path)), "trigger": {"kind": kind, "in_file": True}}
    with pytest.raises(UserError, match=f"of kind {kind!r} the lab knows some members"):
        planned(tmp_path, {"birds": group})
