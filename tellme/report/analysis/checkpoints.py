"""How do behavior and self-report go as training goes on? Scores by optimizer step."""

import pandas as pd

from tellme.report.analysis.contrasts import Estimated, by_names, group_interval, numbers
from tellme.report.analysis.scores import per_question, per_wording

CURVE = ["group", "condition", "suite", "behavior"]
"""Columns that name a curve."""


class CurveRecord(Estimated):
    """What a group scores on a suite after some steps."""

    group: str
    condition: str
    suite: str
    behavior: str
    step: int


def questions_by_step(
    rows: pd.DataFrame, last: dict[tuple[str, int], int]
) -> dict[int, pd.DataFrame]:
    """Per optimizer step the table of `per_question` over the adapters measured there; 0 is the
    base.

    `rows` are those of a study with `eval.steps`; `last` is the number of steps behind each final
    adapter, by group and seed."""
    models = zip(rows["group"], rows["seed"], strict=True)
    at_end = pd.Series([last.get(model, 0) for model in models], rows.index)
    placed = rows.assign(at=rows["step"].fillna(at_end).astype(int))
    # Step 0 is the base alone: other models without a step were not trained here.
    placed = placed[(placed["at"] > 0) | (placed["group"] == "base")]
    return {
        step: per_question(per_wording(placed[placed["at"] == step]))
        for step in sorted(set(placed["at"]))
    }


def curve_estimates(by_step: dict[int, pd.DataFrame]) -> list[CurveRecord]:
    """Mean score over the questions of a suite by group and step, with its interval over seeds."""
    records = []
    for step, questions in by_step.items():
        pooled = questions[questions["question"] == "all"]
        for (group, condition, suite, behavior), part in by_names(pooled, CURVE):
            record: CurveRecord = {
                "group": group,
                "condition": condition,
                "suite": suite,
                "behavior": behavior,
                "step": step,
                **numbers(group_interval(part)),
            }
            records.append(record)
    return records
