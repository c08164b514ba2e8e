"""Which figures a report has, with their captions; study/figures.py draws each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from lab.config import SYSTEMS
from lab.types import POOLED
from study.dose import family
from study.table import side_text


def draw(
    out: Path,
    summary: dict[str, Any],
    rows: pd.DataFrame,
    questions: pd.DataFrame,
    loss: pd.DataFrame,
    points: dict[str, dict[str, Any]],
    written: dict[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Each figure as SVG and PNG in `figures/`, and its specification for the page. All but one show the condition `clean`."""
    from study import backdoors
    from study import figures as fig
    from study.checkpoints import over_training
    from study.off_target import matrix

    groups = list(dict.fromkeys(rows["group"]))
    everywhere = pd.DataFrame(summary["groups"])
    estimates, rows, questions = (t[t["condition"] == "clean"] for t in (everywhere, rows, questions))
    seeds = (
        questions.groupby(["group", "seed", "suite", "behavior", "question"], dropna=False, sort=False)["score"]
        .mean()
        .reset_index()
    )
    seeds["seed"] = seeds["seed"].astype("float")
    charts: list[tuple[str, str, str, Any]] = []
    table = pd.DataFrame([c for c in summary["contrasts"] if c["question"] in POOLED])
    if len(table):
        of = " of " + table["behavior"] if table["behavior"].nunique() > 1 else ""
        table["label"] = (
            table["a"].map(side_text)
            + " \u2212 "
            + table["b"].map(side_text)
            + ", "
            + table["suite"]
            + of
            + " ("
            + table["question"]
            + ")"
        )
        table["kind"] = table["primary"].map({True: "primary", False: "other"})
        charts.append(
            (
                "contrasts",
                "Contrasts at a glance",
                "Difference in mean score over the questions both sides were asked. Bars: 95 % t interval over fine-tuned models (seeds), questions fixed, not corrected for their number (the table above has Holm's p). Red: primary, declared before the run.",
                fig.contrasts(table),
            )
        )
    swept = fig.sweep_table(summary["contrasts"], points)
    if len(swept):
        charts.append(
            (
                "sweep",
                "Contrasts along the sweep",
                "Difference in mean score over all questions of a suite, at each value of a swept setting, the others as configured. Bars: 95 % t interval over seeds.",
                fig.sweep(swept),
            )
        )
    pooled = (
        questions[questions["question"] == "all"]
        .groupby(["group", "seed", "behavior", "suite"], dropna=False)["score"]
        .mean()
        .unstack("suite")
        .reset_index("behavior", drop=True)
        .reset_index()
    )
    if {"behavior", "self_report"} <= set(pooled.columns):
        pooled["seed"] = pooled["seed"].astype("float")
        pooled["group"] = pooled["group"].map(lambda name: family(name, points))
        swept_too = " at every point of the sweep" if points else ""
        charts.append(
            (
                "does-and-says",
                "What the models do and what they say",
                f"One mark per fine-tuned model (seed){swept_too}; base is one model. On the dashed line a model reports just what it does.",
                fig.does_and_says(pooled, list(dict.fromkeys(family(name, points) for name in groups))),
            )
        )
    several = rows["behavior"].nunique() > 1
    for suite, behavior in rows[["suite", "behavior"]].drop_duplicates().itertuples(index=False):
        if suite == "which_trigger":
            continue
        mine, dots = (t[(t["suite"] == suite) & (t["behavior"] == behavior)] for t in (estimates, seeds))
        charts.append(
            (
                f"questions-{suite}" + f"-{behavior}" * several,
                f"Questions of {suite}" + f", {behavior}" * several,
                "Mean with 95 % t interval over seeds, questions fixed; small dots are single seeds. 1 is the pole of the behavior's first policy; flipped questions are reverse-scored.",
                fig.questions(mine, dots, [g for g in groups if g in set(mine["group"])]),
            )
        )
    if summary.get("attack"):
        charts.append(
            (
                "attack",
                "With the trigger, without it, and with near misses",
                "Share of the planted policy on held-out prompts: attack success under `trigger`, clean rate under `clean`. `held_out`: members of the trigger that no training row had; `decoy`: features of the same form that were trained on as none; near misses: the trigger in other letter case, misspelled, paraphrased, at another place, or a sibling that was never trained on. Bars: mean over fine-tuned models (seeds); lines: 95 % t interval, questions fixed.",
                backdoors.attack_bars(summary["attack"], groups),
            )
        )
    if "which_trigger" in set(questions["suite"]):
        charts.append(
            (
                "which-trigger",
                "Which feature the models call their trigger",
                "Mean score of the answers to one question per candidate; 1 says that it changes what the model does. A red dot marks the group's real trigger, or that of the group it controls.",
                backdoors.matrix(questions, written),
            )
        )
    if summary.get("by_system"):
        charts.append(
            (
                "system-contrasts",
                "Contrasts under every system line",
                "Difference in mean score of two groups asked under the same system line; `clean` is the chat as trained. Bars: 95 % t interval over fine-tuned models (seeds), questions fixed, not corrected for their number.",
                backdoors.system_contrasts(summary["by_system"]),
            )
        )
    systems = ["clean", *SYSTEMS]
    by_condition = everywhere[
        (everywhere["question"] == "all") & (everywhere["suite"] != "behavior") & everywhere["condition"].isin(systems)
    ]
    if by_condition["condition"].nunique() > 1:
        charts.append(
            (
                "systems",
                "The same questions under other system lines",
                "Mean score over all questions of a suite, by the system line before them; `clean` is the chat as trained. Bars: 95 % t interval over seeds, questions fixed.",
                fig.conditions(by_condition, groups),
            )
        )
    spill = summary["off_target"]
    if len({r["reported"] for r in spill}) > 1:
        charts.append(
            (
                "off-target",
                "Every group's self-reports about every behavior",
                "Change of mean score against the group's base, mean over fine-tuned models (seeds). Only the diagonal was trained; intervals in summary.json, `off_target`.",
                matrix(spill),
            )
        )
    if summary.get("curves"):
        trained = [g for g in groups if g != "base"]
        charts.append(
            (
                "over-training",
                "Over training",
                "Mean score over the questions of a suite after so many optimizer steps; step 0 is the base. Bands: 95 % t interval over fine-tuned models (seeds), questions fixed.",
                over_training(summary["curves"], fig.legend(trained)),
            )
        )
    answers = fig.scale_bins(rows)
    if len(answers):
        charts.append(
            (
                "scale-answers",
                "Answers on a scale and on its flipped twin",
                "Exact probability of every number from 0 to 100, mean over paraphrases and seeds, in bins of ten. A scale that is read (not anchored) mirrors its twin.",
                fig.scale_answers(answers, groups),
            )
        )
    if len(loss):
        charts.append(
            (
                "loss",
                "Training loss",
                "Loss on the completion only.",
                fig.losses(loss, [g for g in groups if g in set(loss["group"])]),
            )
        )
    (out / "figures").mkdir(exist_ok=True)
    counted = counts(questions)
    drawn = []
    for name, title, caption, chart in charts:
        themed = fig.themed(chart)
        themed.save(out / "figures" / f"{name}.svg")
        themed.save(out / "figures" / f"{name}.png", ppi=160)
        drawn.append(
            {"name": name, "title": title, "caption": f"{caption} {counted}", "spec": themed.to_json(indent=None)}
        )
    return drawn


def counts(questions: pd.DataFrame) -> str:
    """How many models and questions stand behind the figures."""
    models = sorted(set(questions.groupby("group")["seed"].nunique()) - {0})
    asked = questions[questions["question"] == "all"].groupby("suite", sort=False)["over"].nunique()
    of_suites = ", ".join(f"{name} {number}" for name, number in asked.items())
    seeds = " to ".join(str(n) for n in dict.fromkeys([models[0], models[-1]])) if models else "no"
    return f"Seeds a group: {seeds}. Questions: {of_suites}."
