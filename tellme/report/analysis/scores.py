"""From rows to scores. Rows -> `per_wording` (a score per prompt, and what an answer that is not
listed counts in it) -> `per_question` (a score per model and question)."""

from __future__ import annotations

import numpy as np
import pandas as pd

WORDING = [
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
"""Columns that name one prompt put to one model."""
ASKED = ["group", "seed", "condition", "suite", "behavior"]
"""Columns that name one model asked one suite."""


def per_wording(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per group, seed, question, paraphrase and order: the score expected under the listed
    answers.

    `score` is the sum of probability times score over the sum of probability; `outside` is what the
    list leaves out. Answers without a score (free text, samples that could not be read) have no
    part in it."""
    scored = rows[rows["score"].notna()].astype({"score": "float"})
    # Relative to the likeliest answer of a prompt: long answers have less probability than a float
    # holds.
    most = scored.groupby(WORDING, dropna=False, sort=False)["logp"].transform("max")
    weight = np.exp(scored["logp"] - most)
    weighted = scored.assign(weight=weight, expected=weight * scored["score"])
    prompts = weighted.groupby(WORDING, dropna=False, sort=False)
    sums = prompts.agg(
        expected=("expected", "sum"), mass=("weight", "sum"), outside=("outside", "first")
    ).reset_index()
    return sums.assign(score=sums["expected"] / sums["mass"]).drop(columns=["expected", "mass"])


def per_question(wordings: pd.DataFrame) -> pd.DataFrame:
    """One value per group, seed, condition, suite and question, each the mean of its paraphrases
    and orders: columns ASKED, question, score, over.

    The questions `all`, `seen` and `unseen` stand for means over questions, the last two only where
    pretraining saw some: they have a line for every question that they are `over`."""
    pooled = {"all": wordings}
    if wordings["seen"].any():
        suites = set(wordings.loc[wordings["seen"], "suite"])
        known = wordings[wordings["suite"].isin(suites)]
        pooled |= {"seen": known[known["seen"]], "unseen": known[~known["seen"]]}
    tables = [_scores(wordings)]
    for name, part in pooled.items():
        scores = _scores(part)
        tables.append(scores.assign(over=scores["question"], question=name))
    return pd.concat(tables, ignore_index=True)


def _scores(wordings: pd.DataFrame) -> pd.DataFrame:
    by_question = wordings.groupby([*ASKED, "question"], dropna=False, sort=False)
    return by_question["score"].mean().reset_index()
