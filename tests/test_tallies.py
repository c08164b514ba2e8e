"""Verdicts of many small studies, counted: what is planted is found, and none is lost."""

from __future__ import annotations

import random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab.errors import UserError
from lab.stats.rates import rate_limits
from planted_study import SPEC, planted
from tellme.calibrate.spread import spreads
from tellme.calibrate.studies import Tally, counts_of, cut, tallies
from tellme.report.analysis.scores import per_question


def tally(wordings: pd.DataFrame) -> Tally:
    (found,) = tallies("nulls", wordings, SPEC)
    return found


@given(st.integers(1, 12), st.integers(1, 5))
def test_every_seed_is_in_one_study_and_the_base_in_all(number: int, size: int) -> None:
    seeds = random.Random(number).sample(range(100), number * size)
    lines = [{"group": "seeking", "seed": seed} for seed in seeds] + [{"group": "base"}]
    studies = cut(pd.DataFrame(lines).astype({"seed": "Int64"}), size)
    assert [len(own) for own, _ in studies] == [size] * number
    assert sorted(seed for own, _ in studies for seed in own) == sorted(seeds)
    for own, wordings in studies:
        assert set(wordings["seed"].dropna()) == set(own)
        assert "base" in set(wordings["group"])


def test_seeds_that_would_be_left_over_are_refused() -> None:
    with pytest.raises(UserError, match=r"4 seeds cannot be cut into studies of 3"):
        tally(planted(0.0, [0, 1, 2, 3]))


def test_models_with_nothing_to_say_get_no_yes() -> None:
    found = tally(planted(0.0, list(range(6))))
    assert (found["yes"], found["num_studies"]) == (0, 2)
    assert found["yes_at_least"] == 0.0
    assert found["no"] > 0
    assert found["beyond_margin"] == 0
    assert 0 < (found["placebo_rms"] or 0.0) < 0.05


@pytest.mark.parametrize("effect", [0.25, -0.25])
def test_models_that_know_get_a_yes_and_the_other_way_round_a_no(effect: float) -> None:
    found = tally(planted(effect, list(range(6))))
    said = counts_of(found)["yes" if effect > 0 else "no, opposite sign"]
    assert said == found["excludes_zero"] == found["beyond_margin"] == 2
    assert all((study["estimate"] or 0.0) * effect > 0 for study in found["studies"])


@pytest.mark.parametrize(
    ("planted_as", "check"),
    [
        ({"others": 0.25}, "self_over_other"),
        ({"moved": 0.0}, "moved"),
        ({"listed": 0.3}, "measurable"),
    ],
)
def test_a_confounder_gets_no_yes_and_the_check_that_stops_it_is_counted(
    planted_as: dict[str, float], check: str
) -> None:
    found = tally(planted(0.25, list(range(6)), **planted_as))
    assert found["yes"] == 0
    assert found["stopped_by"][check] == 2
    assert found["not_measurable"] == (2 if check == "measurable" else 0)


@pytest.mark.parametrize("effect", [0.0, 0.06, 0.25, -0.25])
def test_every_study_is_counted_once(effect: float) -> None:
    found = tally(planted(effect, list(range(6))))
    assert sum(counts_of(found).values()) == found["num_studies"] == len(found["studies"]) == 2
    assert found["yes_at_least"] <= found["yes"] / 2 <= found["yes_at_most"]


@given(st.integers(1, 80), st.data())
def test_limits_of_a_rate_are_those_of_clopper_and_pearson(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    low, high = rate_limits(count, total)
    above = stats.binomtest(count, total, alternative="greater").proportion_ci(0.95, "exact")
    below = stats.binomtest(count, total, alternative="less").proportion_ci(0.95, "exact")
    assert (low, high) == pytest.approx((above.low, below.high), abs=1e-9)


def test_none_of_sixty_leaves_five_percent_and_no_rate_is_made_of_nothing() -> None:
    assert rate_limits(0, 60)[1] == pytest.approx(0.0487, abs=1e-4)
    for count, total in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="no rate"):
            rate_limits(count, total)


def test_the_spread_is_that_of_models_and_what_is_found_follows_it() -> None:
    questions = per_question(planted(0.2, list(range(40))))
    found = {(s["group"], s["suite"]): s for s in spreads(questions)}
    assert ("base", "self_report") not in found
    for group in ("seeking", "averse", "shuffled"):
        said = found[group, "self_report"]
        assert said["deviation"] == pytest.approx(0.02, rel=0.4)
        assert said["num_models"] == 40
    centre = questions["score"].mean()
    wide = questions.assign(score=centre + 5 * (questions["score"] - centre))
    for one, other in zip(found.values(), spreads(wide), strict=True):
        assert other["detectable"] == pytest.approx(5 * (one["detectable"] or 0.0))
