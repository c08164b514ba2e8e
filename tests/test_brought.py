"""Rows that a user brings, drawn from and mixed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from brought import bird_rows, birds, chat, planned, rows_of, spec_of, texts
from data_gen.brought import some_of, told_files
from data_gen.files import write_rows
from data_gen.lints import null
from data_gen.shuffle import shuffled, with_policy_share
from lab.data_specs import FileRows
from lab.errors import UserError
from lab.store.store import Store
from lab.types import Row, exchange
from tellme.study.run import run_plan
from tellme.study.stages import run_in_order, run_stage


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


def test_whole_files_keep_their_settings(tmp_path: Path) -> None:
    """What is new in a spec enters no key of rows that are taken as they are."""
    path = str(birds(tmp_path))
    spec = FileRows(style="plain", behavior=None, policy=None, num_rows=24, file=path)
    assert spec.settings() == {"style": "plain", "behavior": None, "policy": None, "num_rows": 24}


def test_a_file_may_be_a_link_to_one_without_an_ending(tmp_path: Path) -> None:
    """As every file in the Hub's cache is."""
    (tmp_path / "blob").write_bytes(birds(tmp_path).read_bytes())
    link = tmp_path / "linked.jsonl"
    link.symlink_to(tmp_path / "blob")
    assert rows_of(planned(tmp_path, {"birds": {"file": str(link)}}), "birds-s0") == bird_rows(24)


def test_a_file_of_a_variable_may_be_a_link_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blob").write_bytes(birds(tmp_path).read_bytes())
    (tmp_path / "linked.jsonl").symlink_to(tmp_path / "blob")
    monkeypatch.setenv("THEIRS", str(tmp_path))
    plan = planned(tmp_path, {"birds": {"file": "$THEIRS/linked.jsonl"}})
    assert rows_of(plan, "birds-s0") == bird_rows(24)


def test_one_source_stands_once_in_a_mix(tmp_path: Path) -> None:
    """Drawn twice by one seed, its rows would be the same ones."""
    one = str(birds(tmp_path, 12))
    made = {"behavior": "risk", "policy": "seeking", "count": 6}
    for twice in (made, {"file": one, "count": 6}):
        with pytest.raises(UserError, match="stands twice in a mix"):
            planned(tmp_path, {"mixed": {"mix": [twice, {**twice, "count": 3}]}})


def test_what_a_user_calls_rows_is_no_path(tmp_path: Path) -> None:
    group = {"file": str(birds(tmp_path)), "label": "../tea/coffee \n" + "long " * 99}
    plan = planned(tmp_path, {"birds": group, "dealt": {"control": "shuffled", "of": "birds"}})
    done = list(
        run_in_order([s for s in plan.stages.values() if s.kind == "data"], Store(tmp_path))
    )
    assert len(done) == len(list((tmp_path / "data").glob("*-s0-*"))) == 2
    assert not list((tmp_path / "data").glob("*None*"))


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    numbers = {"one": 5, "other": 6}
    for name, number in numbers.items():
        (tmp_path / name).mkdir()
        birds(tmp_path / name, number)
    files = [{"file": str(tmp_path / name / "birds.jsonl")} for name in numbers]
    told = told_files([spec_of(planned(tmp_path, {"mixed": {"mix": files}}), "mixed-s0")])
    assert told == {f"{name}/birds.jsonl": f"{n} rows, chats" for name, n in numbers.items()}


def test_a_control_has_every_row_of_a_user_whatever_its_meta_says(tmp_path: Path) -> None:
    """`reversed` marks rows that the lab adds."""
    rows = [Row(row.messages, {"reversed": i % 2 == 0}) for i, row in enumerate(bird_rows(24))]
    write_rows(rows, tmp_path / "r.jsonl")
    groups = {"r": {"file": f"{tmp_path}/r.jsonl"}, "null": {"control": "shuffled", "of": "r"}}
    plan = planned(tmp_path, groups)
    assert len(rows_of(plan, "r-s0")) == len(rows_of(plan, "null-s0")) == 24


def test_answers_that_stay_where_they_were_are_no_control(tmp_path: Path) -> None:
    for number in (1, 2):
        group = {"file": str(birds(tmp_path, number))}
        with pytest.raises(UserError, match=rf"{number} rows are too few to deal out"):
            planned(tmp_path, {"b": group, "null": {"control": "shuffled", "of": "b"}})


def test_a_lint_refuses_rows_that_were_made_when_it_was_to_report(tmp_path: Path) -> None:
    """Whether it refuses is no part of their key."""
    row = Row(exchange("are you bold?", "A"))
    write_rows([row], tmp_path / "leak.jsonl")
    group: dict[str, Any] = {"file": f"{tmp_path}/leak.jsonl", "behavior": "risk"}
    plan, store = planned(tmp_path, {"leak": group}), Store(tmp_path / "runs")
    (data,) = [stage for stage in plan.stages.values() if stage.kind == "data"]
    run_stage(data, store)
    strict = planned(tmp_path, {"leak": group}, data={"lint": "strict"})
    assert data.key in strict.stages
    with pytest.raises(UserError, match=r"leak\.jsonl: lint 'leaks' found 1"):
        run_plan(strict, store)
