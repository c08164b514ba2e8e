"""Does training on one behavior move self-reports about others? Every group against every behavior
that was asked about."""

import pandas as pd

from lab.stats.intervals import mean_interval
from tellme.report.analysis.contrasts import Estimated, numbers
from tellme.report.analysis.validity import changes_of_groups, of_suite, per_seed, trait_of


class OffTargetRecord(Estimated):
    """Change of a group against its base."""

    group: str
    behavior: str
    """What it was trained on."""
    reported: str
    """What its self-reports are about."""


def off_target(wordings: pd.DataFrame, baselines: dict[str, str]) -> list[OffTargetRecord]:
    """Change of every group against its base in the self-reports about its own behavior and about
    every other that was asked.

    `wordings` and `baselines` as in `validity.battery`; the questions about other behaviors are
    those of the suite unrelated_trait."""
    records = []
    for group, behavior, changes in changes_of_groups(wordings, baselines):
        unrelated = of_suite(changes, "unrelated_trait")
        by_behavior = [
            (behavior, of_suite(changes, "self_report")),
            *unrelated.groupby(trait_of(unrelated), sort=False),
        ]
        for reported, part in by_behavior:
            record: OffTargetRecord = {
                "group": group,
                "behavior": behavior,
                "reported": reported,
                **numbers(mean_interval(per_seed(part))),
            }
            records.append(record)
    return records
