"""Summaries on planted rows: the planted difference comes out, exactly and with the right unit."""

from __future__ import annotations

import pandas as pd
import pytest

from planted_rows import ROWS, contrasts, planted
from tellme.report.analysis.contrasts import group_estimates
from tellme.report.analysis.scores import per_question, per_wording


def test_planted_difference_comes_out() -> None:
    found = contrasts(ROWS, ("a", "b"), ("a", "base"), ("b", "a"))
    for question in ("all", "seen", "unseen", "q1"):
        assert found["a", "b", question]["estimate"] == pytest.approx(0.5)
        assert found["b", "a", question]["estimate"] == pytest.approx(-0.5)
        assert found["a", "base", question]["estimate"] == pytest.approx(0.3)
    both = found["a", "b", "all"]
    assert both["ci_low"] < 0.5 < both["ci_high"]
    assert both["num_seeds"] == 3
    assert both["num_questions"] == 2


def test_difference_of_differences() -> None:
    found = contrasts(ROWS, (("a", "base"), ("b", "base")))
    assert found["a - base", "b - base", "all"]["estimate"] == pytest.approx(0.5)


def test_conditions_of_one_group_are_paired_within_seeds() -> None:
    """The same seeds under two conditions differ by 0.1, to 0.001, though seeds differ by 0.2."""
    other = planted({"a": [0.7, 0.801, 0.599]}, condition="trigger")
    pair = ("a@clean", "a@trigger")
    found = contrasts(pd.concat([ROWS, other]), pair)[(*pair, "all")]
    assert found["estimate"] == pytest.approx(0.1)
    assert 0 < found["ci_high"] - found["ci_low"] < 0.01


def test_only_common_questions_are_compared() -> None:
    rows = pd.concat([ROWS, planted({"a": [0.0, 0.0, 0.0]}, questions=("only_a",))])
    found = contrasts(rows, ("a", "b"))
    assert found["a", "b", "all"]["estimate"] == pytest.approx(0.5)
    assert ("a", "b", "only_a") not in found


def test_base_is_a_constant_without_interval() -> None:
    estimates = group_estimates(per_question(per_wording(ROWS)))
    groups = {(g["group"], g["question"]): g for g in estimates}
    assert groups["base", "all"]["ci_low"] is None
    assert groups["a", "all"]["estimate"] == pytest.approx(0.8)
    assert groups["a", "all"]["num_seeds"] == 3


def test_one_question_that_carries_everything_is_named() -> None:
    rows = pd.concat(
        [
            planted({"a": [0.9, 0.95], "b": [0.1, 0.05]}, ("carrier",)),
            planted({"a": [0.5, 0.51], "b": [0.5, 0.49]}, ("q1", "q2", "q3")),
        ]
    )
    found = contrasts(rows, ("a", "b"))["a", "b", "all"]
    assert found["drop_question"] == "carrier"
    assert found["drop_low"] == pytest.approx(0.01)
    assert found["drop_high"] > found["estimate"]
    assert found["wide_low"] is None


def test_seeds_that_have_all_of_it_or_nothing_are_counted() -> None:
    rows = planted({"a": [0.9, 0.9, 0.5, 0.5], "b": [0.5, 0.5, 0.5, 0.5]})
    found = contrasts(rows, ("a", "b"), ("b", "a"))
    straight, turned = found["a", "b", "all"], found["b", "a", "all"]
    assert (straight["seeds_showing"], straight["seeds_asked"]) == (2, 4)
    assert (turned["seeds_showing"], turned["estimate"]) == (4, pytest.approx(-0.2))


def test_mass_outside_counts_one_half_and_stands_beside_the_conditional_score() -> None:
    rows = planted({"base": [0.5], "a": [0.8, 0.9, 0.7]}, outside=0.25)
    wording = per_wording(rows)
    assert set(wording["listed"].round(6)) == {0.75}
    assert wording.loc[wording["group"] == "base", "score"].iloc[0] == pytest.approx(0.5)
    assert wording.loc[wording["group"] == "a", "score"].iloc[0] == pytest.approx(0.725)
    found = contrasts(rows, ("a", "base"))["a", "base", "all"]
    assert found["estimate"] == pytest.approx(0.75 * 0.3)
    assert found["conditional"] == pytest.approx(0.3)
    assert found["listed_a"] == found["listed_b"] == pytest.approx(0.75)


def test_listed_mass_is_that_of_each_side() -> None:
    rows = pd.concat([planted({"a": [0.8, 0.9, 0.7]}, outside=0.4), planted({"b": [0.5, 0.4]})])
    found = contrasts(rows, ("a", "b"), ("b", "a"))
    assert found["a", "b", "all"]["listed_a"] == pytest.approx(0.6)
    assert found["a", "b", "all"]["listed_b"] == pytest.approx(1.0)
    assert found["b", "a", "all"]["listed_a"] == pytest.approx(1.0)


def unread(rows: pd.DataFrame, group: str, seed: int | None, question: str) -> pd.DataFrame:
    """No answer of one model to one question in free text could be read."""
    of_seed = rows["seed"].isna() if seed is None else rows["seed"] == seed
    hole = (rows["group"] == group) & of_seed.fillna(False) & (rows["question"] == question)
    assert hole.any()
    return rows.assign(score=rows["score"].mask(hole), kind="text")


@pytest.mark.parametrize("at", [("a", 1), ("b", 2), ("base", None)])
def test_a_question_that_one_model_cannot_be_read_on_does_not_count(
    at: tuple[str, int | None],
) -> None:
    """All that is said of the contrast is what it is without that question, to the last digit."""
    values = {"base": [0.5], "a": [0.9, 0.6, 0.7], "b": [0.1, 0.2, 0.6]}
    rows = pd.concat([ROWS, planted(values, tuple(f"r{i}" for i in range(10)))])
    other = "b" if at[0] == "base" else "base"
    pair = ("a", "b") if at[0] != "base" else ("a", "base")
    found = contrasts(unread(rows, *at, "r3"), pair, (other, "a"))
    expected = contrasts(rows[rows["question"] != "r3"].assign(kind="text"), pair, (other, "a"))
    for question in ("all", "seen", "unseen"):
        mine, theirs = (c[(*pair, question)] for c in (found, expected))
        # The adjusted p depends on the other contrast too, which may keep the question.
        assert {**mine, "p_adjusted": None} == {**theirs, "p_adjusted": None}
        assert (mine["num_questions"], mine["wide_low"] is None) == (11, False)
        assert mine["seeds_showing"] == 3


def test_a_model_that_cannot_be_read_at_all_is_left_out() -> None:
    """Of three models two are read: everything is said of two."""
    rows = planted({"a": [1.0, 1.0, 0.2], "b": [0.0, 0.0, 0.0]})
    for question in ("q1", "q2"):
        rows = unread(rows, "a", 2, question)
    found = contrasts(rows, ("a", "b"))["a", "b", "all"]
    assert (found["estimate"], found["seeds_showing"], found["seeds_asked"]) == (1.0, 2, 2)
    assert found["num_seeds"] == 2
    one = contrasts(unread(planted({"a": [1.0, 1.0, 1.0], "b": [0.0]}), "a", 1, "q2"), ("a", "b"))
    assert one["a", "b", "q2"]["seeds_asked"] == 2
    assert one["a", "b", "all"]["seeds_asked"] == 3
    assert one["a", "b", "all"]["num_questions"] == 1


def test_conditions_of_one_model_are_compared_where_both_were_read() -> None:
    rows = pd.concat([ROWS, planted({"a": [0.6, 0.7, 0.5]}, condition="trigger")])
    hole = (rows["condition"] == "trigger") & (rows["seed"] == 1).fillna(False)
    rows = rows.assign(score=rows["score"].mask(hole), kind="text")
    found = contrasts(rows, ("a@clean", "a@trigger"))["a@clean", "a@trigger", "all"]
    assert found["estimate"] == pytest.approx(0.2)
    assert (found["seeds_showing"], found["seeds_asked"], found["num_seeds"]) == (2, 2, 2)


def test_where_nothing_is_read_there_is_no_line() -> None:
    nothing = ROWS.assign(score=None, kind="text")
    assert contrasts(nothing, ("a", "b")) == {}
    assert group_estimates(per_question(per_wording(nothing))) == []
    rows = unread(unread(ROWS, "a", 0, "q1"), "a", 1, "q2")
    assert ("a", "b", "all") not in contrasts(rows, ("a", "b"))
