"""Intervals against scipy, and their coverage on planted data."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.stats.intervals import (
    SAME_SCORE,
    WIDE_QUESTIONS,
    Interval,
    Term,
    contrast_interval,
    least_spread,
    mean_interval,
    sampling_variance,
    score_interval,
    skew,
    wide_interval,
)
from lab.stats.multiplicity import holm
from lab.stats.power import detectable, power
from write_coverage import Regime, covered, simulate

FLOATS = st.floats(0, 1, allow_nan=False)


@given(st.lists(FLOATS, min_size=2, max_size=8))
def test_mean_interval_is_students(values: list[float]) -> None:
    got = mean_interval(values)
    assert got.at_ceiling == (statistics.stdev(values) < SAME_SCORE)
    if got.at_ceiling:
        assert got.low is None
        return
    expected = stats.ttest_1samp(values, 0.0)
    low, high = expected.confidence_interval(0.95)
    assert (got.low, got.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert got.p_value == pytest.approx(expected.pvalue, abs=1e-9)


@given(st.lists(FLOATS, min_size=2, max_size=6), st.lists(FLOATS, min_size=2, max_size=6))
def test_two_groups_are_welchs_and_antisymmetric(a: list[float], b: list[float]) -> None:
    got = contrast_interval([Term(1.0, a), Term(-1.0, b)])
    if max(statistics.stdev(a), statistics.stdev(b)) < SAME_SCORE:
        assert got.at_ceiling
        assert got.low is None
        return
    if max(a) - min(a) < 1e-6 or max(b) - min(b) < 1e-6:
        return
    assert not got.at_ceiling
    mirrored = contrast_interval([Term(1.0, b), Term(-1.0, a)])
    expected = stats.ttest_ind(a, b, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert (got.low, got.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert got.p_value == pytest.approx(expected.pvalue, abs=1e-9)
    assert got.estimate == pytest.approx(-mirrored.estimate)


def test_a_constant_shifts_and_adds_no_variance() -> None:
    values = [0.6, 0.7, 0.9]
    shifted = contrast_interval([Term(1.0, values), Term(-1.0, [0.5])])
    alone = mean_interval([v - 0.5 for v in values])
    assert shifted.low == pytest.approx(alone.low)
    assert shifted.high == pytest.approx(alone.high)


@pytest.mark.parametrize("values", [[0.5, 0.5], [0.0, 1.9e-102], [0.3, 0.3 + 1e-5, 0.3]])
def test_seeds_that_do_not_differ_leave_no_interval(values: list[float]) -> None:
    """What another machine would not reproduce is no spread: neither a point nor a p of zero."""
    got = contrast_interval([Term(1.0, values), Term(-1.0, [0.1])])
    assert (got.low, got.high, got.p_value, got.equivalent_within) == (None,) * 4
    assert got.at_ceiling
    assert got.num_seeds == len(values)
    assert not contrast_interval([Term(1.0, values), Term(-1.0, [0.1, 0.2])]).at_ceiling


def test_without_several_seeds_there_is_no_interval() -> None:
    assert contrast_interval([Term(1.0, [0.7]), Term(-1.0, [0.5])]).low is None


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    adjusted = holm({str(i): value for i, value in enumerate(values)})
    assert list(adjusted.values()) == pytest.approx(multipletests(values, method="holm")[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_monotone_and_between_raw_and_bonferroni(values: list[float]) -> None:
    p_values = {str(i): value for i, value in enumerate(values)}
    adjusted = holm(p_values)
    for name, p in p_values.items():
        assert p - 1e-12 <= adjusted[name] <= min(1.0, p * len(p_values)) + 1e-12
    in_order = [adjusted[n] for n in sorted(p_values, key=lambda n: p_values[n])]
    assert in_order == sorted(in_order)


def test_coverage_with_three_seeds_a_side() -> None:
    """Planted difference 0.2, unequal spread: Welch covers about 95 %, the bound is three standard
    errors below."""
    rng, covered, trials = random.Random(1), 0, 800
    for _ in range(trials):
        a, b = [rng.gauss(0.6, 0.1) for _ in range(3)], [rng.gauss(0.4, 0.05) for _ in range(3)]
        interval = contrast_interval([Term(1.0, a), Term(-1.0, b)])
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0.2 <= interval.high
    assert covered / trials > 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)


@pytest.mark.parametrize(
    ("seeds", "questions", "deviation"), [(3, 5, 0.12), (3, 10, 0.04), (5, 20, 0.12)]
)
def test_intervals_cover_and_the_naive_one_does_not(
    seeds: int, questions: int, deviation: float
) -> None:
    """The short form of the simulation in docs/statistics.md; bounds are three standard errors
    below."""
    got = simulate(seeds, questions, deviation, trials=400)
    assert got["headline"] > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)
    assert got["wide"] > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)
    assert got["naive"] < 0.85
    assert got["wide_width"] >= got["headline_width"]


def table(rng: random.Random, seeds: int, questions: int, mean: float = 0.0) -> list[list[float]]:
    effects = [rng.gauss(mean, 0.2) for _ in range(questions)]
    return [[effect + rng.gauss(0, 0.05) for effect in effects] for _ in range(seeds)]


def test_the_wider_claim_is_never_narrower_and_changes_sign_with_its_sides() -> None:
    rng = random.Random(2)
    for _ in range(50):
        a, b = table(rng, 3, WIDE_QUESTIONS, 0.3), table(rng, 4, WIDE_QUESTIONS)
        means = [[sum(row) / len(row) for row in rows] for rows in (a, b)]
        narrow = contrast_interval([Term(1.0, means[0]), Term(-1.0, means[1])])
        opposite = contrast_interval([Term(1.0, means[1]), Term(-1.0, means[0])])
        wide = wide_interval([a, [[-v for v in row] for row in b]], narrow)
        mirrored = wide_interval([b, [[-v for v in row] for row in a]], opposite)
        assert wide is not None
        assert mirrored is not None
        assert wide.low is not None
        assert wide.high is not None
        assert narrow.low is not None
        assert wide.low <= narrow.low + 1e-12
        assert mirrored.high is not None
        assert wide.estimate == pytest.approx(-mirrored.estimate)
        assert wide.low == pytest.approx(-mirrored.high)


def test_the_wider_claim_of_one_model_a_side_or_of_few_questions_is_not_to_be_had() -> None:
    rng = random.Random(3)
    narrow = mean_interval([0.1, 0.2, 0.3])
    assert wide_interval([table(rng, 1, WIDE_QUESTIONS)], Interval(0.1, 1)) is None
    assert wide_interval([table(rng, 5, WIDE_QUESTIONS - 1)], narrow) is None
    assert wide_interval([table(rng, 5, WIDE_QUESTIONS)], narrow) is not None


@given(st.lists(FLOATS, min_size=2, max_size=6), st.lists(FLOATS, min_size=2, max_size=6))
def test_equivalence_is_two_one_sided_tests(a: list[float], b: list[float]) -> None:
    """At the margin that is reported, statsmodels' TOST has a p of just 5 %."""
    from statsmodels.stats.weightstats import ttost_ind

    if max(a) - min(a) < 1e-3 or max(b) - min(b) < 1e-3:
        return
    interval = contrast_interval([Term(1.0, a), Term(-1.0, b)])
    margin = interval.equivalent_within
    assert margin is not None
    assert interval.equivalence_p(margin) == pytest.approx(0.05, abs=1e-9)
    expected = ttost_ind(a, b, -0.1, 0.1, usevar="unequal")[0]
    assert interval.equivalence_p(0.1) == pytest.approx(expected, abs=1e-6)
    assert ttost_ind(a, b, -margin, margin, usevar="unequal")[0] == pytest.approx(0.05, abs=1e-6)


def test_a_detectable_difference_is_found_four_times_in_five() -> None:
    effect = detectable(0.1, 3, 3)
    assert effect is not None
    rng, found, trials = random.Random(4), 0, 1500
    for _ in range(trials):
        a, b = [rng.gauss(effect, 0.1) for _ in range(3)], [rng.gauss(0, 0.1) for _ in range(3)]
        found += float(stats.ttest_ind(a, b).pvalue) < 0.05
    assert found / trials == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / trials))
    assert detectable(0.1, 1, None) is None


@given(st.lists(FLOATS, min_size=1, max_size=30))
def test_sampled_answers_always_leave_an_error(scores: list[float]) -> None:
    """The variance of a mean of answers is never zero, and no larger than answers of 0 and 1 could
    have made it; turned round it is the same."""
    import numpy as np

    values, count = np.array(scores), np.array([len(scores)])

    def of(v: np.ndarray) -> float:
        return float(sampling_variance(v.sum(keepdims=True), (v**2).sum(keepdims=True), count)[0])

    assert 0 < of(values) <= 0.25 / len(scores) + 1e-12
    assert of(1 - values) == pytest.approx(of(values))
    alike = np.ones(len(scores))
    assert of(alike) == pytest.approx((len(scores) + 1) / (len(scores) + 2) ** 2 / len(scores))


@given(st.lists(st.floats(0.05, 0.95), min_size=2, max_size=6), st.floats(0, 0.1))
def test_sampling_never_makes_an_interval_narrower(values: list[float], sampling: float) -> None:
    if max(values) - min(values) < 1e-3:
        return
    exact = contrast_interval([Term(1.0, values), Term(-1.0, [0.5])])
    ours = contrast_interval([Term(1.0, values, sampling, 200), Term(-1.0, [0.5], 0.01, 200)])
    assert ours.low is not None
    assert exact.low is not None
    assert ours.low <= exact.low + 1e-12
    assert ours.estimate == exact.estimate


def test_the_spread_of_scores_has_a_limit_near_both_ends_and_none_in_the_middle() -> None:
    assert least_spread([0.5, 0.52]) == least_spread([0.85, 0.9]) == 0
    for mean in (0.001, 0.02, 0.05, 0.08):
        assert 0 < least_spread([mean]) <= mean
        assert least_spread([mean]) == pytest.approx(least_spread([1 - mean]))
    assert skew([0.5, 0.52, 0.54]) < 0.01
    assert skew([0.8, 0.9, 1.0]) == pytest.approx(1.0)
    assert skew([1.0, 1.0]) == skew([0.0, 0.0]) == 0
    near = score_interval([0.98, 0.99, 0.985])
    assert near.error is not None
    assert near.error >= 0.015 / math.sqrt(3)


REGIMES = {
    "sampled": Regime("against base, sampled", 0.5, 0.04, samples=20),
    "sampled, no spread": Regime("against base, sampled", 0.5, 0.0, samples=20),
    "near an end": Regime("against base, near an end", 0.98, 0.02),
    "exact": Regime("against base", 0.5, 0.12),
    "paired": Regime("paired", 0.5, 0.12, other=0.5, shared=0.1, paired=True),
}


@pytest.mark.parametrize("name", REGIMES)
@pytest.mark.parametrize("seeds", [3, 10])
def test_intervals_cover_in_every_regime(name: str, seeds: int) -> None:
    """The short form of the second table in docs/statistics.md: three standard errors below."""
    got = covered(REGIMES[name], seeds, trials=400)
    assert got["lab"] > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)
    if name.startswith("sampled") and seeds == 10:
        assert got["alone"] < 0.8


def test_all_or_none_cannot_be_seen_with_three_models() -> None:
    regime = Regime("all or none", 0.8, 0.04, jumps=True)
    assert covered(regime, 3, trials=400)["lab"] < 0.9


def test_the_difference_that_a_family_needs_is_found_four_times_in_five() -> None:
    """At the level of one test of five, as Holm's method has it at worst; without a family it is
    smaller."""
    for num_seeds, num_other, paired in ((3, 3, False), (3, None, False), (5, 5, True)):
        effect = detectable(0.1, num_seeds, num_other, 0.01, paired)
        assert effect is not None
        assert power(effect, 0.1, num_seeds, num_other, 0.01, paired) == pytest.approx(0.8)
        alone = detectable(0.1, num_seeds, num_other, 0.05, paired)
        assert alone is not None
        assert alone < effect


@pytest.mark.parametrize("against_base", [True, False])
def test_a_declared_secondary_of_five_is_found(against_base: bool) -> None:
    """Effect 0.3 with three models that vary by 0.035; the four others of its family are null."""
    rng, found, trials = random.Random(6), 0, 1000

    def p_value(effect: float) -> float:
        a, b = ([0.5 + m + rng.gauss(0, 0.035) for _ in range(3)] for m in (effect, 0.0))
        other = Term(-1.0, [0.5] if against_base else b)
        near = Term(1.0, a, skew=skew(a), spread=least_spread(a))
        p = contrast_interval([near, other]).p_value
        assert p is not None
        return p

    for _ in range(trials):
        family = {"effect": p_value(0.3)} | {f"null {i}": p_value(0.0) for i in range(4)}
        found += holm(family)["effect"] < 0.05
    assert found / trials > 0.85
