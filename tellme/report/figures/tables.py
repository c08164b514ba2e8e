"""From what a study measured to the tables that its figures are drawn from, all of condition
`clean` but where another is named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lab.config.schema import SYSTEMS
from lab.types import POOLED
from tellme.report.analysis.dose import family
from tellme.report.table import side_text

INTERVAL = ("estimate", "ci_low", "ci_high")
ESTIMATE = ["group", "condition", "suite", "behavior", "question", *INTERVAL, "num_seeds"]
"""Columns of the estimates by group, which a study without a readable answer has as well."""
MINUS = "\u2212"


@dataclass(frozen=True)
class Measured:
    """What a report knows of its study: the summary, every row and question, the losses, the points
    of its sweep, and the name of each group's real trigger."""

    summary: dict[str, Any]
    rows: pd.DataFrame
    questions: pd.DataFrame
    loss: pd.DataFrame
    points: dict[str, dict[str, Any]]
    triggers: dict[str, str]

    @property
    def groups(self) -> list[str]:
        """In the order of the study, which is that of colors."""
        return list(dict.fromkeys(self.rows["group"]))

    @property
    def estimates(self) -> pd.DataFrame:
        """A line per group, condition, suite, behavior and question."""
        return pd.DataFrame(self.summary["groups"], columns=ESTIMATE)

    def only_clean(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Estimates, rows and questions of the chat as trained."""
        tables = (self.estimates, self.rows, self.questions)
        first, second, third = (t[t["condition"] == "clean"] for t in tables)
        return first, second, third


def contrast_table(contrasts: list[dict[str, Any]]) -> pd.DataFrame:
    """The pooled contrasts with their labels, and which is primary."""
    table = pd.DataFrame([c for c in contrasts if c["question"] in POOLED])
    if not len(table):
        return table
    several = table["behavior"].nunique() > 1
    named = table[["a", "b", "suite", "behavior", "question"]].itertuples(index=False)
    labels = []
    for a, b, suite, behavior, which in named:
        of = f" of {behavior}" if several else ""
        labels.append(f"{side_text(a)} {MINUS} {side_text(b)}, {suite}{of} ({which})")
    kinds = table["primary"].map({True: "primary", False: "other"})
    return table.assign(label=labels, kind=kinds)


def sweep_table(contrasts: list[dict[str, Any]], points: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """The pooled contrasts of a sweep: swept keys, their values, and the line (contrast and suite)
    each belongs to."""
    records = []
    for c in contrasts:
        label = next((label for label in points if c["a"].endswith(f".{label}")), None)
        if label is None or c["question"] != "all":
            continue
        sides = f" {MINUS} ".join(c[side].removesuffix(f".{label}") for side in "ab")
        point = points[label]
        # One key's value as the groups' names have it; a grid's values as they were written.
        values = [label.split("=")[-1]] if len(point) == 1 else list(map(str, point.values()))
        swept = {"key": ", ".join(point), "value": ", ".join(values), "suite": c["suite"]}
        swept["line"] = f"{sides}, {c['suite']}"
        records.append(swept | {k: c[k] for k in INTERVAL})
    return pd.DataFrame(records)


def model_table(questions: pd.DataFrame, points: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """A line per model: group before the sweep, seed, and mean scores on `behavior` and on
    `self_report`; empty where no model has both."""
    pooled = (
        questions[questions["question"] == "all"]
        .groupby(["group", "seed", "behavior", "suite"], dropna=False)["score"]
        .mean()
        .unstack("suite")
        .reset_index("behavior", drop=True)
        .reset_index()
        .reindex(columns=["group", "seed", "behavior", "self_report"])
    )
    if not pooled[["behavior", "self_report"]].notna().all(axis=1).any():
        return pooled.iloc[:0]
    families = pooled["group"].map(lambda name: family(name, points))
    return pooled.assign(seed=pooled["seed"].astype("float"), group=families)


def seed_table(questions: pd.DataFrame) -> pd.DataFrame:
    """The score of every single seed on every question."""
    by = ["group", "seed", "suite", "behavior", "question"]
    seeds = questions.groupby(by, dropna=False, sort=False)["score"].mean().reset_index()
    return seeds.assign(seed=seeds["seed"].astype("float"))


def system_table(estimates: pd.DataFrame) -> pd.DataFrame:
    """Pooled estimates by system line; empty where questions were asked under one line only."""
    lines = ["clean", *SYSTEMS]
    pooled = (estimates["question"] == "all") & (estimates["suite"] != "behavior")
    table = estimates[pooled & estimates["condition"].isin(lines)]
    if table["condition"].nunique() < 2:
        return table.iloc[:0]
    return table.assign(panel=table["suite"] + " of " + table["behavior"])


def trigger_table(questions: pd.DataFrame, triggers: dict[str, str]) -> pd.DataFrame:
    """A line per group and candidate: how far the group says that it is the trigger, and whether it
    is."""
    mine = questions[(questions["suite"] == "which_trigger") & questions["over"].isna()]
    table = mine.groupby(["group", "question"], sort=False)["score"].mean().reset_index()
    return table.assign(real=table["group"].map(triggers) == table["question"])


def training_table(curves: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The lines of every group's mean score by step, each from the base at step 0."""
    table = pd.DataFrame([c for c in curves if c["condition"] == "clean"])
    if not len(table):
        return table
    table["panel"] = table["suite"] + " of " + table["behavior"]
    of_base = table["group"] == "base"
    starts, rest = table[of_base], table[~of_base]
    return pd.concat([*(starts.assign(group=group) for group in rest["group"].unique()), rest])


def scale_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Probability by bin of ten for the first scale of a self-report that has a flipped twin, and
    for the twin."""
    numbers: pd.DataFrame = rows[(rows["kind"] == "number") & (rows["suite"] == "self_report")]
    numbers = numbers[numbers["behavior"] == numbers["behavior"].min()]
    names = list(dict.fromkeys(numbers["question"]))
    pair = next(([n, f"{n}_flipped"] for n in names if f"{n}_flipped" in names), names[:1])
    kept: pd.DataFrame = numbers[numbers["question"].isin(pair) & numbers["answer"].notna()]
    if not len(kept):
        return kept
    bins = (kept["answer"].astype(int) // 10) * 10
    kept = kept.assign(bin=bins, seed=kept["seed"].astype("float"))
    by = ["group", "seed", "question", "paraphrase", "order", "bin"]
    summed = kept.groupby(by, dropna=False, sort=False)["p_exact"].sum().reset_index()
    mean = summed.groupby(["group", "question", "bin"], sort=False)["p_exact"].mean()
    return mean.rename("probability").reset_index()
