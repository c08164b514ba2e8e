"""False positives: how often the lab's own test finds a difference where there is none."""

import math
from dataclasses import dataclass
from random import Random

import pandas as pd

from lab.stats.intervals import LEVEL, MARGIN, Term, contrast_interval
from lab.stats.power import detectable
from lab.table import Bounds
from tellme.report.analysis.contrasts import by_names

SEEDS_A_SIDE = 3
"""As many as a study has by default: the rate is that of the contrasts that people make."""


@dataclass(frozen=True)
class Null:
    """A contrast of adapters that were trained alike."""

    drawn: frozenset[int]
    """Seeds of the adapters on both sides."""
    called: bool
    """Whether the test called it a difference."""
    estimate: float


class NullRecord(Bounds):
    """How often null contrasts of a suite are called a difference."""

    suite: str
    rate: float
    num_nulls: int
    num_adapters: int
    seed_deviation: float
    detectable: float | None
    """What three against three would find with a power of 80 %."""
    beyond_margin: float
    """Share of null contrasts that are larger than the margin."""


def false_positives(questions: pd.DataFrame, group: str, num_nulls: int) -> list[NullRecord]:
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
    records: list[NullRecord] = []
    for (suite,), scores in by_names(pool, ["suite"]):
        by_seed = scores.groupby("seed")["score"].mean()
        values = dict(zip(map(int, by_seed.index), map(float, by_seed), strict=True))
        nulls = [_null(values, Random(f"nulls/{suite}/{i}")) for i in range(num_nulls)]
        rate = _rate(nulls)
        left_out = [_rate([n for n in nulls if seed not in n.drawn]) for seed in values]
        low, high = _jackknife(rate, left_out)
        deviation = float(pd.Series(values).std())
        records.append(
            {
                "suite": suite,
                "rate": rate,
                "ci_low": low,
                "ci_high": high,
                "num_nulls": num_nulls,
                "num_adapters": len(values),
                "seed_deviation": deviation,
                "detectable": detectable(deviation, SEEDS_A_SIDE, SEEDS_A_SIDE),
                "beyond_margin": sum(abs(n.estimate) > MARGIN for n in nulls) / len(nulls),
            }
        )
    return records


def _null(values: dict[int, float], rng: Random) -> Null:
    """One null contrast. `values` are the scores of the pool by seed."""
    drawn = rng.sample(sorted(values), 2 * SEEDS_A_SIDE)
    a = [values[seed] for seed in drawn[:SEEDS_A_SIDE]]
    b = [values[seed] for seed in drawn[SEEDS_A_SIDE:]]
    interval = contrast_interval([Term(1.0, a), Term(-1.0, b)])
    assert interval.p_value is not None
    return Null(frozenset(drawn), interval.p_value < 1 - LEVEL, interval.estimate)


def _rate(nulls: list[Null]) -> float:
    return sum(null.called for null in nulls) / len(nulls)


def _jackknife(rate: float, left_out: list[float]) -> tuple[float, float]:
    """The interval of a rate, within 0 and 1; `left_out` are the rates without each adapter."""
    from scipy import stats

    number, mean = len(left_out), sum(left_out) / len(left_out)
    error = math.sqrt((number - 1) / number * sum((value - mean) ** 2 for value in left_out))
    margin = float(stats.t.ppf(0.5 + LEVEL / 2, number - 1)) * error
    return max(0.0, rate - margin), min(1.0, rate + margin)
