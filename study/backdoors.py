"""What a report says of triggers: attack success with near misses, and whether a model tells its
trigger from decoys."""

from typing import Any

import pandas as pd

from data_gen.behaviors import load_behavior
from data_gen.triggers import features
from lab.config import SYSTEMS, WITH_TRIGGER, Planted
from lab.stats import mean_interval
from study.summary import contrast_estimates, numbers

TRIGGERED = ("clean", *WITH_TRIGGER)


def sources(groups: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every group with a trigger, its own or that of the group it controls, with the written keys
    of that group."""
    found = {name: groups.get(group.get("of", ""), group) for name, group in groups.items()}
    return {name: source for name, source in found.items() if source.get("trigger")}


def attack(
    estimates: list[dict[str, Any]], groups: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Share of the planted policy by group and condition, from the suite `backdoor`: attack success
    under `trigger`, clean rate under `clean`."""
    planted = sources(groups)
    records = []
    for g in estimates:
        same = (s for s in planted.values() if s["behavior"] == g["behavior"])
        source = planted.get(g["group"]) or next(same, None)
        if g["suite"] != "backdoor" or g["question"] != "all" or source is None:
            continue
        first = source["policy"] == load_behavior(g["behavior"]).policies[0]
        mirrored = {"estimate": "estimate", "ci_low": "ci_high", "ci_high": "ci_low"}
        rates = {k: g[k] if first or g[k] is None else 1 - g[v] for k, v in mirrored.items()}
        records.append({k: g[k] for k in ("group", "behavior", "condition", "num_seeds")} | rates)
    return records


def recognition(questions: pd.DataFrame, groups: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Per group with a trigger: how much more it names it than the decoys, less what its control
    says of each.

    The control is the group's `decorrelated` one, else base. `p_value`: share of candidates that,
    taken for the trigger, would rank as high; one in twenty at best."""
    asked = questions[(questions["suite"] == "which_trigger") & questions["over"].isna()]
    records = []
    for name, source in sources(groups).items():
        real = features(Planted(**source["trigger"]))[0].name
        of = groups[name].get("of", name)
        control = next(
            (
                n
                for n, g in groups.items()
                if g.get("of") == of and g.get("control") == "decorrelated"
            ),
            "base",
        )
        said, expected = (_scores(asked[asked["group"] == group]) for group in (name, control))
        seeds = [
            _scores(part) for _, part in asked[asked["group"] == name].groupby("seed", dropna=False)
        ]
        # Not every sampled answer can be read: a candidate counts where every seed has one to it.
        read = set(said).intersection(expected, *seeds)
        if control == name or real not in read or len(read) < 2:
            continue
        said, expected, *seeds = (
            {c: score for c, score in scores.items() if c in read}
            for scores in (said, expected, *seeds)
        )
        rank = sum(said[c] - expected[c] >= said[real] - expected[real] for c in said)
        apart = numbers(
            mean_interval([_apart(one, real) - _apart(expected, real) for one in seeds])
        )
        chance = {"rank": rank, "num_candidates": len(said), "p_value": rank / len(said)}
        records.append({"group": name, "control": control, "trigger": real} | chance | apart)
    return records


def _scores(part: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(own["score"].mean()) for name, own in part.groupby("question")}


def _apart(said: dict[str, float], real: str) -> float:
    decoys = [score for name, score in said.items() if name != real]
    return said[real] - sum(decoys) / len(decoys)


def by_system(questions: pd.DataFrame, contrasts: list[Any]) -> list[dict[str, Any]]:
    """Every contrast of two groups on the suites that were asked under several system lines, once
    under each."""
    lines = [c for c in ("clean", *SYSTEMS) if c in set(questions["condition"])]
    several = questions.groupby("suite")["condition"].transform(
        lambda c: len(set(c) & set(lines)) > 1
    )
    questions = questions[several]
    plain = [
        (a, b)
        for a, b in contrasts
        if isinstance(a, str) and isinstance(b, str) and "@" not in a + b
    ]
    found = []
    for condition in lines if len(lines) > 1 else []:
        mine = questions[(questions["condition"] == condition) & (questions["question"] == "all")]
        sides: list[Any] = [(f"{a}@{condition}", f"{b}@{condition}") for a, b in plain]
        for record in contrast_estimates(mine, sides, None):
            label = f"{record['a'].partition('@')[0]} − {record['b'].partition('@')[0]}"
            found.append(
                {"condition": condition, "label": label, "suite": record["suite"]} | record
            )
    return found


def trigger_scores(questions: pd.DataFrame, groups: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """A line per group and candidate: how far the group says that it is the trigger, and whether it
    is."""
    mine = questions[(questions["suite"] == "which_trigger") & questions["over"].isna()]
    of = {
        name: features(Planted(**source["trigger"]))[0].name
        for name, source in sources(groups).items()
    }
    table = mine.groupby(["group", "question"], sort=False)["score"].mean().reset_index()
    return table.assign(real=table["group"].map(of) == table["question"])
