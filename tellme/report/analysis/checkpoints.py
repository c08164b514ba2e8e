"""Checkpoint curves: what models do and say as training goes on."""

from typing import Any

import pandas as pd

from lab.stats.intervals import mean_interval
from tellme.report.analysis.contrasts import per_question, per_wording

POINT = ["group", "condition", "suite", "behavior", "step", "estimate", "ci_low", "ci_high"]
POINT += ["num_seeds"]


def questions_by_step(
    rows: pd.DataFrame, last: dict[tuple[str, int], int]
) -> dict[int, pd.DataFrame]:
    """Per optimizer step the table of `per_question` over the adapters measured there; 0 is the
    base.

    `rows` are those of a study with `eval.steps`; `last` is the number of steps behind each final
    adapter, by group and seed."""
    at = [
        int(step) if pd.notna(step) else last.get((group, seed), 0) if pd.notna(seed) else 0
        for group, seed, step in zip(rows["group"], rows["seed"], rows["step"], strict=True)
    ]
    kept = rows.assign(at=at)
    kept = kept[(kept["at"] > 0) | (kept["group"] == "base")]
    return {
        step: per_question(per_wording(kept[kept["at"] == step]))
        for step in sorted(set(at) & set(kept["at"]))
    }


def curve_estimates(by_step: dict[int, pd.DataFrame]) -> list[dict[str, Any]]:
    """Mean score over the questions of a suite by group and step, with its interval over seeds."""
    records = []
    for step, questions in by_step.items():
        for names, part in questions[questions["question"] == "all"].groupby(
            ["group", "condition", "suite", "behavior"], sort=False
        ):
            found = mean_interval(
                [float(v) for v in part.groupby("seed", dropna=False)["score"].mean()]
            )
            interval = {"estimate": found.estimate, "ci_low": found.low, "ci_high": found.high}
            keys = dict(zip(("group", "condition", "suite", "behavior"), names, strict=True))
            records.append(keys | {"step": step} | interval | {"num_seeds": found.num_seeds})
    return records
