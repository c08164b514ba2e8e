"""Which formats of answers a base follows, from what it answered to questions of known answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

import pandas as pd

from lab.formats import FORMATS, Described, Format
from lab.stats.intervals import LEVEL, MARGIN
from lab.stats.rates import rate_limits
from lab.stats.verdict import LEAST_LISTED
from lab.table import Bounds
from tellme.report.analysis.measurable import kind_of

CHANCE = 0.5
"""Of every format: whatever a model always says is right for half of the facts."""
MOST_ONE_SIDED = 0.75
"""Share of one answer, where half of the facts take the other: beyond it more than half of the
answers to those were the habit's."""
LEAST_TURN = 100 * MARGIN
"""Points by which a number must move when the ends of its scale are exchanged. Scores of facts at
opposite ends differ by a hundredth of them at most, and a difference within the margin is none."""
ROUNDING = 1e-9
"""Of a share of one half, which is right for nobody."""

Followed = Literal[
    "followed", "not followed", "anchored", "biased", "yes-sayer", "at chance", "below chance"
]


class FormatRecord(Bounds):
    """What a base does in one format. The interval is of the accuracy."""

    format: Format
    condition: str
    """`clean` as chats are, else the name of a system line."""
    listed: float
    """Mean listed mass; of free words the share of single words."""
    accuracy: float
    """Share of facts to which the right answers are likelier, all orders and twins together."""
    num_items: int
    """Facts."""
    num_prompts: int
    share: float | None
    """Of the answer of a habit (lab/formats.py) among the listed ones, which is ½ without one; None
    where the format has none."""
    number: float | None
    """The mean answer; None of what is no scale, as is the next."""
    turn: float | None
    """Mean size of the difference of numbers between both ways round."""
    followed: Followed
    said: str
    """The verdict in plain words."""


class KindRecord(TypedDict):
    """What is known of a base in the format of a kind of question that a study asks."""

    kind: str
    format: Format
    followed: Followed
    said: str
    listed: float
    accuracy: float


def of_kinds(asked: Mapping[str, Format], found: Sequence[FormatRecord]) -> list[KindRecord]:
    """The records of a check for every kind of question that a study asks, given as the format of
    each question by its name; of chats as they are. None for a format that its base was not asked.
    """
    clean = {record["format"]: record for record in found if record["condition"] == "clean"}
    kinds = {kind_of(question): name for question, name in asked.items() if name in clean}
    return [
        {
            "kind": kind,
            "format": name,
            "followed": clean[name]["followed"],
            "said": clean[name]["said"],
            "listed": clean[name]["listed"],
            "accuracy": clean[name]["accuracy"],
        }
        for kind, name in kinds.items()
    ]


def formats(rows: pd.DataFrame) -> list[FormatRecord]:
    """A record for every format and condition, in the order of lab/formats.py. `rows` as from
    eval/check/answers.py."""
    found = []
    for name, described in FORMATS.items():
        of_format = rows[rows["format"] == name]
        for condition in of_format["condition"].unique():
            found.append(_record(name, described, of_format[of_format["condition"] == condition]))
    return found


def _record(name: Format, described: Described, rows: pd.DataFrame) -> FormatRecord:
    prompts = _by_prompt(rows)
    right = prompts.groupby("item", sort=False)["right"].mean() > CHANCE + ROUNDING
    count, total = int(right.sum()), len(right)
    low, high = rate_limits(count, total, (1 + LEVEL) / 2)
    record: FormatRecord = {
        "format": name,
        "condition": str(rows["condition"].iloc[0]),
        "listed": float(prompts["listed"].mean()),
        "accuracy": count / total,
        "ci_low": low,
        "ci_high": high,
        "num_items": total,
        "num_prompts": len(prompts),
        "share": None if described.habit is None else float(prompts["habitual"].mean()),
        "number": float(prompts["number_said"].mean()) if name == "scale" else None,
        "turn": _turn(prompts) if name == "scale" else None,
        "followed": "followed",
        "said": "",
    }
    record["followed"], record["said"] = verdict_on(record)
    return record


def _by_prompt(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per prompt: its listed mass, and of the listed answers alone the share that is right,
    the share of a habit, and of a scale the mean number."""
    within = rows["p"] / rows.groupby("number")["p"].transform("sum")
    numbers = pd.to_numeric(rows["answer"], errors="coerce").astype("Float64")
    weighted = rows.assign(
        right=within * rows["right"],
        habitual=within * rows["habitual"].astype("Float64"),
        number_said=within * numbers,
    )
    return weighted.groupby("number", sort=False).agg(
        item=("item", "first"),
        turned=("turned", "first"),
        listed=("listed", "first"),
        right=("right", "sum"),
        habitual=("habitual", "sum"),
        number_said=("number_said", "sum"),
    )


def _turn(prompts: pd.DataFrame) -> float:
    ways = prompts.pivot_table(index="item", columns="turned", values="number_said")
    return float((ways[True] - ways[False]).abs().mean())


def verdict_on(record: FormatRecord) -> tuple[Followed, str]:
    """Whether a base follows a format, and in plain words why not: the first thing that is wrong
    counts."""
    if record["listed"] < LEAST_LISTED:
        return "not followed", f"not followed: listed mass {record['listed']:.3f}"
    number, turn = record["number"], record["turn"]
    if number is not None and turn is not None and turn < LEAST_TURN:
        about = f"about {number:.0f}, and moves by {turn:.0f}"
        return "anchored", f"anchored: the same number whichever way it is asked ({about})"
    habit = _habit(record)
    if habit is not None:
        return habit
    accuracy = f"accuracy {record['accuracy']:.2f}"
    if record["ci_low"] is None or record["ci_low"] <= CHANCE:
        below = record["ci_high"] is not None and record["ci_high"] < CHANCE
        chance: Followed = "below chance" if below else "at chance"
        return chance, f"{chance}: {accuracy} of {record['num_items']} facts"
    return "followed", f"followed: {accuracy}"


def _habit(record: FormatRecord) -> tuple[Followed, str] | None:
    """The habit of a base, where it has one."""
    described, share = FORMATS[record["format"]], record["share"]
    if share is None or max(share, 1 - share) <= MOST_ONE_SIDED:
        return None
    said, most = (described.habit, share) if share > CHANCE else (described.other, 1 - share)
    if said == "yes":
        return "yes-sayer", f"yes-sayer: says yes to {most:.0%}"
    return "biased", f"biased: says {said} to {most:.0%}"
