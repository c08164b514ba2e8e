"""Free answers as judges read them: how many have a score, what became of the others, and the share
of them that any threshold would count."""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np
import pandas as pd

from tellme.report.analysis.contrasts import by_names

MODEL = ["group", "seed", "condition", "suite", "behavior", "judge"]
"""Columns that name what one judge read of one model."""
THRESHOLDS = np.linspace(0, 1, 21)
"""Scores at which answers are counted."""
GRADED = 2
"""Scores of which a rule of yes or no has no more: no threshold changes what it counts."""


class JudgedRecord(TypedDict):
    """What a judge read of a group, in one suite."""

    group: str
    suite: str
    behavior: str
    condition: str
    judge: str
    answers: int
    read: int
    """Those that have a score."""
    not_read: dict[str, int]
    """The others by their status: none of them is a score."""
    mean: float | None
    """Of the scores."""


def judged(rows: pd.DataFrame) -> list[JudgedRecord]:
    """A record for each group, suite, condition and judge of free answers; none where nobody
    graded any."""
    records = []
    names = ["group", "suite", "behavior", "condition", "judge"]
    for (group, suite, behavior, condition, judge), part in by_names(_free(rows), names):
        scores = part["score"].astype("float").dropna()
        others = part.loc[part["score"].isna(), "status"].value_counts()
        record: JudgedRecord = {
            "group": group,
            "suite": suite,
            "behavior": behavior,
            "condition": condition,
            "judge": judge,
            "answers": len(part),
            "read": len(scores),
            "not_read": {str(status): int(number) for status, number in others.items()},
            "mean": float(scores.mean()) if len(scores) else None,
        }
        records.append(record)
    return records


def _free(rows: pd.DataFrame) -> pd.DataFrame:
    """Generated answers to questions of free text, as far as anybody graded them."""
    if "sample" not in rows:
        return rows[:0]
    return rows[(rows["kind"] == "text") & rows["sample"].notna() & rows["judge"].notna()]


def shares_above(rows: pd.DataFrame) -> pd.DataFrame:
    """The share of scored answers whose score is at least a threshold, at each of THRESHOLDS:
    columns panel, group, threshold, share. It is the mean over wordings, and then over models. Only
    of judges that give more than two scores."""
    free = _free(rows)
    free = free[free["score"].notna()].assign(score=lambda t: t["score"].astype("float"))
    return pd.DataFrame(_lines(free), columns=["panel", "group", "threshold", "share"])


def _lines(free: pd.DataFrame) -> Iterator[tuple[str, str, float, float]]:
    wording = [*MODEL, "question", "paraphrase"]
    for (suite, judge), part in by_names(free, ["suite", "judge"]):
        if part["score"].nunique() <= GRADED:
            continue
        for (group,), own in by_names(part, ["group"]):
            for threshold in THRESHOLDS:
                # A score of .3 as a float is less than the threshold of .3 may be.
                least = threshold - 1e-9
                counted = own.assign(above=own["score"] >= least)
                share = counted.groupby(wording, dropna=False)["above"].mean()
                of_models = share.groupby(level=MODEL, dropna=False).mean()
                yield f"{suite}, by {judge}", group, float(threshold), float(of_models.mean())
