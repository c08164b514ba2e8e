"""Which figures a report has; study/captions.yaml has what stands under each, study/charts/ how it
is drawn."""

from pathlib import Path
from typing import Any

import pandas as pd

from lab.config import SYSTEMS
from lab.discover import beside
from lab.types import POOLED
from study.dose import family
from study.table import side_text

CAPTIONS: dict[str, tuple[str, str]] = beside(__file__, "captions")
"""Title and caption by figure."""
ESTIMATE = ["group", "condition", "suite", "behavior", "question"]
ESTIMATE += ["estimate", "ci_low", "ci_high", "num_seeds"]
"""Columns of the estimates by group, which a study without a readable answer has as well."""


def draw(
    out: Path,
    summary: dict[str, Any],
    rows: pd.DataFrame,
    questions: pd.DataFrame,
    loss: pd.DataFrame,
    points: dict[str, dict[str, Any]],
    written: dict[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Each figure as SVG and PNG in `figures/`, and its specification for the page. All but one
    show the condition `clean`."""
    from study.backdoors import TRIGGERED, trigger_scores
    from study.checkpoints import over_training
    from study.figures import chart, save, scale_bins, sweep_table

    groups = list(dict.fromkeys(rows["group"]))
    everywhere = pd.DataFrame(summary["groups"], columns=ESTIMATE)
    estimates, rows, questions = (
        t[t["condition"] == "clean"] for t in (everywhere, rows, questions)
    )
    seeds = (
        questions.groupby(
            ["group", "seed", "suite", "behavior", "question"], dropna=False, sort=False
        )["score"]
        .mean()
        .reset_index()
    )
    seeds["seed"] = seeds["seed"].astype("float")
    charts: dict[str, dict[str, Any]] = {}
    table = pd.DataFrame([c for c in summary["contrasts"] if c["question"] in POOLED])
    if len(table):
        several = table["behavior"].nunique() > 1
        named = table[["a", "b", "suite", "behavior", "question"]].itertuples(index=False)
        table["label"] = [
            f"{side_text(a)} \u2212 {side_text(b)}, {suite}{f' of {behavior}' * several} ({which})"
            for a, b, suite, behavior, which in named
        ]
        table["kind"] = table["primary"].map({True: "primary", False: "other"})
        charts["contrasts"] = chart("contrasts", table)
    swept = sweep_table(summary["contrasts"], points)
    if len(swept):
        charts["sweep"] = chart("sweep", swept)
    pooled = (
        questions[questions["question"] == "all"]
        .groupby(["group", "seed", "behavior", "suite"], dropna=False)["score"]
        .mean()
        .unstack("suite")
        .reset_index("behavior", drop=True)
        .reset_index()
        .reindex(columns=["group", "seed", "behavior", "self_report"])
    )
    if pooled[["behavior", "self_report"]].notna().all(axis=1).any():
        pooled["seed"] = pooled["seed"].astype("float")
        pooled["group"] = pooled["group"].map(lambda name: family(name, points))
        charts["does-and-says"] = chart(
            "does-and-says",
            pooled,
            groups=list(dict.fromkeys(family(name, points) for name in groups)),
        )
    several = rows["behavior"].nunique() > 1
    for suite, behavior in rows[["suite", "behavior"]].drop_duplicates().itertuples(index=False):
        mine, dots = (
            t[(t["suite"] == suite) & (t["behavior"] == behavior)] for t in (estimates, seeds)
        )
        # Free text has no score to draw.
        if suite == "which_trigger" or not len(mine):
            continue
        if mine["question"].nunique() == 2:
            mine, dots = (t[t["question"] != "all"] for t in (mine, dots))
        asked = [g for g in groups if g in set(mine["group"])]
        charts[f"questions-{suite}" + f"-{behavior}" * several] = chart(
            "questions", mine, dots=dots, groups=asked, pooled=POOLED
        )
    if summary.get("attack"):
        charts["attack"] = chart("attack", summary["attack"], groups=groups, conditions=TRIGGERED)
    if "which_trigger" in set(questions["suite"]):
        charts["which-trigger"] = chart("which-trigger", trigger_scores(questions, written))
    if summary.get("by_system"):
        charts["system-contrasts"] = chart("system-contrasts", summary["by_system"])
    systems = ["clean", *SYSTEMS]
    by_condition = everywhere[
        (everywhere["question"] == "all")
        & (everywhere["suite"] != "behavior")
        & everywhere["condition"].isin(systems)
    ]
    if by_condition["condition"].nunique() > 1:
        panels = by_condition["suite"] + " of " + by_condition["behavior"]
        charts["systems"] = chart("systems", by_condition.assign(panel=panels), groups=groups)
    if len({r["reported"] for r in summary["off_target"]}) > 1:
        charts["off-target"] = chart("off-target", summary["off_target"])
    trained = over_training(summary.get("curves", []))
    if len(trained):
        others = [g for g in groups if g != "base"]
        charts["over-training"] = chart("over-training", trained, groups=others)
    answers = scale_bins(rows)
    if len(answers):
        charts["scale-answers"] = chart("scale-answers", answers, groups=groups)
    if len(loss):
        charts["loss"] = chart("loss", loss, groups=[g for g in groups if g in set(loss["group"])])
    save(charts, out)
    counted, drawn = counts(questions), []
    for name, spec in charts.items():
        kind, _, of = name.partition("-") if name.startswith("questions-") else (name, "", "")
        title, caption = CAPTIONS[kind]
        drawn.append(
            {
                "name": name,
                "spec": spec,
                "title": title.format(of=of.replace("-", ", ")),
                "caption": f"{caption} {counted}",
            }
        )
    return drawn


def counts(questions: pd.DataFrame) -> str:
    """How many models and questions stand behind the figures."""
    models = sorted(set(questions.groupby("group")["seed"].nunique()) - {0})
    asked = questions[questions["question"] == "all"].groupby("suite", sort=False)["over"].nunique()
    of_suites = ", ".join(f"{name} {number}" for name, number in asked.items())
    seeds = " to ".join(str(n) for n in dict.fromkeys([models[0], models[-1]])) if models else "no"
    return f"Seeds a group: {seeds}. Questions: {of_suites}."
