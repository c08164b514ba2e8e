"""A summary recomputed (recompute.py), and where it differs from the one that the lab wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lab.specs import StudySpec
from recompute_contrasts import contrast_records
from recompute_scores import Record, group_records, prompts, tables
from recompute_validity import attack_records, system_records, validity_records

NAMES = {
    "groups": ("group", "condition", "suite", "behavior", "question"),
    "contrasts": ("a", "b", "suite", "behavior", "question"),
    "by_system": ("condition", "a", "b", "suite", "behavior", "question"),
    "validity": ("group", "behavior", "check"),
    "off_target": ("group", "behavior", "reported"),
    "attack": ("group", "behavior", "condition"),
}
"""What names a record of each part."""
IN_WORDS = {"sentence", "label"}
"""Fields that are no numbers."""


def recomputed(
    rows: pd.DataFrame, spec: StudySpec, bases: Mapping[str, str], shuffled: Mapping[str, str]
) -> dict[str, list[Record]]:
    """From the rows of a study, of the end of training; `bases` names the base of each group,
    `shuffled` its shuffled control."""
    end = rows[rows["step"].isna()]
    asked = prompts(end)
    found = tables(asked)
    groups = group_records(found)
    battery, matrix = validity_records(asked, end, bases, shuffled)
    return {
        "groups": groups,
        "contrasts": contrast_records(found, spec),
        "by_system": system_records(found, spec),
        "validity": battery,
        "off_target": matrix,
        "attack": attack_records(groups, spec),
    }


def differences(summary: Mapping[str, Any], again: Mapping[str, list[Record]]) -> list[str]:
    """A line for every record or number that is not in both to 1e-9."""
    lines = []
    for part, keys in NAMES.items():
        one = {tuple(r[k] for k in keys): r for r in summary.get(part, [])}
        other = {tuple(r[k] for k in keys): r for r in again[part]}
        lines += [f"{part} {name}: in one only" for name in one.keys() ^ other.keys()]
        for name in one.keys() & other.keys():
            fields = (one[name].keys() | other[name].keys()) - IN_WORDS
            lines += [
                f"{part} {name}: {field} {one[name].get(field)!r} {other[name].get(field)!r}"
                for field in sorted(fields)
                if not _same(one[name].get(field), other[name].get(field))
            ]
    return lines


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=1e-9)
    return one == other
