"""From rows to scores. Rows -> `per_wording` (what one model scores on one prompt, and how much of
what it would say is listed) -> `per_question` (a score per model and question)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lab.agreed import UNLISTED
from lab.stats.intervals import sampling_variance

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
MEASURES = ["score", "conditional", "listed"]
"""What is read of a prompt."""
SINGLE_WORD = ("read", "word")
"""Status of a sampled answer of one word, listed or not."""
ONLY = "only"
"""The seed of a model that has none: base, an adapter from elsewhere."""


def per_wording(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per group, seed, question, paraphrase and order.

    `conditional` is the score expected under the listed answers alone, `listed` their probability,
    and `score` counts what is left as UNLISTED. Of a `free` question any single word counts as
    listed, as far as samples tell; its `score` is still that of the list. What is answered in free
    text has no list: its score is the conditional one, in which answers without a score have no
    part, and where no answer has one there is no line. `presupposes` is the question's own; one
    that is not about the model itself counts as such, since it is shown and decides nothing.
    `sampling` is the variance of the score by the sampling of `samples` answers, both 0 where
    probabilities are read."""
    has_score = rows["score"].notna()
    # What is drawn beside a list has no probability: it counts as single words alone.
    counts = (has_score | (rows["kind"] != "text")) & rows["p_exact"].notna()
    read = rows[counts].assign(has_score=has_score)
    # Answers of an earlier version do not say it, and were to questions about the model.
    read["about"] = read["about"].fillna("self") if "about" in read else "self"
    read["presupposes"] |= read["about"] != "self"
    # Relative to the likeliest answer of a prompt: long answers have less probability than a float
    # holds.
    most = read.groupby(WORDING, dropna=False, sort=False)["logp"].transform("max")
    weight = np.exp(read["logp"] - most) * read["has_score"]
    weighted = read.assign(weight=weight, expected=weight * read["score"].astype("float"))
    prompts = weighted.groupby(WORDING, dropna=False, sort=False)
    sums = prompts.agg(
        expected=("expected", "sum"),
        mass=("weight", "sum"),
        outside=("outside", "first"),
        presupposes=("presupposes", "first"),
        about=("about", "first"),
    ).reset_index()
    # 0 / 0, which is none, where nothing was read.
    conditional = sums["expected"] / sums["mass"]
    outside = sums["outside"].where(sums["mass"] > 0, 1.0)
    counted = (1 - outside) * conditional.fillna(0.0) + outside * UNLISTED
    score = counted.where(sums["kind"] != "text", conditional)
    table = sums.assign(score=score, conditional=conditional, listed=1 - outside)
    # Where nothing was read there is no value that would have a type.
    table["presupposes"] = table["presupposes"].astype(bool)
    single = _single_words(rows)
    if single is not None:
        table["listed"] = _on(table, single).fillna(table["listed"])
    table = table.assign(sampling=0.0, samples=0)
    drawn = _sampling(read)
    if drawn is not None:
        for name in drawn:
            table[name] = _on(table, drawn[name]).fillna(table[name])
    return table.drop(columns=["expected", "mass", "outside"])


def _sampling(read: pd.DataFrame) -> pd.DataFrame | None:
    """Of every sampled prompt the variance of its mean score, and the number of answers; None where
    nothing was sampled."""
    if "sample" not in read or not read["sample"].notna().any():
        return None
    values = read[read["sample"].notna()]
    value = values["score"].astype("float").fillna(UNLISTED)
    prompts = values.assign(value=value, square=value**2).groupby(WORDING, dropna=False, sort=False)
    sums = prompts.agg(value=("value", "sum"), square=("square", "sum"), samples=("value", "size"))
    total, squares, samples = (sums[name].to_numpy() for name in ("value", "square", "samples"))
    return sums.assign(sampling=sampling_variance(total, squares, samples))[["sampling", "samples"]]


def _single_words(rows: pd.DataFrame) -> pd.Series[float] | None:
    """Of every prompt of a free question the share of samples that are a single word; None where
    nothing of the kind was sampled."""
    if "sample" not in rows:
        return None
    samples = rows[rows["free"] & rows["sample"].notna()]
    if not len(samples):
        return None
    single = samples.assign(single=samples["status"].isin(SINGLE_WORD).astype(float))
    return single.groupby(WORDING, dropna=False, sort=False)["single"].mean()


def _on(table: pd.DataFrame, values: pd.Series[float]) -> pd.Series[float]:
    """Values by prompt, in the order of the table; missing where a prompt has none."""
    found = table[WORDING].merge(values.rename("value").reset_index(), on=WORDING, how="left")
    return found["value"].set_axis(table.index)


def per_question(wordings: pd.DataFrame) -> pd.DataFrame:
    """One value per group, seed, condition, suite and question, each the mean of its paraphrases
    and orders: columns ASKED, question, MEASURES, sampling (of the mean), samples, presupposes,
    over.

    The questions `all`, `seen` and `unseen` stand for means over questions, the last two only where
    pretraining saw some: they have a line for every question that they are `over`. Questions that
    presuppose what they ask have no part in them, unless a suite has no others."""
    pool = wordings[~wordings["presupposes"] | _nothing_else(wordings)]
    pooled = {"all": pool}
    if pool["seen"].any():
        suites = set(pool.loc[pool["seen"], "suite"])
        known = pool[pool["suite"].isin(suites)]
        pooled |= {"seen": known[known["seen"]], "unseen": known[~known["seen"]]}
    tables = [_scores(wordings)]
    for name, part in pooled.items():
        scores = _scores(part)
        tables.append(scores.assign(over=scores["question"], question=name))
    return pd.concat(tables, ignore_index=True)


def _nothing_else(wordings: pd.DataFrame) -> pd.Series[bool]:
    """Whether every question of a suite presupposes."""
    by_suite = wordings.groupby(["suite", "behavior"], sort=False)["presupposes"]
    return by_suite.transform("all").astype(bool)


def _scores(wordings: pd.DataFrame) -> pd.DataFrame:
    by_question = wordings.groupby([*ASKED, "question"], dropna=False, sort=False)
    means = {name: (name, "mean") for name in [*MEASURES, "sampling"]}
    scores = by_question.agg(
        **means,
        samples=("samples", "sum"),
        wordings=("score", "size"),
        presupposes=("presupposes", "first"),
    ).reset_index()
    scores["sampling"] /= scores.pop("wordings")
    return scores


def named_seeds(seeds: pd.Series[Any]) -> pd.Series[Any]:
    """Seeds with a name for none: pandas would leave a missing one out of a pivot or a group."""
    return seeds.astype("object").fillna(ONLY)
