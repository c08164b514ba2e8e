"""The two sides of a contrast on the same questions: from scores by model and question to what an
interval is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lab.config.primary import Side
from lab.stats.intervals import Interval, Term, contrast_interval, least_spread, skew, wide_interval
from tellme.report.analysis.scores import FLIPPED, ONLY, named_seeds

MEASURED = ["score", "conditional", "listed", "sampling", "samples"]
"""What is read of a model on a question."""


@dataclass(frozen=True)
class Models:
    """Models that vary together: a group, or two that are paired. Their scores come weighted, so
    that the sum over all Models of a contrast is the contrast."""

    scores: pd.DataFrame
    """[seeds, questions]"""
    sampling: float
    """This and the next three as in Term, of a model's mean score."""
    samples: int
    skew: float
    spread: float

    @property
    def by_seed(self) -> list[float]:
        """The mean score of every model."""
        return self.scores.mean(axis=1).tolist()

    @property
    def alone(self) -> bool:
        """One fine-tuned model, which tells nothing of how others vary."""
        return len(self.scores) == 1 and self.scores.index[0] != ONLY


@dataclass(frozen=True)
class Sides:
    """A contrast, complete: every model of either side was read on every question."""

    models: list[Models]
    paired: bool
    """Whether the models of both sides are compared seed by seed."""
    listed_a: float
    """Mean listed mass of the first side's groups on these questions."""
    listed_b: float
    conditional: float | None
    """The estimate in conditional scores; None where a model has none of a question."""

    @property
    def estimate(self) -> float:
        """First side less second."""
        return sum(float(models.scores.to_numpy().mean()) for models in self.models)

    def interval(self) -> Interval:
        """Of the claim about other models on these questions."""
        if any(models.alone for models in self.models):
            return Interval(self.estimate, 1)
        return contrast_interval(
            [Term(1.0, m.by_seed, m.sampling, m.samples, m.skew, m.spread) for m in self.models]
        )

    def wide(self, narrow: Interval) -> Interval | None:
        """Of the claim about other models on other questions."""
        tables = [clustered(models.scores).to_numpy().tolist() for models in self.models]
        return wide_interval(tables, narrow)


class _Part:
    """A group as one side of a contrast has it."""

    def __init__(self, part: pd.DataFrame, side: str, weight: float, key: str) -> None:
        self.group, _, condition = side.partition("@")
        self.weight = weight
        own = part[(part["group"] == self.group) & (part["condition"] == (condition or "clean"))]
        named = own.assign(seed=named_seeds(own["seed"]))
        self.measured = named.set_index(["seed", key])[MEASURED].unstack(key)

    @property
    def scores(self) -> pd.DataFrame:
        """[seeds, questions], not weighted."""
        return self.measured["score"]

    @property
    def seeds(self) -> set[object]:
        """Of the models that were read on anything."""
        return set(self.scores.dropna(how="all").index)

    def of(self, name: str, like: pd.DataFrame) -> pd.DataFrame:
        """What was measured, for the models and questions of a table."""
        return self.measured[name].loc[like.index, like.columns]


def read_sides(part: pd.DataFrame, a: Side, b: Side, fewest_pairs: int | None) -> Sides | None:
    """One question (or pooled set) over all sides; None where no question was read on all of them.

    A group on both sides enters by its difference within seeds. So do two groups of the same seeds
    from `fewest_pairs` of them on; None is never. `part` has the lines of that question or set as
    from `per_question`."""
    key = "over" if part["over"].notna().any() else "question"
    first = [_Part(part, side, weight, key) for weight, side in terms_of(a, 1.0)]
    second = [_Part(part, side, weight, key) for weight, side in terms_of(b, -1.0)]
    if not all(len(own.measured) for own in [*first, *second]):
        return None
    paired = fewest_pairs is not None and _share_seeds(first, second, fewest_pairs)
    together: dict[str, list[_Part]] = {}
    for own in [*first, *second]:
        together.setdefault("" if paired else own.group, []).append(own)
    # Added by + alone, a model that one of the parts lacks has no score.
    sums = [_sum([own.weight * own.scores for own in parts]) for parts in together.values()]
    whole = _complete(sums)
    if not whole:
        return None
    models = [
        _models(scores, parts) for scores, parts in zip(whole, together.values(), strict=True)
    ]
    table_of = dict(zip(together, whole, strict=True))

    def mean(own: _Part, name: str) -> float:
        table = own.of(name, table_of["" if paired else own.group])
        return float(table.to_numpy(dtype=float).mean())

    listed_a, listed_b = (_mean([mean(o, "listed") for o in side]) for side in (first, second))
    conditional = sum(own.weight * mean(own, "conditional") for own in [*first, *second])
    return Sides(
        models=models,
        paired=paired,
        listed_a=listed_a,
        listed_b=listed_b,
        conditional=conditional if math.isfinite(conditional) else None,
    )


def terms_of(side: Side, weight: float) -> list[tuple[float, str]]:
    """A side `[x, y]` is the difference x - y."""
    return [(weight, side)] if isinstance(side, str) else [(weight, side[0]), (-weight, side[1])]


def _share_seeds(first: Sequence[_Part], second: Sequence[_Part], fewest: int) -> bool:
    """Whether two groups have the same seeds, enough of them."""
    if len(first) != 1 or len(second) != 1 or first[0].group == second[0].group:
        return False
    seeds = first[0].seeds
    return seeds == second[0].seeds and len(seeds) >= fewest


def _models(scores: pd.DataFrame, parts: Sequence[_Part]) -> Models:
    """Models of complete scores, with the error of each part of them."""
    sampling = samples = spread = most = 0.0
    for own in parts:
        drawn = own.of("sampling", scores).to_numpy(dtype=float)
        sampling += own.weight**2 * float(drawn.sum(1).mean()) / scores.shape[1] ** 2
        samples += float(own.of("samples", scores).to_numpy(dtype=float).sum(1).mean())
        means = own.of("score", scores).mean(axis=1).tolist()
        spread += own.weight**2 * least_spread(means) ** 2
        most = max(most, skew(means))
    return Models(scores, sampling, round(samples), most, math.sqrt(spread))


def _complete(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """The tables [seeds, questions] without holes, on the same questions; none if no question is.

    A hole is a question to which no sampled answer of a seed could be read. Every estimate of a
    contrast needs the same questions in every seed: otherwise seeds would differ by which of them
    could be read. A seed without any reading is left out, and of the questions those stay that
    every other seed of every side has."""
    asked = set.intersection(*(set(t.columns[t.notna().any()]) for t in tables))
    read = [t[sorted(asked)].dropna(how="all") for t in tables]
    shared = [q for q in sorted(asked) if all(len(t) and t[q].notna().all() for t in read)]
    return [t[shared] for t in read] if shared else []


def clustered(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores [seeds, clusters] for the claim about other questions: a question and its flipped twin
    are one. The mean over clusters is that over questions, and a cluster differs from it by what
    its questions add to their sum (a ratio estimator, Cochran 1977, ch. 6)."""
    names = scores.columns.str.removesuffix(FLIPPED)
    off = scores.sub(scores.mean(axis=1), axis=0)
    sums = off.T.groupby(names.to_numpy(), sort=False).sum().T
    return (sums * sums.shape[1] / scores.shape[1]).add(scores.mean(axis=1), axis=0)


def _sum(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    total = tables[0]
    for table in tables[1:]:
        total = total + table
    return total


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
