"""How far models that were trained alike differ, which says what a study could find."""

from typing import TypedDict

import pandas as pd

from lab.stats.power import detectable
from tellme.calibrate.studies import SEEDS_EACH
from tellme.report.analysis.contrasts import by_names


class Spread(TypedDict):
    """The models of a group on a suite."""

    group: str
    suite: str
    behavior: str
    num_models: int
    deviation: float
    """Standard deviation of their scores."""
    detectable: float | None
    """The difference that studies of SEEDS_EACH models a side would find with a power of 80 %."""


def spreads(questions: pd.DataFrame) -> list[Spread]:
    """Of every group with several models and every suite. `questions` as from `per_question`."""
    pooled = questions[
        (questions["question"] == "all")
        & (questions["condition"] == "clean")
        & questions["seed"].notna()
    ]
    records: list[Spread] = []
    for (group, suite, behavior), own in by_names(pooled, ["group", "suite", "behavior"]):
        of_models = own.groupby("seed")["score"].mean()
        if len(of_models) < 2:
            continue
        deviation = float(of_models.std())
        records.append(
            {
                "group": group,
                "suite": suite,
                "behavior": behavior,
                "num_models": len(of_models),
                "deviation": deviation,
                "detectable": detectable(deviation, SEEDS_EACH, SEEDS_EACH),
            }
        )
    return records
