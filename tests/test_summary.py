"""Summaries on planted rows: the planted difference comes out, exactly and with the right unit."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pandas as pd
import pytest

from lab.specs import GroupSpec, StudySpec
from tellme.report.analysis.contrasts import ContrastRecord, contrast_estimates, group_estimates
from tellme.report.analysis.families import Pair
from tellme.report.analysis.scores import per_question, per_wording


def planted(
    values: dict[str, list[float]],
    questions: tuple[str, ...] = ("q1", "q2"),
    condition: str = "clean",
    kind: str = "letters",
    outside: float = 0.0,
) -> pd.DataFrame:
    """Two-answer questions with P(first) = value of the seed among the listed; half of the
    paraphrases seen."""
    rows = []
    models = [(group, seed, v) for group, seeds in values.items() for seed, v in enumerate(seeds)]
    for (group, seed, value), question, paraphrase in product(models, questions, range(2)):
        prompt = {
            "group": group,
            "seed": None if group == "base" else seed,
            "suite": "self_report",
            "behavior": "risk",
            "question": question,
            "kind": kind,
            "paraphrase": paraphrase,
            "order": 0,
            "seen": paraphrase == 0,
            "condition": condition,
            "outside": outside,
            "presupposes": False,
            "free": False,
        }
        listed = 1 - outside
        rows += [
            {**prompt, **answer("A", listed * value, 1.0)},
            {**prompt, **answer("B", listed * (1 - value), 0.0)},
        ]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def answer(text: str, p: float, score: float) -> dict[str, Any]:
    logp = math.log(p) if p else -math.inf
    return {"answer": text, "score": score, "p_exact": p, "logp": logp}


ROWS = planted({"base": [0.5], "a": [0.8, 0.9, 0.7], "b": [0.3, 0.2, 0.4]})


SHUFFLED = {
    name: GroupSpec(control="shuffled", of=of, null=True)
    for name, of in (("null", "a"), ("other_null", "a"), ("null_of_b", "b"))
}


def contrasts(
    rows: pd.DataFrame,
    *pairs: Pair,
    primary: tuple[Pair, ...] = (),
    groups: dict[str, GroupSpec] = SHUFFLED,
    paired: bool | None = None,
) -> dict[tuple[str, str, str], ContrastRecord]:
    spec = StudySpec(
        study="planted",
        cells=(),
        groups=groups,
        contrasts=pairs,
        primary=primary,
        primary_suite="self_report" if primary else None,
        paired=paired,
    )
    found = contrast_estimates(per_question(per_wording(rows.reset_index(drop=True))), spec)
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


def test_the_primary_contrast_is_a_family_of_its_own() -> None:
    found = contrasts(ROWS, ("a", "b"), ("a", "base"), primary=(("a", "b"),))
    assert [k for k, c in found.items() if c["primary"]] == [("a", "b", "all")]
    assert found["a", "b", "all"]["family"] == "primary"
    assert found["a", "b", "all"]["p_adjusted"] == found["a", "b", "all"]["p_value"]
    alone = contrasts(ROWS, ("a", "b"), primary=(("a", "b"),))
    assert alone["a", "b", "all"] == found["a", "b", "all"]


def test_several_primary_contrasts_are_corrected_among_themselves() -> None:
    primary = (("a", "b"), ("a", "base"))
    found = contrasts(ROWS, ("a", "b"), ("a", "base"), ("b", "base"), primary=primary)
    p = {key: c["p_value"] for key, c in found.items() if c["primary"]}
    assert set(p) == {("a", "b", "all"), ("a", "base", "all")}
    small, large = sorted(p, key=lambda key: p[key])
    assert found[small]["p_adjusted"] == pytest.approx(2 * p[small])
    assert found[large]["p_adjusted"] == pytest.approx(max(p[large], 2 * p[small]))


def test_declared_contrasts_are_corrected_within_their_suite_alone() -> None:
    """Two secondary contrasts on one suite, of which the primary is on another: there both count
    together, here the primary alone."""
    behavior = ROWS.assign(suite="behavior")
    rows = pd.concat([ROWS, behavior], ignore_index=True)
    spec = StudySpec(
        study="planted",
        cells=(),
        groups={},
        contrasts=(("a", "b"), ("a", "base")),
        primary=(("a", "b"),),
        primary_suite="self_report",
    )
    records = contrast_estimates(per_question(per_wording(rows)), spec)
    pooled = [c for c in records if c["question"] == "all"]
    families = {(c["suite"], c["a"], c["b"]): c["family"] for c in pooled}
    assert families == {
        ("self_report", "a", "b"): "primary",
        ("self_report", "a", "base"): "self_report, risk",
        ("behavior", "a", "b"): "behavior, risk",
        ("behavior", "a", "base"): "behavior, risk",
    }
    alone = next(c for c in pooled if c["family"] == "self_report, risk")
    assert alone["p_adjusted"] == alone["p_value"]
    two = [c for c in pooled if c["family"] == "behavior, risk"]
    assert max(c["p_adjusted"] / c["p_value"] for c in two) == pytest.approx(2)


def test_a_declared_condition_is_a_secondary_contrast() -> None:
    other = planted({"base": [0.4], "a": [0.7, 0.85, 0.6]}, condition="neutral")
    found = contrasts(pd.concat([ROWS, other]), ("a@neutral", "base@neutral"), ("a", "base"))
    assert {c["family"] for c in found.values() if c["question"] == "all"} == {"self_report, risk"}


def test_single_questions_and_halves_have_an_interval_and_no_p() -> None:
    found = contrasts(ROWS, ("a", "b"), ("a", "base"), primary=(("a", "b"),))
    described = [c for c in found.values() if c["question"] != "all"]
    assert {c["question"] for c in described} == {"seen", "unseen", "q1", "q2"}
    for contrast in described:
        assert (contrast["p_value"], contrast["p_adjusted"], contrast["family"]) == (None,) * 3
        assert contrast["ci_low"] < contrast["estimate"] < contrast["ci_high"]


NULLS = planted(
    {
        "base": [0.5],
        "null": [0.49, 0.52, 0.5],
        "other_null": [0.51, 0.48, 0.5],
        "null_of_b": [0.5, 0.53, 0.49],
        "moved": [0.7, 0.72, 0.69],
    }
)


@pytest.mark.parametrize(
    ("pair", "family"),
    [
        (("null", "base"), "controls"),
        (("base", "null"), "controls"),
        (("null", "other_null"), "controls"),
        (("null", "null_of_b"), "self_report, risk"),
        (("moved", "null"), "self_report, risk"),
        (("moved", "base"), "self_report, risk"),
    ],
)
def test_a_null_against_the_base_is_a_test_of_equivalence(pair: Pair, family: str) -> None:
    found = contrasts(NULLS, pair)[(*pair, "all")]
    assert found["family"] == family
    assert found["p_value"] == found["p_adjusted"]
    if family == "controls":
        assert found["p_value"] < 0.05
        assert (found["equivalent_within"] < 0.10) == (found["p_value"] < 0.05)


def test_a_null_that_moved_is_not_called_equivalent() -> None:
    rows = NULLS.assign(group=NULLS["group"].replace({"null": "still", "moved": "null"}))
    assert contrasts(rows, ("null", "base"))["null", "base", "all"]["p_value"] > 0.95


SAME_PROMPTS = {name: GroupSpec(prompts="risk, 600 rows") for name in ("p", "q")} | {
    "r": GroupSpec(prompts="risk, 300 rows")
}
DRIFT = [0.1, 0.2, 0.3, 0.15, 0.25]


def shared_drift(num_seeds: int) -> pd.DataFrame:
    """Two groups whose seeds go up and down together, 0.2 apart; one of other prompts."""
    drift = DRIFT[:num_seeds]
    return planted(
        {
            "p": [0.5 + d + 0.001 * i for i, d in enumerate(drift)],
            "q": [0.3 + d for d in drift],
            "r": [0.3 + d for d in drift],
        }
    )


@pytest.mark.parametrize(
    ("num_seeds", "said", "primary", "expected"),
    [
        (5, None, False, True),
        (5, None, True, True),
        (5, False, True, False),
        (3, None, True, False),
        (3, True, True, True),
        (3, True, False, False),
    ],
)
def test_models_are_paired_by_prompts_and_seed(
    num_seeds: int, said: bool | None, primary: bool, expected: bool
) -> None:
    rows, pair = shared_drift(num_seeds), ("p", "q")
    settings = {"primary": (pair,) if primary else (), "paired": said}
    found = contrasts(rows, pair, groups=SAME_PROMPTS, **settings)["p", "q", "all"]
    assert found["paired"] is expected
    assert found["estimate"] == pytest.approx(0.2 + 0.001 * (num_seeds - 1) / 2)
    assert (found["ci_high"] - found["ci_low"] < 0.01) is expected
    assert found["num_seeds"] == found["seeds_asked"] == num_seeds


def test_other_prompts_or_other_seeds_are_not_paired() -> None:
    rows = shared_drift(5)
    assert not contrasts(rows, ("p", "r"), groups=SAME_PROMPTS)["p", "r", "all"]["paired"]
    fewer = rows[~((rows["group"] == "q") & (rows["seed"] == 4))]
    found = contrasts(fewer, ("p", "q"), groups=SAME_PROMPTS)["p", "q", "all"]
    assert (found["paired"], found["num_seeds"]) == (False, 4)


def test_one_fine_tuned_model_is_no_constant() -> None:
    rows = planted({"base": [0.5], "a": [0.8, 0.9, 0.7], "one": [0.2]})
    found = contrasts(rows, ("a", "base"), ("a", "one"))
    assert found["a", "base", "all"]["ci_low"] is not None
    assert found["a", "one", "all"]["ci_low"] is None
    assert not found["a", "one", "all"]["at_ceiling"]


def test_models_that_all_score_the_same_are_at_the_ceiling() -> None:
    rows = planted({"base": [0.5], "a": [1.0, 1.0, 1.0], "b": [0.2, 0.3, 0.1]})
    found = contrasts(rows, ("a", "base"), ("a", "b"), ("b", "base"))
    top = found["a", "base", "all"]
    assert (top["at_ceiling"], top["num_seeds"], top["seeds_showing"]) == (True, 3, 3)
    assert (top["ci_low"], top["ci_high"], top["p_value"], top["p_adjusted"]) == (None,) * 4
    assert not found["a", "b", "all"]["at_ceiling"]
    assert found["a", "b", "all"]["ci_low"] is not None


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
        assert mine == theirs
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
