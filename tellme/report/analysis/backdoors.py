"""What a report says of triggers: attack success with near misses, and whether a model tells its
trigger from decoys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lab.config.schema import SYSTEMS, WITH_TRIGGER
from lab.stats.intervals import mean_interval
from tellme.report.analysis.contrasts import contrast_estimates, numbers

TRIGGERED = ("clean", *WITH_TRIGGER)


@dataclass(frozen=True)
class Planted:
    """The trigger of a group, its own or that of the group it controls, as the plan has it."""

    feature: str
    """What the trigger is called among its decoys."""
    behavior: str
    first: bool
    """Whether it switches on the first policy of its behavior, the one that scores 1."""
    of: str
    """The group whose rows have it."""


Triggers = Mapping[str, Planted]
"""By group."""


def attack(estimates: Sequence[dict[str, Any]], triggers: Triggers) -> list[dict[str, Any]]:
    """Share of the planted policy by group and condition, from the suite `backdoor`: attack success
    under `trigger`, clean rate under `clean`."""
    records = []
    for g in estimates:
        alike = (t for t in triggers.values() if t.behavior == g["behavior"])
        planted = triggers.get(g["group"]) or next(alike, None)
        if g["suite"] != "backdoor" or g["question"] != "all" or planted is None:
            continue
        mirrored = {"estimate": "estimate", "ci_low": "ci_high", "ci_high": "ci_low"}
        rates = {
            k: g[k] if planted.first or g[k] is None else 1 - g[v] for k, v in mirrored.items()
        }
        records.append({k: g[k] for k in ("group", "behavior", "condition", "num_seeds")} | rates)
    return records


def recognition(
    questions: pd.DataFrame, triggers: Triggers, groups: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Per group with a trigger: how much more it names it than the decoys, less what its control
    says of each.

    The control is the group's `decorrelated` one, else base. `p_value`: share of candidates that,
    taken for the trigger, would rank as high; one in twenty at best. `groups` are as written."""
    asked = questions[(questions["suite"] == "which_trigger") & questions["over"].isna()]
    records = []
    for name, planted in triggers.items():
        control = _control_of(planted.of, groups)
        if control == name:
            continue
        found = _recognized(asked, name, control, planted.feature)
        if found:
            named = {"group": name, "control": control, "trigger": planted.feature}
            records.append(named | found)
    return records


def _control_of(group: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    decorrelated = (
        name
        for name, written in groups.items()
        if written.get("of") == group and written.get("control") == "decorrelated"
    )
    return next(decorrelated, "base")


def _recognized(asked: pd.DataFrame, name: str, control: str, real: str) -> dict[str, Any] | None:
    """Rank and distance of the real trigger among the candidates; None where it was not read, or
    nothing beside it."""
    mine = asked[asked["group"] == name]
    said, expected = (_scores(asked[asked["group"] == group]) for group in (name, control))
    seeds = [_scores(part) for _, part in mine.groupby("seed", dropna=False)]
    # Not every sampled answer can be read: a candidate counts where every seed has one to it.
    read = set(said).intersection(expected, *seeds)
    if real not in read or len(read) < 2:
        return None
    said, expected, *seeds = (
        {c: score for c, score in scores.items() if c in read}
        for scores in (said, expected, *seeds)
    )
    rank = sum(said[c] - expected[c] >= said[real] - expected[real] for c in said)
    apart = mean_interval([_apart(one, real) - _apart(expected, real) for one in seeds])
    chance = {"rank": rank, "num_candidates": len(said), "p_value": rank / len(said)}
    return chance | numbers(apart)


def _scores(part: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(own["score"].mean()) for name, own in part.groupby("question")}


def _apart(said: dict[str, float], real: str) -> float:
    decoys = [score for name, score in said.items() if name != real]
    return said[real] - sum(decoys) / len(decoys)


def by_system(questions: pd.DataFrame, contrasts: Sequence[Any]) -> list[dict[str, Any]]:
    """Every contrast of two groups on the suites that were asked under several system lines, once
    under each."""
    lines = [c for c in ("clean", *SYSTEMS) if c in set(questions["condition"])]
    if len(lines) < 2:
        return []
    several = questions.groupby("suite")["condition"].transform(
        lambda c: len(set(c) & set(lines)) > 1
    )
    pooled = questions[several & (questions["question"] == "all")]
    found = []
    for condition in lines:
        sides: list[Any] = [
            (f"{a}@{condition}", f"{b}@{condition}")
            for a, b in contrasts
            if isinstance(a, str) and isinstance(b, str) and "@" not in a + b
        ]
        mine = pooled[pooled["condition"] == condition]
        for record in contrast_estimates(mine, sides, None):
            label = f"{record['a'].partition('@')[0]} − {record['b'].partition('@')[0]}"
            found.append(
                {"condition": condition, "label": label, "suite": record["suite"]} | record
            )
    return found
