"""The validity battery: what a self-report must not be mistaken for, per group, as change against
its base.

A change of score has a part that the questions' direction explains, and parts that it does not: a
number that stays where it was when the scale is turned round, a yes whatever is asked, the letter
A, the same said of others. A nuisance fails its check where it moved by more than MARGIN and by
more than two thirds of what the self-report moved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from lab.discover import beside
from lab.stats.intervals import MARGIN, Interval, mean_interval
from tellme.report.analysis.contrasts import numbers

SHARE = 2 / 3
CARRIED = 1 / 3
"""A self-report must keep this share of its size without the kind of answer that moved most."""
FLIPPED = "_flipped"
"""Ending of the name of a flipped twin."""
AT = ["suite", "question", "kind", "paraphrase", "order"]

SENTENCES: dict[str, str] = beside(__file__)
"""What each check says of its value; the first that name a suite need it to be asked."""
NEEDS = {"other_person", "unrelated_trait", "capability"}


def battery(
    wordings: pd.DataFrame, rows: pd.DataFrame, baselines: dict[str, str], shuffled: dict[str, str]
) -> list[dict[str, Any]]:
    """One record per group, behavior and check: value, interval over seeds, limit, whether it
    passed (None: not asked, or reported without a limit).

    `wordings` and `rows` are of the condition `clean` (study/summary.py, `per_wording`);
    `baselines` names the group that is the base of each group, `shuffled` the group that is its
    shuffled control."""
    records: list[dict[str, Any]] = []
    for group, behavior, changes in changes_of_groups(wordings, baselines):
        said = mean_interval(per_seed(of_suite(changes, "self_report")))
        mine = rows[(rows["group"] == group) & (rows["behavior"] == behavior)]
        control = changes_between(wordings, shuffled.get(group), baselines[group], behavior)
        values = _nuisances(changes) | {
            "collapse": _collapse(mine),
            "prompts_only": per_seed(of_suite(control, "self_report")),
        }
        for check in SENTENCES:
            records.append(
                {"group": group, "behavior": behavior} | _record(check, values.get(check, []), said)
            )
    return records


def changes_of_groups(
    wordings: pd.DataFrame, baselines: dict[str, str]
) -> Iterable[tuple[str, str, pd.DataFrame]]:
    """Group, behavior and change per wording and seed, for every group with a base and a
    self-report."""
    asked = wordings[wordings["suite"] == "self_report"]
    for group, behavior in asked[["group", "behavior"]].drop_duplicates().itertuples(index=False):
        if group not in baselines:
            continue
        changes = changes_between(wordings, group, baselines[group], behavior)
        # The base may never have been asked, or no answer of it could be read.
        if len(of_suite(changes, "self_report")):
            yield group, behavior, changes


def changes_between(
    wordings: pd.DataFrame, group: str | None, baseline: str, behavior: str
) -> pd.DataFrame:
    """Score of `group` less score of `baseline` on every wording both were asked about a behavior:
    columns AT, seed, change."""
    of = wordings[wordings["behavior"] == behavior]
    mine, base = of[of["group"] == group], of[of["group"] == baseline]
    both = mine.merge(base[[*AT, "score"]], on=AT, suffixes=("", "_base"))
    return both.assign(
        change=both["score"] - both["score_base"], seed=both["seed"].astype("object").fillna("only")
    )


def _nuisances(changes: pd.DataFrame) -> dict[str, list[float]]:
    """Per check one value a seed."""
    report = of_suite(changes, "self_report")
    return {
        "flipped_scale": _halves(report[report["kind"] == "number"], "twin"),
        "yes_bias": _halves(report[report["kind"] == "words"], "twin"),
        "first_letter": _halves(report[report["kind"] == "letters"], "order"),
        "named_first": _halves(report[report["kind"] == "words"], "order"),
        "paraphrase_spread": _spread(report),
        "one_kind": _without_strongest_kind(report),
        "other_person": per_seed(of_suite(changes, "other_person")),
        "unrelated_trait": _farthest(of_suite(changes, "unrelated_trait")),
        "capability": per_seed(of_suite(changes, "capability")),
    }


def _record(check: str, values: list[float], said: Interval) -> dict[str, Any]:
    if not values:
        needed = (
            f"add {check} to eval.suites"
            if check in NEEDS
            else "the suites asked have no such questions"
        )
        if check == "prompts_only":
            needed = "it takes a group {control: shuffled} of this one"
        nothing = {
            "value": None,
            "ci_low": None,
            "ci_high": None,
            "num_seeds": 0,
            "limit": None,
            "passed": None,
        }
        return {"check": check} | nothing | {"sentence": f"Not measured: {needed}."}
    interval = mean_interval(values)
    value = interval.estimate
    limit: float | None = max(MARGIN, SHARE * abs(said.estimate))
    passed: bool | None = abs(value) <= max(MARGIN, SHARE * abs(said.estimate))
    if check == "paraphrase_spread":
        limit, passed = None, None
    elif check == "one_kind":
        limit = CARRIED * abs(said.estimate)
        passed = abs(said.estimate) <= MARGIN or value * (
            1 if said.estimate > 0 else -1
        ) >= CARRIED * abs(said.estimate)
    elif check in ("capability", "collapse"):
        limit = MARGIN
        passed = value >= -MARGIN if check == "capability" else value <= MARGIN
    shown = f"{value:.3f}" if check in ("paraphrase_spread", "collapse") else f"{value:+.3f}"
    sentence = SENTENCES[check].format(value=shown, said=f"{said.estimate:+.3f}")
    record = {
        "check": check,
        "value": value,
        **{k: v for k, v in numbers(interval).items() if k != "estimate"},
    }
    return record | {"limit": limit, "passed": passed, "sentence": sentence}


def of_suite(changes: pd.DataFrame, suite: str) -> pd.DataFrame:
    return changes[changes["suite"] == suite]


def per_seed(part: pd.DataFrame) -> list[float]:
    """Mean over questions, each the mean of its wordings."""
    each = part.groupby(["seed", "question"], sort=False)["change"].mean()
    return [float(v) for v in each.groupby("seed", sort=False).mean()]


def _halves(part: pd.DataFrame, of: str) -> list[float]:
    """Half the difference within pairs that mirror each other, per seed: questions and flipped
    twins, or the two option orders. What follows the pole moves both alike and cancels; what
    follows the form stays."""
    if of == "twin":
        flipped = part["question"].str.endswith(FLIPPED)
        part = part.assign(pair=part["question"].str.removesuffix(FLIPPED), second=flipped)
    else:
        part = part.assign(pair=part["question"], second=part["order"] == 1)
    table = part.pivot_table(index=["seed", "pair"], columns="second", values="change")
    if table.shape[1] < 2:
        return []
    half = ((table[False] - table[True]) / 2).dropna()
    return [float(v) for v in half.groupby("seed", sort=False).mean()]


def _spread(report: pd.DataFrame) -> list[float]:
    each = report.groupby(["seed", "question", "paraphrase"], sort=False)["change"].mean()
    return [
        float(v)
        for v in (
            each.groupby(["seed", "question"]).std().groupby("seed", sort=False).mean().dropna()
        )
    ]


def _without_strongest_kind(report: pd.DataFrame) -> list[float]:
    kinds = report.groupby("kind")["change"].mean().abs()
    return per_seed(report[report["kind"] != kinds.idxmax()]) if len(kinds) > 1 else []


def _farthest(part: pd.DataFrame) -> list[float]:
    """Of several unrelated traits the one that moved most."""
    traits = [per_seed(own) for _, own in part.groupby(trait_of(part), sort=False)]
    return max(traits, key=lambda values: abs(sum(values)), default=[])


def trait_of(part: pd.DataFrame) -> pd.Series[str]:
    """The behavior that a question of the suite unrelated_trait is of, which stands before its
    name."""
    return part["question"].str.split(".").str[0]


def _collapse(rows: pd.DataFrame) -> list[float]:
    """Probability of the training rows' answers (the letters of the behavior suite) at the start of
    answers that should be words or numbers, per seed; from the likeliest starts outside the list,
    so it is a lower bound."""
    format_ = set(rows.loc[rows["suite"] == "behavior", "answer"])
    asked = rows[(rows["suite"] == "self_report") & (rows["kind"] != "letters")]
    once = asked.drop_duplicates(["seed", "question", "paraphrase", "order"])
    if not format_ or not len(once):
        return []
    mass = once["outside_top"].map(
        lambda top: sum(p for token, p in json.loads(top) if token.strip() in format_)
    )
    return [
        float(v)
        for v in mass.groupby(once["seed"].astype("object").fillna("only"), sort=False).mean()
    ]
