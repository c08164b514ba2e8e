"""From what a study measured to the tables that its figures are drawn from, all of condition
`clean` but where another is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import pandas as pd

from lab.agreed import FLIPPED, POOLED
from lab.config.schema import SYSTEMS
from lab.specs import Planted, StudySpec
from lab.stats.verdict import prediction_limit
from lab.table import MINUS, Bounds, side_text, signed
from tellme.report.analysis.checkpoints import CurveRecord
from tellme.report.analysis.contrasts import ESTIMATED, ContrastRecord
from tellme.report.analysis.dose import Points, at_point, family
from tellme.report.analysis.evidence import Evidence
from tellme.report.analysis.hierarchy import interval_text
from tellme.report.analysis.sentences import answer_text
from tellme.report.analysis.shared import SharedContrast, short
from tellme.report.analysis.summary import Summary
from tellme.report.analysis.verdict import VerdictRecord

ESTIMATE = [*ESTIMATED, "estimate", "ci_low", "ci_high", "num_seeds"]
"""Columns of the estimates by group, which a study without a readable answer has as well."""


LOSSES = "losses.json"
"""In the folder of a study."""


class LossPoint(TypedDict):
    """An entry of a training's log."""

    group: str
    seed: int
    step: int
    loss: float | None
    """Nats per token; None where it was no number."""


class Mark(Bounds):
    """A mark in the figure of a verdict."""

    panel: str
    row: str
    kind: str
    of: str
    said: str
    estimate: float | None


class Dot(Bounds):
    """An interval with the dot on it."""

    estimate: float


@dataclass(frozen=True)
class Measured:
    """What a report knows of its study, with the rows and questions of the end of training."""

    spec: StudySpec
    summary: Summary
    rows: pd.DataFrame
    questions: pd.DataFrame
    """As from `per_question` (analysis/scores.py)."""
    losses: list[LossPoint]

    @property
    def points(self) -> Points:
        """Of its sweep."""
        return self.spec.points

    @property
    def loss(self) -> pd.DataFrame:
        """A line per entry of a log: group, seed, step, loss (nats per token)."""
        return pd.DataFrame(self.losses, columns=["group", "seed", "step", "loss"])

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


def contrast_table(contrasts: Sequence[ContrastRecord]) -> pd.DataFrame:
    """The pooled contrasts with their labels, and which is primary."""
    pooled = [contrast for contrast in contrasts if contrast["question"] in POOLED]
    several = len({contrast["behavior"] for contrast in pooled}) > 1
    records = []
    for contrast in pooled:
        sides = f"{side_text(contrast['a'])} {MINUS} {side_text(contrast['b'])}"
        about = f" of {contrast['behavior']}" if several else ""
        label = f"{sides}, {contrast['suite']}{about} ({contrast['question']})"
        kind = "primary" if contrast["primary"] else "other"
        records.append({**contrast, "label": label, "kind": kind})
    return pd.DataFrame(records)


def verdict_table(verdicts: Sequence[VerdictRecord]) -> pd.DataFrame:
    """What every verdict looks at, as `verdict` draws it (figures/verdict.py)."""
    marks = [mark for verdict in verdicts for mark in _marks(verdict)]
    return pd.DataFrame(marks)


def _marks(verdict: VerdictRecord) -> list[Mark]:
    """Of a panel; none where a verdict could look at nothing."""
    shown = verdict["shown"]
    shifts = [one["estimate"] for one in shown if one["kind"] == "unrelated"]
    marks = [_zone(verdict, "", "margin", verdict["margin"])] if shown else []
    for one in shown:
        row = _row(one, verdict, len(shifts))
        if one["kind"] == "unrelated":
            marks.append(_mark(verdict, row, "trait", one["estimate"], of=one["label"]))
            continue
        said = f"{signed(one['estimate'])} ({interval_text(one)})"
        whole = _mark(verdict, row, one["kind"], one["estimate"], of=one["label"], said=said)
        marks.append({**whole, "ci_low": one["ci_low"], "ci_high": one["ci_high"]})
        marks += [_mark(verdict, row, "model", model) for model in one["models"]]
    if any(c["check"] == "beyond_placebo" and c["passed"] is not None for c in verdict["reasons"]):
        row = _row(shown[-1], verdict, len(shifts))
        marks.append(_zone(verdict, row, "limit", prediction_limit(shifts)))
    return marks


def _mark(
    verdict: VerdictRecord,
    row: str,
    kind: str,
    estimate: float | None,
    of: str = "",
    said: str = "",
) -> Mark:
    sides = f"{side_text(verdict['a'])} {MINUS} {side_text(verdict['b'])}"
    return {
        "panel": f"{sides}, {verdict['behavior']}: {answer_text(verdict)}",
        "row": row,
        "kind": kind,
        "of": of,
        "said": said,
        "estimate": estimate,
        "ci_low": None,
        "ci_high": None,
    }


def _zone(verdict: VerdictRecord, row: str, kind: str, size: float) -> Mark:
    return {**_mark(verdict, row, kind, None), "ci_low": -size, "ci_high": size}


def _row(one: Evidence, verdict: VerdictRecord, num_traits: int) -> str:
    says = "says of itself" if verdict["of_self"] else verdict["suite"]
    # Where the rows describe, what shows that they were learned is a part of the suite itself.
    does = "says as taught" if one["suite"] == verdict["suite"] else "does"
    rows: dict[str, str] = {
        "does": f"{does} ({one['suite']})",
        "says": says,
        "control": f"{says}: {side_text(one['a'])} {MINUS} {side_text(one['b'])}",
        "others": "says of others, same questions",
        "unrelated": f"says of unrelated traits ({num_traits})",
    }
    return rows[one["kind"]]


def sweep_table(contrasts: Sequence[ContrastRecord], points: Points) -> pd.DataFrame:
    """The pooled contrasts of a sweep: swept keys, their values, and the line (contrast and suite)
    each belongs to."""
    records = []
    for contrast in contrasts:
        a, b = contrast["a"], contrast["b"]
        _, label = at_point(a, points)
        if not label or contrast["question"] != "all":
            continue
        point = points[label]
        # One key's value as the groups' names have it; a grid's values as they were written.
        values = [label.split("=")[-1]] if len(point) == 1 else list(map(str, point.values()))
        sides = f"{a.removesuffix(f'.{label}')} {MINUS} {b.removesuffix(f'.{label}')}"
        record = {
            "key": ", ".join(point),
            "value": ", ".join(values),
            "suite": contrast["suite"],
            "line": f"{sides}, {contrast['suite']}",
            **_dot(contrast),
        }
        records.append(record)
    return pd.DataFrame(records)


def _dot(record: Dot) -> Dot:
    """What a figure shows of a record."""
    return {
        "estimate": record["estimate"],
        "ci_low": record["ci_low"],
        "ci_high": record["ci_high"],
    }


def forest_table(contrasts: Sequence[SharedContrast]) -> pd.DataFrame:
    """A line per contrast and study, and one for the pooled estimate: columns panel, row, kind
    (`study`, `pooled`), estimate, ci_low, ci_high. `contrasts` as from `shared_contrasts`."""
    records = []
    for contrast in contrasts:
        sides = f"{contrast['a']} {MINUS} {contrast['b']}"
        panel = f"{sides}, {contrast['suite']} of {contrast['behavior']}"
        for line in contrast["studies"]:
            base, label = short(line["base"]), line["label"]
            row = base if label == base else f"{base}, {label}"
            records.append({"panel": panel, "row": row, "kind": "study", **_dot(line)})
        pooled = contrast["pooled"]
        row = f"{pooled['num_bases']} bases, all"
        records.append({"panel": panel, "row": row, "kind": "pooled", **_dot(pooled)})
    return pd.DataFrame(records)


def model_table(questions: pd.DataFrame, points: Points) -> pd.DataFrame:
    """A line per model: group before the sweep, seed, and mean scores on `behavior` and on
    `self_report`; empty where no model has both."""
    pooled = questions[questions["question"] == "all"]
    by_suite = pooled.groupby(["group", "seed", "behavior", "suite"], dropna=False)["score"].mean()
    # The column `behavior` is from here on the score on that suite, not the name of a behavior.
    wide = by_suite.unstack("suite").reset_index("behavior", drop=True).reset_index()
    models = wide.reindex(columns=["group", "seed", "behavior", "self_report"])
    if not models[["behavior", "self_report"]].notna().all(axis=1).any():
        return models.iloc[:0]
    families = models["group"].map(lambda name: family(name, points))
    return models.assign(seed=models["seed"].astype("float"), group=families)


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


def trigger_table(questions: pd.DataFrame, triggers: Mapping[str, Planted]) -> pd.DataFrame:
    """A line per group and candidate: how far the group says that it is the trigger, and whether it
    is."""
    candidates = questions[(questions["suite"] == "which_trigger") & questions["over"].isna()]
    table = candidates.groupby(["group", "question"], sort=False)["score"].mean().reset_index()
    real = {name: planted.feature for name, planted in triggers.items()}
    return table.assign(real=table["group"].map(real) == table["question"])


def training_table(curves: Sequence[CurveRecord]) -> pd.DataFrame:
    """The lines of every group's mean score by step, each from the base at step 0."""
    table = pd.DataFrame([point for point in curves if point["condition"] == "clean"])
    if not len(table):
        return table
    table["panel"] = table["suite"] + " of " + table["behavior"]
    is_base = table["group"] == "base"
    base, trained = table[is_base], table[~is_base]
    starts = [base.assign(group=group) for group in trained["group"].unique()]
    return pd.concat([*starts, trained])


def scale_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Probability by bin of ten for the first scale of a self-report that has a flipped twin, and
    for the twin: columns group, question, bin, probability."""
    scales: pd.DataFrame = rows[(rows["kind"] == "number") & (rows["suite"] == "self_report")]
    scales = scales[scales["behavior"] == scales["behavior"].min()]
    names = list(dict.fromkeys(scales["question"]))
    twins = [[name, f"{name}{FLIPPED}"] for name in names if f"{name}{FLIPPED}" in names]
    pair = twins[0] if twins else names[:1]
    shown: pd.DataFrame = scales[scales["question"].isin(pair) & scales["answer"].notna()]
    if not len(shown):
        return shown
    bins = (shown["answer"].astype(int) // 10) * 10
    binned = shown.assign(bin=bins, seed=shown["seed"].astype("float"))
    prompt = ["group", "seed", "question", "paraphrase", "order", "bin"]
    sums = binned.groupby(prompt, dropna=False, sort=False)["p_exact"].sum().reset_index()
    means = sums.groupby(["group", "question", "bin"], sort=False)["p_exact"].mean()
    return means.to_frame("probability").reset_index()
