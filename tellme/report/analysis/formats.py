"""Which formats of answers a base follows, from what it answered to questions of known answer."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from lab.formats import FORMATS, Described, Format
from lab.stats.intervals import LEVEL, MARGIN
from lab.stats.rates import rate_limits
from lab.stats.verdict import LEAST_LISTED
from lab.table import Bounds

CHANCE = 0.5
"""Of every format: whatever a model always says is right for half of the facts."""
MOST_ONE_SIDED = 0.75
"""Share of one answer, where half of the facts take the other: beyond it more than half of the
answers to those were the habit's."""
LEAST_TURN = 100 * MARGIN
"""Points by which a scale must follow its anchors. Of facts at opposite ends the scores differ by a
hundredth of them, and a difference within the margin counts as none."""
ROUNDING = 1e-9
"""Of a share of one half, which is right for nobody."""

Followed = Literal["followed", "not followed", "anchored", "biased", "yes-sayer", "at chance"]


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
    number_up: float | None
    """Mean number where 100 is the right end; None of what is no scale."""
    number_down: float | None
    """The same where 0 is."""
    followed: Followed
    said: str
    """The verdict in plain words."""


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
        "number_up": _number(prompts, up=True) if name == "scale" else None,
        "number_down": _number(prompts, up=False) if name == "scale" else None,
        "followed": "followed",
        "said": "",
    }
    record["followed"], record["said"] = verdict_on(record)
    return record


def _by_prompt(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per prompt: its listed mass, and of the listed answers alone the share that is right
    and the share of a habit. On a scale the share that is right is the mean number, counted from
    the wrong end."""
    within = rows["p"] / rows.groupby("number")["p"].transform("sum")
    weighted = rows.assign(
        right=within * rows["right"], habitual=within * rows["habitual"].astype("Float64")
    )
    lines = weighted.groupby("number", sort=False)
    return lines.agg(
        item=("item", "first"),
        turned=("turned", "first"),
        listed=("listed", "first"),
        right=("right", "sum"),
        habitual=("habitual", "sum"),
        up=("answer", "first"),
    ).assign(up=_right_end_up(rows))


def _right_end_up(rows: pd.DataFrame) -> pd.Series[bool]:
    """Of every prompt, whether the last of its answers is right: on a scale that is 100."""
    return rows.groupby("number", sort=False)["right"].last() == 1


def _number(prompts: pd.DataFrame, up: bool) -> float:
    """The mean number over the prompts in which the right end is up, or down."""
    right = float(prompts.loc[prompts["up"] == up, "right"].mean())
    return 100 * (right if up else 1 - right)


def verdict_on(record: FormatRecord) -> tuple[Followed, str]:
    """Whether a base follows a format, and in plain words why not: the first thing that is wrong
    counts."""
    if record["listed"] < LEAST_LISTED:
        return "not followed", f"not followed: listed mass {record['listed']:.3f}"
    up, down = record["number_up"], record["number_down"]
    if up is not None and down is not None and up - down < LEAST_TURN:
        both = f"{down:.0f} and {up:.0f}"
        return "anchored", f"anchored: {both}, the same number whichever way it is asked"
    habit = _habit(record)
    if habit is not None:
        return habit
    accuracy = f"accuracy {record['accuracy']:.2f}"
    if record["ci_low"] is None or record["ci_low"] <= CHANCE:
        return "at chance", f"at chance: {accuracy} of {record['num_items']} facts"
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
