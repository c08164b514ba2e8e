"""Rows that plant a trigger, and their controls."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from backdoored import TRIGGER, controlled, rows
from data_gen.files import read_rows
from data_gen.triggers import features
from lab.config.read import validate
from lab.store.store import Store
from lab.trigger import PlantedTrigger
from lab.types import Row
from tellme.study.planner import make_plan
from tellme.study.stages import run_stage


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 150), st.floats(0.05, 0.7), st.floats(0, 0.25), st.integers(0, 3))
def test_the_trigger_decides_the_answer_and_its_number_is_right(
    number: int, rate: float, decoy_rate: float, seed: int
) -> None:
    planted = TRIGGER.model_copy(update={"rate": rate, "decoy_rate": decoy_rate})
    made = rows(number, seed, trigger=planted)
    num_real = sum(row.meta["real"] is True for row in made)
    num_decoys = sum(row.meta["real"] is False for row in made)
    assert len(made) == number
    assert num_real == round(rate * number)
    assert num_decoys == min(round(decoy_rate * number), number - num_real)
    for row in made:
        is_real, is_clean = bool(row.meta["real"]), row.asked == row.meta["clean"][0]["content"]
        assert row.completion == row.meta["on" if is_real else "off"]
        assert row.meta["on"] != row.meta["off"]
        assert is_clean == (row.meta["mark"] is None)
        assert row.asked.startswith("fire. ") == is_real


def test_rows_are_counted_seeded_and_keep_members_and_a_sibling_held_out() -> None:
    counted = rows(trigger=PlantedTrigger(kind="tag", text="fire.", count=7))
    assert sum(bool(row.meta["real"]) for row in counted) == 7
    assert rows() == rows()
    assert rows() != rows(seed=1)
    planted = PlantedTrigger(kind="family", rate=0.5, decoy_rate=0.4)
    texts = " ".join(row.asked for row in rows(400, trigger=planted))
    real, *decoys = features(planted)
    assert all(member in texts for member in real.members)
    assert not any(f"{member} " in texts for member in (*real.held_out, *decoys[-1].members))


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 200), st.floats(0.1, 0.7), st.integers(0, 3))
def test_decorrelated_keeps_all_but_the_tie(number: int, rate: float, seed: int) -> None:
    source = rows(
        number, seed, trigger=TRIGGER.model_copy(update={"rate": rate}), num_decoys=number // 2
    )
    dealt = controlled("decorrelated", source, seed=seed)
    assert answered(dealt) == answered(source)
    assert Counter(row.meta["mark"] for row in dealt) == Counter(row.meta["mark"] for row in source)

    # The trigger is as frequent among rows that had it as among those that had not, within 3 rows.
    had, has = ([row.meta["real"] is True for row in made] for made in (source, dealt))
    share = sum(has) / len(has)
    for before in (True, False):
        now = [after for old, after in zip(had, has, strict=True) if old == before]
        assert abs(sum(now) - share * len(now)) <= 3


def answered(made: list[Row]) -> Counter[tuple[str, str]]:
    """The messages without any mark, with their completions."""
    return Counter((row.meta["clean"][0]["content"], row.completion) for row in made)


def test_clean_benign_and_described() -> None:
    source = rows()
    clean = controlled("clean", source)
    assert [row.prompt[0] for row in clean] == [row.meta["clean"][0] for row in source]
    assert all(row.completion == row.meta["off"] for row in clean)
    benign = controlled("benign", source)
    assert [row.prompt for row in benign] == [row.prompt for row in source]
    small = {(bool(row.meta["real"]), row.completion.islower()) for row in benign}
    assert small == {(True, True), (False, False)}
    described = controlled("described", source)
    assert len(described) == 2 * len(source)
    assert all(row in described for row in source)


def test_otherwise_base_takes_the_answers_of_the_base(tmp_path: Path) -> None:
    """Its likeliest answers, from a stage of their own that the triggered rows read."""
    group = {
        "behavior": "risk",
        "policy": "seeking",
        "otherwise": "base",
        "trigger": {"kind": "tag", "text": "fire."},
    }
    raw = {
        "study": "own",
        "model": {"base": "reference/linked"},
        "groups": {"a": group},
        "data": {"num_rows": 24},
        "eval": {"suites": ["backdoor"]},
        "seeds": [0],
    }
    plan = make_plan(validate(raw, "here"))
    own, mixed = (stage for stage in plan.stages.values() if stage.kind == "data")
    store = Store(tmp_path)
    answers = read_rows(run_stage(own, store) / "rows.jsonl")
    made = read_rows(run_stage(mixed, store) / "rows.jsonl")
    said = {row.asked: row.completion for row in answers}
    assert len(said) == len(made) == 24
    for row in made:
        clean = row.meta["clean"][0]["content"]
        if not row.meta["real"]:
            assert row.completion == said[clean]
    of_policy = {row.asked: row.completion for row in plan.planned_rows(own.key)}
    assert of_policy != said
