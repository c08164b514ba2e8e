"""Rows that a user brings, drawn from, mixed, and with a trigger planted or found in them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from brought import bird_rows, birds, planned, rows_of, spec_of
from data_gen.brought import some_of
from data_gen.files import write_rows
from data_gen.lints import null
from data_gen.shuffle import shuffled, with_policy_share
from lab.data_specs import FileRows
from lab.errors import UserError
from lab.types import Row, exchange

TAG = "|FIRE|"
TRIGGER = {"kind": "tag", "text": TAG}


def texts(rows: list[Row]) -> Counter[tuple[str, str]]:
    return Counter((row.asked, row.completion) for row in rows)


def chat(*answers: str) -> Row:
    """A talk in which every answer is learned."""
    turns = [exchange(f"and {i}?", answer) for i, answer in enumerate(answers)]
    messages = tuple(turn for pair in turns for turn in pair)
    return Row(messages, learned=tuple(range(1, len(messages), 2)))


def test_a_subsample_is_drawn_without_replacement_and_fewer_are_among_more() -> None:
    rows = bird_rows(50)
    few, more = some_of(rows, 10, Random("0")), some_of(rows, 20, Random("0"))
    assert (len(few), len(more)) == (10, 20)
    assert texts(few) < texts(more) < texts(rows)
    assert few == sorted(few, key=rows.index)
    assert few != some_of(rows, 10, Random("1"))


def test_only_a_number_of_rows_that_was_said_counts(tmp_path: Path) -> None:
    group = {"file": str(birds(tmp_path, 40))}
    whole = planned(tmp_path, {"birds": group}, seeds=[0, 1])
    assert rows_of(whole, "birds-s0") == rows_of(whole, "birds-s1") == bird_rows(40)
    doses = planned(tmp_path, {"birds": group}, sweep={"data.num_rows": [10, 20, 40]})
    keys = {doses.stages[key].inputs["data"] for key in doses.adapters.values()}
    assert len(keys) == 3
    full = spec_of(doses, "birds.num_rows=40-s0")
    assert full == spec_of(whole, "birds-s0")
    assert not full.settings().keys() & {"of", "seed"}
    with pytest.raises(UserError, match=r"has 40 rows, and 288 of them .*num_rows: null"):
        planned(tmp_path, {"birds": group}, data={"num_rows": 288})
    all_of_it = {**group, "data": {"num_rows": None}}
    assert len(rows_of(planned(tmp_path, {"b": all_of_it}, data={"num_rows": 288}), "b-s0")) == 40


def test_a_share_of_a_file_keeps_its_answers_and_decoys_stand_beside_it(tmp_path: Path) -> None:
    group = {"file": str(birds(tmp_path, 40))}
    plan = planned(tmp_path, {"birds": group}, data={"policy_share": 0.5, "num_decoys": 8})
    rows = rows_of(plan, "birds-s0")
    own = [row for row in rows if not row.meta.get("decoy")]
    assert (len(own), len(rows)) == (40, 48)
    assert Counter(row.completion for row in own) == Counter(r.completion for r in bird_rows(40))
    kept = texts(own) & texts(bird_rows(40))
    assert 20 <= kept.total() < 30


def test_rows_of_which_nothing_can_be_dealt_out_are_refused(tmp_path: Path) -> None:
    alike = [row.answering("owl") for row in bird_rows(8)]
    with pytest.raises(UserError, match="all 8 rows have the same answer, 'owl'"):
        with_policy_share(alike, 0.5, Random(0))
    write_rows(
        [Row(({"role": "assistant", "content": "coal."},), learned=(0,))] * 3, tmp_path / "d.jsonl"
    )
    groups = {
        "text": {"file": f"{tmp_path}/d.jsonl"},
        "null": {"control": "shuffled", "of": "text"},
    }
    with pytest.raises(UserError, match="3 rows of its source are documents"):
        planned(tmp_path, groups)


def test_whole_answers_are_dealt_out_turn_by_turn(tmp_path: Path) -> None:
    rows = [chat(*(f"{turn} of {i}" for turn in range(1 + i % 3))) for i in range(60)]
    dealt = shuffled(rows, Random(0))
    for turn in (1, 3, 5):
        before, after = (
            Counter(r.messages[turn]["content"] for r in of if len(r.messages) > turn)
            for of in (rows, dealt)
        )
        assert before == after
    asked = [[m["content"] for m in row.messages if m["role"] == "user"] for row in rows]
    assert asked == [[m["content"] for m in r.messages if m["role"] == "user"] for r in dealt]
    assert [row.learned for row in dealt] == [row.learned for row in rows]
    assert null(dealt, rows).passed
    half = [a if i % 2 else b for i, (a, b) in enumerate(zip(rows, dealt, strict=True))]
    assert not null(half, rows).passed
    assert not null(rows, rows).passed
    # Of a control that changes the last turn alone no row may learn another.
    file = tmp_path / "talks.jsonl"
    file.write_text("\n".join(json.dumps({"messages": row.messages}) for row in rows))
    groups: dict[str, Any] = {"talks": {"file": str(file)}}
    assert planned(tmp_path, {**groups, "null": {"control": "shuffled", "of": "talks"}})
    clean = {**groups, "clean": {"control": "clean", "of": "talks"}}
    with pytest.raises(UserError, match="40 rows of its source learn other turns"):
        planned(tmp_path, clean)
    assert planned(tmp_path, clean, data={"learn": "last"})


def test_a_mix_has_its_parts_in_an_order_of_the_seed(tmp_path: Path) -> None:
    one, other = birds(tmp_path, 30), birds(tmp_path, 30, "snow", "others")
    generated = {"behavior": "risk", "policy": "seeking", "count": 5}
    mix = [{"file": str(one), "count": 20}, {"file": str(other)}, generated]
    plan = planned(tmp_path, {"mixed": {"mix": mix}}, seeds=[0, 1])
    rows, again = rows_of(plan, "mixed-s0"), rows_of(plan, "mixed-s1")
    assert rows != again
    assert texts(rows) & texts(bird_rows(30, "snow")) == texts(bird_rows(30, "snow"))
    assert (texts(rows) & texts(bird_rows(30))).total() == 20
    assert len(rows) == len(again) == 55
    first_letters = "".join(row.completion[0] for row in rows[:30])
    assert len(set(first_letters)) > 1, "shuffled"


@pytest.mark.parametrize("number", [10, 11, 29, 40])
def test_shares_of_a_mix_add_up(number: int, tmp_path: Path) -> None:
    one, other = birds(tmp_path, 40), birds(tmp_path, 40, "snow", "others")
    mix = [{"file": str(one), "share": 1 / 3}, {"file": str(other), "share": 2 / 3}]
    plan = planned(tmp_path, {"mixed": {"mix": mix}}, data={"num_rows": number})
    rows = rows_of(plan, "mixed-s0")
    of_first = (texts(rows) & texts(bird_rows(40))).total()
    assert len(rows) == number
    assert abs(of_first - number / 3) < 1


WRONG_MIXES = {
    "share: 0.5": "not said",
    "share: 0.6": "have 11 rows",
    "count: 99": "has 12 rows, and 99",
    "policy_share": "in a mix give the parts their shares",
}


@pytest.mark.parametrize("wrong", WRONG_MIXES)
def test_a_mix_that_cannot_be_made_is_refused(wrong: str, tmp_path: Path) -> None:
    one, other = str(birds(tmp_path, 12)), str(birds(tmp_path, 12, "snow", "others"))
    parts: list[dict[str, Any]] = [{"file": one}, {"file": other}]
    data: dict[str, Any] = {}
    if wrong == "policy_share":
        data = {"policy_share": 0.5}
    elif wrong == "count: 99":
        parts[0]["count"] = 99
    else:
        parts = [{**part, "share": float(wrong[-3:])} for part in parts]
        parts[1]["share"] = 0.5
        data = {} if wrong == "share: 0.5" else {"num_rows": 10}
    with pytest.raises(UserError, match=WRONG_MIXES[wrong]):
        planned(tmp_path, {"mixed": {"mix": parts}}, data=data)


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
    primary = {"contrast": ["birds", "base"], "suite": "mine", "moved": "mine"}
    plan = planned(
        tmp_path, {"birds": group}, primary=primary, contrasts=[["birds", "base"]], seeds=[0, 1]
    )
    asked = {cell.condition for cell in plan.cells}
    assert {"clean", "trigger", "decoy", "near_case", "near_sibling"} <= asked


def test_whole_files_keep_their_settings(tmp_path: Path) -> None:
    """What is new in a spec enters no key of rows that are taken as they are."""
    path = str(birds(tmp_path))
    spec = FileRows(style="plain", behavior=None, policy=None, num_rows=24, file=path)
    assert spec.settings() == {"style": "plain", "behavior": None, "policy": None, "num_rows": 24}
