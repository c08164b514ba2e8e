"""How contrasts are tested: in families, as equivalence, and pair by pair."""

from __future__ import annotations

import pandas as pd
import pytest

from lab.specs import GroupSpec, StudySpec
from planted_rows import ROWS, contrasts, planted
from tellme.report.analysis.contrasts import contrast_estimates
from tellme.report.analysis.families import Pair
from tellme.report.analysis.scores import per_question, per_wording


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
