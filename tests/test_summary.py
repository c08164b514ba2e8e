"""Summaries on planted rows: the planted difference comes out, exactly and with the right unit."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pandas as pd
import pytest

from tellme.report.analysis.contrasts import (
    ContrastRecord,
    Pair,
    contrast_estimates,
    group_estimates,
)
from tellme.report.analysis.scores import per_question, per_wording


def planted(
    values: dict[str, list[float]],
    questions: tuple[str, ...] = ("q1", "q2"),
    condition: str = "clean",
) -> pd.DataFrame:
    """Two-answer questions with P(first) = value of the seed; half of the paraphrases seen; a
    quarter of the mass outside."""
    rows = []
    models = [(group, seed, v) for group, seeds in values.items() for seed, v in enumerate(seeds)]
    for (group, seed, value), question, paraphrase in product(models, questions, range(2)):
        prompt = {
            "group": group,
            "seed": None if group == "base" else seed,
            "suite": "self_report",
            "behavior": "risk",
            "question": question,
            "kind": "letters",
            "paraphrase": paraphrase,
            "order": 0,
            "seen": paraphrase == 0,
            "condition": condition,
            "outside": 0.25,
        }
        rows += [{**prompt, **answer("A", value, 1.0)}, {**prompt, **answer("B", 1 - value, 0.0)}]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def answer(text: str, share: float, score: float) -> dict[str, Any]:
    """An answer with its share of the listed mass, which is three quarters."""
    p = 0.75 * share
    logp = math.log(p) if p else -math.inf
    return {"answer": text, "score": score, "p_exact": p, "logp": logp}


ROWS = planted({"base": [0.5], "a": [0.8, 0.9, 0.7], "b": [0.3, 0.2, 0.4]})


def contrasts(
    rows: pd.DataFrame, *pairs: Pair, primary: tuple[Pair, ...] = ()
) -> dict[tuple[str, str, str], ContrastRecord]:
    questions = per_question(per_wording(rows))
    found = contrast_estimates(questions, pairs, "self_report" if primary else None, primary)
    return {(c["a"], c["b"], c["question"]): c for c in found}


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
    """The same seeds under two conditions differ by just 0.1: no spread is left, though seeds
    differ by 0.2."""
    other = planted({"a": [0.7, 0.8, 0.6]}, condition="trigger")
    pair = ("a@clean", "a@trigger")
    found = contrasts(pd.concat([ROWS, other]), pair)[(*pair, "all")]
    assert found["estimate"] == pytest.approx(0.1)
    assert found["ci_high"] - found["ci_low"] < 1e-6


def test_only_common_questions_are_compared() -> None:
    rows = pd.concat([ROWS, planted({"a": [0.0, 0.0, 0.0]}, questions=("only_a",))])
    found = contrasts(rows, ("a", "b"))
    assert found["a", "b", "all"]["estimate"] == pytest.approx(0.5)
    assert ("a", "b", "only_a") not in found


def test_the_primary_contrast_is_not_corrected_and_the_rest_is() -> None:
    found = contrasts(ROWS, ("a", "b"), ("a", "base"), primary=(("a", "b"),))
    assert [k for k, c in found.items() if c["primary"]] == [("a", "b", "all")]
    assert found["a", "b", "all"]["p_holm"] == found["a", "b", "all"]["p_value"]
    assert found["a", "base", "all"]["p_holm"] > found["a", "base", "all"]["p_value"]


def test_several_primary_contrasts_are_a_family_of_their_own() -> None:
    primary = (("a", "b"), ("a", "base"))
    found = contrasts(ROWS, ("a", "b"), ("a", "base"), ("b", "base"), primary=primary)
    p = {key: c["p_value"] for key, c in found.items() if c["primary"]}
    assert set(p) == {("a", "b", "all"), ("a", "base", "all")}
    small, large = sorted(p, key=lambda key: p[key])
    assert found[small]["p_holm"] == pytest.approx(2 * p[small])
    assert found[large]["p_holm"] == pytest.approx(max(p[large], 2 * p[small]))


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


def test_mass_outside_is_neither_dropped_nor_scored_a_half() -> None:
    wording = per_wording(ROWS)
    assert set(wording["outside"].round(6)) == {0.25}
    assert wording.loc[wording["group"] == "base", "score"].iloc[0] == pytest.approx(0.5)
    assert wording.loc[wording["group"] == "a", "score"].iloc[0] == pytest.approx(0.8)


def unread(rows: pd.DataFrame, group: str, seed: int | None, question: str) -> pd.DataFrame:
    """No answer of one model to one question could be read."""
    of_seed = rows["seed"].isna() if seed is None else rows["seed"] == seed
    hole = (rows["group"] == group) & of_seed.fillna(False) & (rows["question"] == question)
    assert hole.any()
    return rows.assign(score=rows["score"].mask(hole))


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
    expected = contrasts(rows[rows["question"] != "r3"], pair, (other, "a"))
    for question in ("all", "seen", "unseen"):
        mine, theirs = (c[(*pair, question)] for c in (found, expected))
        # Holm's p depends on the other lines.
        assert {**mine, "p_holm": None} == {**theirs, "p_holm": None}
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
    rows["score"] = rows["score"].mask(hole)
    found = contrasts(rows, ("a@clean", "a@trigger"))["a@clean", "a@trigger", "all"]
    assert found["estimate"] == pytest.approx(0.2)
    assert (found["seeds_showing"], found["seeds_asked"], found["num_seeds"]) == (2, 2, 2)


def test_where_nothing_is_read_there_is_no_line() -> None:
    nothing = ROWS.assign(score=None)
    assert contrasts(nothing, ("a", "b")) == {}
    assert group_estimates(per_question(per_wording(nothing))) == []
    rows = unread(unread(ROWS, "a", 0, "q1"), "a", 1, "q2")
    assert ("a", "b", "all") not in contrasts(rows, ("a", "b"))
