"""How groups differ: from the scores of models (analysis/scores.py) to the groups and contrasts of
`summary.json`, with the fine-tuned model (seed) as unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from lab.config.primary import Side
from lab.specs import StudySpec
from lab.stats.intervals import Interval, score_interval
from lab.table import Bounds
from tellme.report.analysis.families import CONTROLS, PRIMARY, Pair, adjust, family_of, fewest_pairs
from tellme.report.analysis.measurable import measurable, taught
from tellme.report.analysis.sides import Asked, Sides, read_asked, read_part, read_sides

ESTIMATED = ["group", "condition", "suite", "behavior", "question"]
"""Columns that name an estimate of a group."""
LESS = ", less"
"""Ending of the condition under which a set of questions stands that is subtracted."""
DIGITS = 9
"""Of a score, far beyond what machines agree on."""


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

    standard_error: float | None
    at_ceiling: bool
    """All `num_seeds` models of a group score the same: there is no interval and no p."""
    paired: bool
    """Whether models of the two sides are compared seed by seed."""
    equivalent_within: float | None
    """The margin of a null."""
    wide_low: float | None
    """With `wide_high`, the claim about other questions; None where it cannot be had."""
    wide_high: float | None
    seeds_showing: int
    """Seeds of the first group that differ from the rest by the margin in the direction of the
    estimate; where they are paired, from their pair."""
    seeds_asked: int
    drop_low: float | None
    """With `drop_high`, the least and the largest estimate without one of the questions."""
    drop_high: float | None
    drop_question: str | None
    """The question whose loss changes the estimate most."""
    num_questions: int
    listed_a: float
    """Mean listed mass of the groups of the first side on these questions."""
    listed_b: float
    conditional: float | None
    """The estimate in conditional scores; None where a model gave no listed answer to a question.
    """


class ContrastRecord(Described):
    """A contrast on a question or a pool of them."""

    suite: str
    behavior: str
    question: str
    a: str
    b: str
    primary: bool
    family: str | None
    """Which tests it is counted with (analysis/families.py); None where it is descriptive, and has
    no p."""
    p_value: float | None
    """Two-sided, against no difference; in the family `controls` of two one-sided tests against a
    difference of the study's margin: small where a control shows nothing."""
    p_adjusted: float | None
    """The same by Holm's method within the family, but for controls."""


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
            **numbers(group_interval(part)),
        }
        records.append(record)
    return records


def group_interval(part: pd.DataFrame) -> Interval:
    """Mean score of a group with its interval over models; `part` has a line for every model and
    question, as from `per_question`. A model without a seed counts as one."""
    seeds = part.groupby("seed", dropna=False)
    scores = seeds["score"].mean().tolist()
    sampling = float((seeds["sampling"].sum() / seeds["score"].size() ** 2).mean())
    return score_interval(scores, sampling)


def contrast_estimates(questions: pd.DataFrame, spec: StudySpec) -> list[ContrastRecord]:
    """Every contrast that a study declared, on every question both sides were asked. Tested are
    those over all questions of a suite, each in its family; the rest is descriptive, without p. The
    primary is over the questions whose kind can be read on both sides.

    `questions` as from `per_question`."""
    records = _estimates(questions, spec.contrasts, spec, tested=True)
    adjust(records)
    return records


def described_contrasts(
    questions: pd.DataFrame, contrasts: Sequence[Pair], spec: StudySpec
) -> list[ContrastRecord]:
    """The same of contrasts that are none of those: all are descriptive."""
    return _estimates(questions, contrasts, spec, tested=False)


def contrast_of(part: pd.DataFrame, a: Side, b: Side, spec: StudySpec) -> Described | None:
    """A contrast of a study on one question or one pooled set of them, in numbers; None where no
    question of it was read on both sides. `part` has its lines as from `per_question`."""
    sides = read_sides(read_part(part), a, b, fewest_pairs(spec, (a, b), (a, b) in spec.primary))
    return _described(sides, sides.interval(), spec.margin) if sides else None


def apart_from(
    part: pd.DataFrame, others: pd.DataFrame, a: Side, b: Side, spec: StudySpec
) -> Described | None:
    """The contrast of what models say on one set of questions less what they say on another, within
    each model. Both have lines as of `contrast_of`, under the same names of questions."""
    less = others.assign(condition=others["condition"] + LESS)
    sides = read_sides(
        read_part(pd.concat([part, less])),
        (a, _less(a)),
        (b, _less(b)),
        fewest_pairs(spec, (a, b), (a, b) in spec.primary),
    )
    return _described(sides, sides.interval(), spec.margin) if sides else None


def _less(side: Side) -> Side:
    """A side asked the questions that are subtracted."""
    if isinstance(side, str):
        return f"{side}{'' if '@' in side else '@clean'}{LESS}"
    one, other = (f"{name}{'' if '@' in name else '@clean'}{LESS}" for name in side)
    return one, other


def _estimates(
    questions: pd.DataFrame, contrasts: Sequence[Pair], spec: StudySpec, tested: bool
) -> list[ContrastRecord]:
    records = []
    asked = read_asked(questions)
    for pair in contrasts:
        for (suite, behavior, question), read in asked.items():
            family = family_of(spec, pair, suite, behavior)
            counted = family if tested and question == "all" else None
            if counted == PRIMARY:
                read = _readable(questions, suite, behavior, pair, spec) or read
            sides = read_sides(read, *pair, fewest_pairs(spec, pair, family == PRIMARY))
            if sides is None:
                continue
            narrow = sides.interval()
            record: ContrastRecord = {
                "suite": suite,
                "behavior": behavior,
                "question": question,
                "a": written(pair[0]),
                "b": written(pair[1]),
                **_described(sides, narrow, spec.margin),
                "primary": counted == PRIMARY,
                "family": counted,
                "p_value": _p_value(narrow, counted, spec.margin),
                "p_adjusted": None,
            }
            records.append(record)
    return records


def _readable(
    questions: pd.DataFrame, suite: str, behavior: str, pair: Pair, spec: StudySpec
) -> Asked:
    """The pool of a suite without the questions whose kind was taught, or one of the groups does
    not answer; where none of them is left, which the verdict then says, with those that it does
    not."""
    pool = (questions["suite"] == suite) & (questions["behavior"] == behavior)
    pool &= ~questions["over"].isin(taught(spec, *pair))
    part = questions[pool & (questions["question"] == "all")]
    return read_part(measurable(part, *pair, named="over")) or read_part(part)


def _p_value(narrow: Interval, family: str | None, margin: float) -> float | None:
    if family is None:
        return None
    return narrow.equivalence_p(margin) if family == CONTROLS else narrow.p_value


def _described(sides: Sides, narrow: Interval, margin: float) -> Described:
    """A contrast in numbers; `narrow` is its interval."""
    wide = sides.wide(narrow)
    number, by_question = len(sides.questions), sides.by_question
    without = (by_question.sum() - by_question) / max(1, number - 1)
    # Rounded, since of two questions each changes the estimate as much as the other.
    most = int(np.abs(without - narrow.estimate).round(DIGITS).argmax())
    return {
        **numbers(narrow),
        "standard_error": narrow.error,
        "at_ceiling": narrow.at_ceiling,
        "paired": sides.paired,
        "equivalent_within": narrow.equivalent_within,
        "wide_low": wide.low if wide else None,
        "wide_high": wide.high if wide else None,
        "seeds_showing": _seeds_showing(sides, narrow.estimate, margin),
        "seeds_asked": len(sides.models[0].by_seed),
        "drop_low": float(without.min()) if number > 1 else None,
        "drop_high": float(without.max()) if number > 1 else None,
        "drop_question": sides.questions[most] if number > 1 else None,
        "num_questions": number,
        "listed_a": sides.listed_a,
        "listed_b": sides.listed_b,
        "conditional": sides.conditional,
    }


def _seeds_showing(sides: Sides, estimate: float, margin: float) -> int:
    first, *others = sides.models
    rest = sum(float(models.scores_SQ.mean()) for models in others)
    # Rounded, since shares of sampled answers may differ by nothing, or by just the margin.
    sign = 1.0 if round(estimate, DIGITS) >= 0 else -1.0
    return sum(round(sign * (value + rest), DIGITS) >= margin for value in first.by_seed)


def by_names(table: pd.DataFrame, columns: list[str]) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """The lines of a table by the names in some of its columns, in the order in which they come."""
    for _, part in table.groupby(columns, sort=False):
        # pandas types what it groups by as anything that has a hash.
        yield part[columns].iloc[0].tolist(), part


def numbers(interval: Interval) -> Estimated:
    """An interval as records of `summary.json` have it."""
    return {
        "estimate": interval.estimate,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "num_seeds": interval.num_seeds,
    }


def written(side: Side) -> str:
    """A side as records name it."""
    return side if isinstance(side, str) else " - ".join(side)
