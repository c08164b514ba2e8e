"""The two sides of a contrast on the same questions: from scores by model and question to what an
interval is made of.

Axes of arrays: S seeds, the models of a group; Q questions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lab.agreed import FLIPPED
from lab.config.primary import Side
from lab.specs import groups_in
from lab.stats.intervals import Interval, Term, contrast_interval, least_spread, skew, wide_interval
from tellme.report.analysis.scores import ONLY, named_seeds

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Seed = int | str
"""Of a model; ONLY where it has none."""


class Reading(NamedTuple):
    """What was read of a model on a question: columns of `per_question`."""

    score: float
    conditional: float
    listed: float
    sampling: float
    samples: int


Nested = Side | tuple[Side, Side]
"""A side, or a difference of two of them."""
Read = Mapping[Seed, Mapping[str, Reading]]
"""Of a group under a condition: by model and question."""
Asked = Mapping[tuple[str, str], Read]
"""By group and condition, on one question or on those that a pool is over."""


@dataclass(frozen=True)
class Models:
    """Models that vary together: a group, or two that are paired. Their scores come weighted, so
    that the sum over all Models of a contrast is the contrast."""

    scores_SQ: NDArray[np.float64]
    alone: bool
    """One fine-tuned model, which tells nothing of how others vary."""
    sampling: float
    """This and the next three as in Term, of a model's mean score."""
    samples: int
    skew: float
    spread: float

    @property
    def by_seed(self) -> list[float]:
        """The mean score of every model."""
        means: list[float] = self.scores_SQ.mean(1).tolist()
        return means


@dataclass(frozen=True)
class Sides:
    """A contrast, complete: every model of either side was read on every question."""

    questions: list[str]
    models: list[Models]
    paired: bool
    """Whether the models of both sides are compared seed by seed."""
    listed_a: float
    """Mean listed mass of the first side's groups on these questions."""
    listed_b: float
    conditional: float | None
    """The estimate in conditional scores; None where a model has none of a question."""

    @property
    def by_question(self) -> NDArray[np.float64]:
        """The contrast on each question."""
        means_Q = [models.scores_SQ.mean(0) for models in self.models]
        total_Q: NDArray[np.float64] = np.sum(means_Q, axis=0)
        return total_Q

    def interval(self) -> Interval:
        """Of the claim about other models on these questions."""
        if any(models.alone for models in self.models):
            return Interval(float(self.by_question.mean()), 1)
        return contrast_interval(
            [Term(1.0, m.by_seed, m.sampling, m.samples, m.skew, m.spread) for m in self.models]
        )

    def wide(self, narrow: Interval) -> Interval | None:
        """Of the claim about other models on other questions."""
        tables = [clustered(models.scores_SQ, self.questions) for models in self.models]
        return wide_interval([table_SC.tolist() for table_SC in tables], narrow)


def read_asked(questions: pd.DataFrame) -> dict[tuple[str, str, str], Asked]:
    """What was read, by suite, behavior and question or pool, from a table of `per_question`."""
    asked = {}
    for _, part in questions.groupby(["suite", "behavior", "question"], sort=False):
        first = part.iloc[0]
        asked[first["suite"], first["behavior"], first["question"]] = read_part(part)
    return asked


def read_part(part: pd.DataFrame) -> Asked:
    """What was read on one question or pool, whose lines of `per_question` these are."""
    lines = part[part["score"].notna()]
    asked: dict[tuple[str, str], dict[Seed, dict[str, Reading]]] = {}
    for group, condition, seed, name, *reading in zip(
        lines["group"],
        lines["condition"],
        named_seeds(lines["seed"]),
        lines["over"].fillna(lines["question"]),
        *(lines[field] for field in Reading._fields),
        strict=True,
    ):
        of_model = asked.setdefault((group, condition), {}).setdefault(seed, {})
        assert name not in of_model, f"{name} is twice in what {group} was asked"
        of_model[name] = Reading(*reading)
    return asked


@dataclass(frozen=True)
class _Part:
    """A group as one side of a contrast has it."""

    first: bool
    """Of the first side."""
    weight: float
    group: str
    read: Read

    def arrays(self, seeds: Sequence[Seed], questions: Sequence[str]) -> _Arrays:
        """What was read of these models on these questions."""
        table = np.array([[self.read[s][q] for q in questions] for s in seeds])  # [S, Q, field]
        return _Arrays(self, *np.moveaxis(table, 2, 0))


class _Arrays(NamedTuple):
    """The fields of Reading, each [S, Q]."""

    part: _Part
    score: NDArray[np.float64]
    conditional: NDArray[np.float64]
    listed: NDArray[np.float64]
    sampling: NDArray[np.float64]
    samples: NDArray[np.float64]


def read_sides(asked: Asked, a: Nested, b: Nested, fewest_pairs: int | None) -> Sides | None:
    """One question (or pooled set) over all sides; None where no question was read on all of them.

    A group on both sides enters by its difference within seeds. So do two groups of the same seeds
    from `fewest_pairs` of them on; None is never."""
    parts = [*_parts(asked, a, first=True), *_parts(asked, b, first=False)]
    paired = fewest_pairs is not None and _share_seeds(parts, fewest_pairs)
    together: dict[str, list[_Part]] = {}
    for part in parts:
        together.setdefault("" if paired else part.group, []).append(part)
    complete = _complete(list(together.values()))
    if not complete:
        return None
    questions, seeds_of = complete
    groups = [
        [part.arrays(seeds, questions) for part in own]
        for own, seeds in zip(together.values(), seeds_of, strict=True)
    ]
    every = [own for group in groups for own in group]
    conditional = sum(own.part.weight * float(own.conditional.mean()) for own in every)
    return Sides(
        questions=questions,
        models=[_models(own, seeds) for own, seeds in zip(groups, seeds_of, strict=True)],
        paired=paired,
        listed_a=_mean([float(own.listed.mean()) for own in every if own.part.first]),
        listed_b=_mean([float(own.listed.mean()) for own in every if not own.part.first]),
        conditional=conditional if math.isfinite(conditional) else None,
    )


def _parts(asked: Asked, side: Nested, first: bool) -> Iterable[_Part]:
    """The groups of a side as they were read."""
    for weight, name in terms_of(side, 1.0 if first else -1.0):
        ((group, condition),) = groups_in(name)
        yield _Part(first, weight, group, asked.get((group, condition), {}))


def terms_of(side: Nested, weight: float) -> list[tuple[float, str]]:
    """The groups of a side with their weights; `[x, y]` is the difference x - y."""
    if isinstance(side, str):
        return [(weight, side)]
    return [*terms_of(side[0], weight), *terms_of(side[1], -weight)]


def _share_seeds(parts: Sequence[_Part], fewest: int) -> bool:
    """Whether these are of two groups with the same seeds, enough of them."""
    seeds = parts[0].read.keys()
    two = len({part.group for part in parts}) == 2
    return two and all(part.read.keys() == seeds for part in parts) and len(seeds) >= fewest


def _complete(together: Sequence[Sequence[_Part]]) -> tuple[list[str], list[list[Seed]]] | None:
    """Questions and, of every group, seeds without holes; None if no question is.

    A hole is a question to which no sampled answer of a seed could be read. Every estimate of a
    contrast needs the same questions in every seed: otherwise seeds would differ by which of them
    could be read. A seed without any reading is left out, and of the questions those stay that
    every other seed of every side has."""
    groups = [_read_by_all(own) for own in together]
    asked = set.intersection(*(set[str]().union(*read.values()) for read in groups))
    kept = [{seed: have & asked for seed, have in read.items() if have & asked} for read in groups]
    shared = asked.intersection(*(have for read in kept for have in read.values()))
    return (sorted(shared), [list(read) for read in kept]) if shared else None


def _read_by_all(parts: Sequence[_Part]) -> dict[Seed, set[str]]:
    """By model, the questions on which it was read as each of these parts."""
    first, *others = parts
    read = {seed: set(by_question) for seed, by_question in first.read.items()}
    for part in others:
        read = {seed: read[seed] & set(part.read[seed]) for seed in read if seed in part.read}
    return read


def _models(group: Sequence[_Arrays], seeds: Sequence[Seed]) -> Models:
    """Models of complete scores, with the error of each part of them."""
    num_questions = group[0].score.shape[1]
    squares = [own.part.weight**2 for own in group]
    means = [own.score.mean(1).tolist() for own in group]
    sampling = [float(own.sampling.sum(1).mean()) / num_questions**2 for own in group]
    return Models(
        scores_SQ=np.sum([own.part.weight * own.score for own in group], axis=0),
        alone=len(seeds) == 1 and seeds[0] != ONLY,
        sampling=sum(square * each for square, each in zip(squares, sampling, strict=True)),
        samples=round(sum(float(own.samples.sum(1).mean()) for own in group)),
        skew=max(map(skew, means)),
        spread=math.sqrt(
            sum(w * least_spread(each) ** 2 for w, each in zip(squares, means, strict=True))
        ),
    )


def clustered(scores_SQ: NDArray[np.float64], questions: Sequence[str]) -> NDArray[np.float64]:
    """Scores [seeds, clusters] for the claim about other questions: a question and its flipped twin
    are one. The mean over clusters is that over questions, and a cluster differs from it by what
    its questions add to their sum (a ratio estimator, Cochran 1977, ch. 6)."""
    names = [question.removesuffix(FLIPPED) for question in questions]
    belongs_QC = np.array([[name == own for own in dict.fromkeys(names)] for name in names])
    means_S1 = scores_SQ.mean(1, keepdims=True)
    sums_SC = (scores_SQ - means_S1) @ belongs_QC.astype(float)
    clustered_SC: NDArray[np.float64] = means_S1 + sums_SC * belongs_QC.shape[1] / len(questions)
    return clustered_SC


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
