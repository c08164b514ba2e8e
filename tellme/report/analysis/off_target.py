"""The off-target matrix: every group's adapters against the self-reports about every behavior."""

from typing import Any

import pandas as pd

from lab.stats.intervals import mean_interval
from tellme.report.analysis.contrasts import numbers
from tellme.report.analysis.validity import changes_of_groups, of_suite, per_seed, trait_of


def off_target(wordings: pd.DataFrame, baselines: dict[str, str]) -> list[dict[str, Any]]:
    """Change of every group against its base in the self-reports about its own behavior and about
    every other that was asked.

    `wordings` as in study/validity.py; others' questions are those of the suite unrelated_trait."""
    records = []
    for group, behavior, changes in changes_of_groups(wordings, baselines):
        others = of_suite(changes, "unrelated_trait")
        parts = [
            (behavior, of_suite(changes, "self_report")),
            *others.groupby(trait_of(others), sort=False),
        ]
        for reported, part in parts:
            of_group = {"group": group, "behavior": behavior, "reported": reported}
            records.append(of_group | numbers(mean_interval(per_seed(part))))
    return records
