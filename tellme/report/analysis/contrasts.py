"""How groups differ: from the scores of models (analysis/scores.py) to the groups and contrasts of
`summary.json`, with the fine-tuned model (seed) as unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from lab.config.primary import Side
from lab.stats.intervals import (
    MARGIN,
    Interval,
    contrast_interval,
    equivalent_within,
    mean_interval,
    wide_interval,
)
from lab.stats.multiplicity import holm
from lab.table import Bounds

ESTIMATED = ["group", "condition", "suite", "behavior", "question"]
"""Columns that name an estimate of a group."""
ONLY = "only"
"""The seed of a model that has none: base, an adapter from elsewhere."""

Pair = tuple[Side, Side]
"""The sides of a contrast, first less second."""
Term = tuple[float, str]
"""A weight and a group of a contrast, `group` or `group@condition`."""


class Estimated(Bounds):
    """A mean over seeds with its interval."""

    estimate: float
    num_seeds: int


class GroupRecord(Estimated):
    """What a group scores on a question."""

    group: str
    condition: str
    suite: str
    behavior: str
    question: str


class Described(Estimated):
    """A difference of groups, with what a sceptic asks of it."""

    p_value: float | None
    standard_error: float | None
    equivalent_within: float | None
    """The margin of a null."""
    wide_low: float | None
    """With `wide_high`, the claim about other questions; None where it cannot be had."""
    wide_high: float | None
    seeds_showing: int
    """Seeds of the first group that differ from the rest by the margin in the direction of the
    estimate."""
    seeds_asked: int
    drop_low: float | None
    """With `drop_high`, the least and the largest estimate without one of the questions."""
    drop_high: float | None
    drop_question: str | None
    """The question whose loss changes the estimate most."""
    num_questions: int


class ContrastRecord(Described):
    """A contrast on a question or a pool of them."""

    suite: str
    behavior: str
    question: str
    a: str
    b: str
    primary: bool
    p_holm: float | None


def group_estimates(questions: pd.DataFrame) -> list[GroupRecord]:
    """Mean score of every group on every question, with its interval over seeds. `questions` as
    from `per_question`, of any steps and conditions that belong together."""
    records = []
    for names, part in by_names(questions, ESTIMATED):
        group, condition, suite, behavior, question = names
        record: GroupRecord = {
            "group": group,
            "condition": condition,
            "suite": suite,
            "behavior": behavior,
            "question": question,
            **numbers(mean_interval(means_by_seed(part))),
        }
        records.append(record)
    return records


def contrast_estimates(
    questions: pd.DataFrame,
    contrasts: Sequence[Pair],
    primary_suite: str | None = None,
    primary: Sequence[Pair] = (),
) -> list[ContrastRecord]:
    """Every contrast on every question both sides were asked; Holm runs over the primary ones, and
    over all others, per report.

    `questions` as from `per_question`; `primary` are the contrasts that were declared before the
    run, on `primary_suite`."""
    records = []
    for a, b in contrasts:
        declared = (a, b) in primary
        for (suite, behavior), asked in by_names(questions, ["suite", "behavior"]):
            for question in asked["question"].unique():
                described = _contrast(asked[asked["question"] == question], a, b)
                if described is None:
                    continue
                record: ContrastRecord = {
                    "suite": suite,
                    "behavior": behavior,
                    "question": question,
                    "a": _written(a),
                    "b": _written(b),
                    **described,
                    "primary": declared and suite == primary_suite and question == "all",
                    "p_holm": None,
                }
                records.append(record)
    _adjust(records)
    return records


def _adjust(records: Sequence[ContrastRecord]) -> None:
    """Write Holm's p into the records: the primary contrasts are one family, all others another."""
    for is_primary in (True, False):
        family = {
            str(i): record["p_value"]
            for i, record in enumerate(records)
            if record["primary"] == is_primary and record["p_value"] is not None
        }
        for i, p in holm(family).items():
            records[int(i)]["p_holm"] = p


def _contrast(part: pd.DataFrame, a: Side, b: Side) -> Described | None:
    """One question (or pooled set) over all sides; a group on both sides enters by its difference
    within seeds. None where no question was read on all sides."""
    key = "over" if part["over"].notna().any() else "question"
    tables: dict[str, pd.DataFrame] = {}
    for weight, side in [*_terms(a, 1.0), *_terms(b, -1.0)]:
        group, _, condition = side.partition("@")
        own = part[(part["group"] == group) & (part["condition"] == (condition or "clean"))]
        own = own.assign(seed=named_seeds(own["seed"]))
        table = weight * own.pivot_table(index="seed", columns=key, values="score")
        tables[group] = tables[group] + table if group in tables else table
    whole = _complete(list(tables.values()))
    return _described(whole) if whole else None


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


def _described(tables: list[pd.DataFrame]) -> Described:
    """The contrast of weighted tables [seeds, questions], one a group."""
    # Tables come weighted, so their sum is the contrast.
    terms = [(1.0, table.mean(axis=1).tolist()) for table in tables]
    interval = contrast_interval(terms)
    wide = wide_interval([table.to_numpy().tolist() for table in tables])
    first, *others = (table.mean(axis=0) for table in tables)
    of_questions = sum(others, start=first)
    without = (of_questions.sum() - of_questions) / max(1, len(of_questions) - 1)
    several = len(of_questions) > 1
    return {
        **numbers(interval),
        "p_value": interval.p_value,
        "standard_error": interval.error,
        "equivalent_within": equivalent_within(terms),
        "wide_low": wide.low if wide else None,
        "wide_high": wide.high if wide else None,
        "seeds_showing": _seeds_showing(tables, interval.estimate),
        "seeds_asked": len(tables[0]),
        "drop_low": float(without.min()) if several else None,
        "drop_high": float(without.max()) if several else None,
        "drop_question": str((without - interval.estimate).abs().idxmax()) if several else None,
        "num_questions": len(of_questions),
    }


def _seeds_showing(tables: list[pd.DataFrame], estimate: float) -> int:
    rest = sum(float(table.to_numpy().mean()) for table in tables[1:])
    sign = 1.0 if estimate >= 0 else -1.0
    return sum(sign * (value + rest) >= MARGIN for value in tables[0].mean(axis=1).tolist())


def by_names(table: pd.DataFrame, columns: list[str]) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """The lines of a table by the names in some of its columns, in the order in which they come."""
    for _, part in table.groupby(columns, sort=False):
        # pandas types what it groups by as anything that has a hash.
        yield part[columns].iloc[0].tolist(), part


def means_by_seed(part: pd.DataFrame) -> list[float]:
    """The mean score of every seed; a model without one counts as one seed."""
    return part.groupby("seed", dropna=False)["score"].mean().tolist()


def named_seeds(seeds: pd.Series[Any]) -> pd.Series[Any]:
    """Seeds with a name for none: pandas would leave a missing one out of a pivot or a group."""
    return seeds.astype("object").fillna(ONLY)


def numbers(interval: Interval) -> Estimated:
    """An interval as records of `summary.json` have it."""
    return {
        "estimate": interval.estimate,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "num_seeds": interval.num_seeds,
    }


def _terms(side: Side, weight: float) -> list[Term]:
    """A side `[x, y]` is the difference x - y."""
    return [(weight, side)] if isinstance(side, str) else [(weight, side[0]), (-weight, side[1])]


def _written(side: Side) -> str:
    return side if isinstance(side, str) else " - ".join(side)
