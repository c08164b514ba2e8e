"""From rows to `summary.json`: estimates by group, contrasts on the same questions, trust."""

from typing import Any

import numpy as np
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


def per_wording(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per group, seed, question, paraphrase and order: the score expected under the listed
    answers.

    `score` is the sum of probability times score over the sum of probability; `outside` is what the
    list leaves out. Answers without a score (free text, samples that could not be read) have no
    part in it."""
    rows = rows[rows["score"].notna()].astype({"score": "float"})
    by = [
        "group",
        "seed",
        "suite",
        "behavior",
        "question",
        "kind",
        "paraphrase",
        "order",
        "seen",
        "condition",
    ]
    # Relative to the likeliest answer of a prompt: long answers have less probability than a float
    # holds.
    most = rows.groupby(by, dropna=False, sort=False)["logp"].transform("max")
    weight = np.exp(rows["logp"] - most)
    weighted = rows.assign(weight=weight, expected=weight * rows["score"])
    sums = (
        weighted.groupby(by, dropna=False, sort=False)
        .agg(expected=("expected", "sum"), mass=("weight", "sum"), outside=("outside", "first"))
        .reset_index()
    )
    return sums.assign(score=sums["expected"] / sums["mass"]).drop(columns=["expected", "mass"])


def per_question(wordings: pd.DataFrame) -> pd.DataFrame:
    """One value per group, seed, condition, suite and question, each the mean of its paraphrases
    and orders.

    The questions `all`, `seen` and `unseen` are means over questions; the last two only where
    pretraining saw some."""
    by = ["group", "seed", "condition", "suite", "behavior"]
    parts = {"all": wordings}
    if wordings["seen"].any():
        suites = set(wordings.loc[wordings["seen"], "suite"])
        known = wordings[wordings["suite"].isin(suites)]
        parts |= {"seen": known[known["seen"]], "unseen": known[~known["seen"]]}
    single = (
        wordings.groupby([*by, "question"], dropna=False, sort=False)["score"].mean().reset_index()
    )
    tables = [single]
    for name, part in parts.items():
        each = (
            part.groupby([*by, "question"], dropna=False, sort=False)["score"].mean().reset_index()
        )
        tables.append(each.assign(over=each["question"], question=name))
    return pd.concat(tables, ignore_index=True)


def group_estimates(questions: pd.DataFrame) -> list[dict[str, Any]]:
    records = []
    by = ["group", "condition", "suite", "behavior", "question"]
    for names, part in questions.groupby(by, sort=False):
        records.append(dict(zip(by, names, strict=True)) | numbers(mean_interval(_by_seed(part))))
    return records


def contrast_estimates(
    questions: pd.DataFrame, contrasts: list[tuple[Side, Side]], primary: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Every contrast on every question both sides were asked; Holm runs over the primary ones, and
    over all others, per report."""
    records: list[dict[str, Any]] = []
    chosen = primary or {"suite": None, "contrasts": []}
    for a, b in contrasts:
        terms = [*_terms(a, 1.0), *_terms(b, -1.0)]
        for (suite, behavior), asked in questions.groupby(["suite", "behavior"], sort=False):
            for question in asked["question"].unique():
                found = _contrast(asked[asked["question"] == question], terms)
                if found is None:
                    continue
                is_primary = question == "all" and suite == chosen["suite"]
                is_primary = is_primary and any(_same(pair, (a, b)) for pair in chosen["contrasts"])
                records.append(
                    {
                        "suite": suite,
                        "behavior": behavior,
                        "question": question,
                        "a": _written(a),
                        "b": _written(b),
                    }
                    | found
                    | {"primary": is_primary, "p_holm": None}
                )
    for family in (True, False):
        tested = {
            str(i): r["p_value"]
            for i, r in enumerate(records)
            if r["primary"] == family and r["p_value"] is not None
        }
        for i, p in holm(tested).items():
            records[int(i)]["p_holm"] = p
    return records


def _contrast(part: pd.DataFrame, terms: list[tuple[float, str]]) -> dict[str, Any] | None:
    """One question (or pooled set) over all sides; a group on both sides enters by its difference
    within seeds. None where no question was read on all sides."""
    key = "over" if part["over"].notna().any() else "question"
    tables: dict[str, pd.DataFrame] = {}
    for weight, side in terms:
        group, _, condition = side.partition("@")
        mine = part[(part["group"] == group) & (part["condition"] == (condition or "clean"))]
        mine = mine.assign(seed=mine["seed"].astype("object").fillna("only"))
        table = weight * mine.pivot_table(index="seed", columns=key, values="score")
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
    common = [q for q in sorted(asked) if all(len(t) and t[q].notna().all() for t in read)]
    return [t[common] for t in read] if common else []


def _described(tables: list[pd.DataFrame]) -> dict[str, Any]:
    """The contrast of weighted tables [seeds, questions], one a group, with what a sceptic asks of
    it.

    `equivalent_within` is the margin of a null; `wide_*` the claim about other questions, None
    where it cannot be had;
    `seeds_showing` counts the seeds of the first group that differ from the rest by the margin in
    the direction of the
    estimate; `drop_*` are the least and the largest estimate without one of the questions, and the
    question whose loss
    changes it most."""
    by_seed = [(1.0, [float(v) for v in table.mean(axis=1)]) for table in tables]
    interval = contrast_interval(by_seed)
    wide = wide_interval([table.to_numpy().tolist() for table in tables])
    rest = sum(float(table.to_numpy().mean()) for table in tables[1:])
    sign = 1.0 if interval.estimate >= 0 else -1.0
    of_questions = sum(table.mean(axis=0) for table in tables)
    assert not isinstance(of_questions, int)
    without = (of_questions.sum() - of_questions) / max(1, len(of_questions) - 1)
    several = len(of_questions) > 1
    return numbers(interval) | {
        "p_value": interval.p_value,
        "standard_error": interval.error,
        "equivalent_within": equivalent_within(by_seed),
        "wide_low": wide.low if wide else None,
        "wide_high": wide.high if wide else None,
        "seeds_showing": sum(sign * (value + rest) >= MARGIN for value in by_seed[0][1]),
        "seeds_asked": len(by_seed[0][1]),
        "drop_low": float(without.min()) if several else None,
        "drop_high": float(without.max()) if several else None,
        "drop_question": str((without - interval.estimate).abs().idxmax()) if several else None,
        "num_questions": len(of_questions),
    }


def _terms(side: Side, weight: float) -> list[tuple[float, str]]:
    """A side `[x, y]` is the difference x - y."""
    return [(weight, side)] if isinstance(side, str) else [(weight, side[0]), (-weight, side[1])]


def _by_seed(part: pd.DataFrame) -> list[float]:
    return [float(v) for v in part.groupby("seed", dropna=False)["score"].mean()]


def numbers(interval: Interval) -> dict[str, Any]:
    return {
        "estimate": interval.estimate,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "num_seeds": interval.num_seeds,
    }


def _written(side: Side) -> str:
    return side if isinstance(side, str) else " - ".join(side)


def _same(one: Any, other: Any) -> bool:
    return [_written(s) for s in one] == [_written(s) for s in other]
