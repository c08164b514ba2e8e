"""How do behavior and self-report go as training goes on? Scores by optimizer step."""

from typing import Any

import pandas as pd

from lab.stats.intervals import mean_interval
from tellme.report.analysis.contrasts import means_by_seed, numbers, per_question, per_wording

CURVE = ["group", "condition", "suite", "behavior"]
"""Columns that name a curve."""


def questions_by_step(
    rows: pd.DataFrame, last: dict[tuple[str, int], int]
) -> dict[int, pd.DataFrame]:
    """Per optimizer step the table of `per_question` over the adapters measured there; 0 is the
    base.

    `rows` are those of a study with `eval.steps`; `last` is the number of steps behind each final
    adapter, by group and seed."""
    models = zip(rows["group"], rows["seed"], rows["step"], strict=True)
    steps = [_step(group, seed, step, last) for group, seed, step in models]
    placed = rows.assign(at=steps)
    # Step 0 is the base alone: other models without a step were not trained here.
    placed = placed[(placed["at"] > 0) | (placed["group"] == "base")]
    return {
        step: per_question(per_wording(placed[placed["at"] == step]))
        for step in sorted(set(placed["at"]))
    }


def _step(group: str, seed: Any, step: Any, last: dict[tuple[str, int], int]) -> int:
    """Steps behind a model: as measured, or all of them where it is a final adapter."""
    if pd.notna(step):
        return int(step)
    return last.get((group, seed), 0) if pd.notna(seed) else 0


def curve_estimates(by_step: dict[int, pd.DataFrame]) -> list[dict[str, Any]]:
    """Mean score over the questions of a suite by group and step, with its interval over seeds."""
    records = []
    for step, questions in by_step.items():
        pooled = questions[questions["question"] == "all"]
        for names, part in pooled.groupby(CURVE, sort=False):
            interval = mean_interval(means_by_seed(part))
            curve = dict(zip(CURVE, names, strict=True))
            records.append({**curve, "step": step, **numbers(interval)})
    return records
