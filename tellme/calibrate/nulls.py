"""False positives: how often the lab's own test finds a difference where there is none."""

import math
from random import Random
from typing import Any

import pandas as pd

from lab.stats.intervals import LEVEL, MARGIN, contrast_interval, detectable

SEEDS_A_SIDE = 3


def false_positives(questions: pd.DataFrame, group: str, num_nulls: int) -> list[dict[str, Any]]:
    """Per suite the share of null contrasts that the headline test calls a difference at 5 %.

    `questions` as from `per_question`; `group` is a pool of adapters trained alike, on shuffled
    labels. A null contrast draws three adapters against three others of the pool. Contrasts share
    adapters, so the interval of the rate is a jackknife over adapters (Efron and Stein 1981): each
    is left out with every contrast it is in. `detectable` is the difference that three against
    three would find with a power of 80 %, given the spread of the pool."""
    pool = questions[
        (questions["group"] == group)
        & (questions["question"] == "all")
        & (questions["condition"] == "clean")
    ]
    records = []
    for suite, mine in pool.groupby("suite", sort=False):
        by_seed = mine.groupby("seed")["score"].mean()
        values = dict(zip(map(int, by_seed.index), map(float, by_seed), strict=True))
        tests = [_test(values, Random(f"nulls/{suite}/{i}")) for i in range(num_nulls)]
        rate = _rate(tests)
        left_out = [_rate([t for t in tests if seed not in t[0]]) for seed in values]
        low, high = _jackknife(rate, left_out)
        deviation = float(pd.Series(values).std())
        records.append(
            {"suite": suite, "rate": rate, "ci_low": low, "ci_high": high, "num_nulls": num_nulls}
            | {"num_adapters": len(values), "seed_deviation": deviation}
            | {"detectable": detectable(deviation, SEEDS_A_SIDE, SEEDS_A_SIDE)}
            | {"beyond_margin": sum(abs(t[2]) > MARGIN for t in tests) / len(tests)}
        )
    return records


def _test(values: dict[int, float], rng: Random) -> tuple[frozenset[int], bool, float]:
    """The adapters of one null contrast, whether it was called a difference, and its size."""
    drawn = rng.sample(sorted(values), 2 * SEEDS_A_SIDE)
    a, b = (
        [values[seed] for seed in side] for side in (drawn[:SEEDS_A_SIDE], drawn[SEEDS_A_SIDE:])
    )
    found = contrast_interval([(1.0, a), (-1.0, b)])
    assert found.p_value is not None
    return frozenset(drawn), found.p_value < 1 - LEVEL, found.estimate


def _rate(tests: list[tuple[frozenset[int], bool, float]]) -> float:
    return sum(found for _, found, _ in tests) / len(tests)


def _jackknife(rate: float, left_out: list[float]) -> tuple[float, float]:
    from scipy import stats

    number, mean = len(left_out), sum(left_out) / len(left_out)
    error = math.sqrt((number - 1) / number * sum((value - mean) ** 2 for value in left_out))
    margin = float(stats.t.ppf(0.5 + LEVEL / 2, number - 1)) * error
    return max(0.0, rate - margin), min(1.0, rate + margin)
