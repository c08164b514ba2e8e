"""The last stage: rows.parquet, summary.json, figures and report.html, which is one file and needs
no network."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lab.specs import Stage
from lab.store.provenance import device, machine, write_provenance
from lab.store.store import Store, finite, write_json
from lab.store.trust import refuse_untrusted
from lab.track import PROJECT, run_id
from lab.types import POOLED
from tellme.report.analysis.backdoors import Planted, attack, by_system, recognition
from tellme.report.analysis.checkpoints import curve_estimates, questions_by_step
from tellme.report.analysis.contrasts import (
    contrast_estimates,
    group_estimates,
    per_question,
    per_wording,
)
from tellme.report.analysis.dose import between_and_within, instrumented, pairs
from tellme.report.analysis.off_target import off_target
from tellme.report.analysis.validity import battery
from tellme.report.answers import answers_shown, outside
from tellme.report.figures.draw import draw
from tellme.report.figures.tables import Measured
from tellme.report.gather import (
    Measurement,
    adapters,
    baselines,
    bases,
    examples,
    gather_rows,
    gather_trust,
    last_steps,
    losses,
    measurements,
)
from tellme.report.pages.page import environment


def write_study(stage: Stage, store: Store, out: Path) -> None:
    """Write the last folder of a study from what was measured; raises TrustError if a trust check
    failed."""
    began = time.time()
    measured = measurements(stage, store)
    rows, trust = gather_rows(measured), gather_trust(measured)
    refuse_untrusted(trust, stage.how.get("allow_untrusted", False))
    rows.to_parquet(out / "rows.parquet", index=False)
    last = rows[rows["step"].isna()]
    questions = per_question(per_wording(last))
    summary = summarize(stage, measured, rows, questions) | {"trust": trust}
    summary = finite(summary)
    write_json(out / "summary.json", summary)
    trained, points = adapters(measured), stage.config.get("points", {})
    triggers = {name: planted["feature"] for name, planted in stage.how["triggers"].items()}
    figures = draw(Measured(summary, last, questions, losses(trained), points, triggers), out)
    shown = examples(trained, store)
    page = render(stage, summary, last, figures, bases(measured), shown)
    (out / "report.html").write_text(page, encoding="utf-8")
    to_wandb = "wandb" in stage.how["report_to"]
    link = {"project": PROJECT, "id": run_id(stage.config["study"], stage.key)}
    inputs = sorted(stage.inputs.values())
    about = {"wandb": link if to_wandb else None}
    write_provenance(out, "study", stage.key, stage.how["written"], inputs, began, **about)


def summarize(
    stage: Stage,
    measured: Sequence[Measurement],
    rows: pd.DataFrame,
    questions: pd.DataFrame,
) -> dict[str, Any]:
    """`summary.json` but for the trust checks. `rows` are all rows, `questions` those of the end of
    training (analysis/contrasts.py, `per_question`)."""
    groups = stage.how["written"]["groups"]
    clean = rows[rows["step"].isna() & (rows["condition"] == "clean")]
    wordings, of_base = per_wording(clean), baselines(measured, groups)
    shuffled = {g["of"]: name for name, g in groups.items() if g.get("control") == "shuffled"}
    contrasts = stage.config["contrasts"]
    summary: dict[str, Any] = {
        "study": stage.config["study"],
        "key": stage.key,
        "groups": group_estimates(questions),
        "contrasts": contrast_estimates(questions, contrasts, stage.config["primary"]),
        "validity": battery(wordings, clean, of_base, shuffled),
        "off_target": off_target(wordings, of_base),
    }
    triggers = {name: Planted(**planted) for name, planted in stage.how["triggers"].items()}
    if triggers:
        summary["attack"] = attack(summary["groups"], triggers)
        summary["recognition"] = recognition(questions, triggers, groups)
    systems = by_system(questions, contrasts)
    if systems:
        summary["by_system"] = systems
    return summary | _over_doses(stage, measured, rows, questions)


def _over_doses(
    stage: Stage,
    measured: Sequence[Measurement],
    rows: pd.DataFrame,
    questions: pd.DataFrame,
) -> dict[str, Any]:
    """What models of different strength do and say: over training, and over the points of a
    sweep."""
    found: dict[str, Any] = {}
    points, directions = stage.config.get("points", {}), stage.how["directions"]
    by_step = {}
    if rows["step"].notna().any():
        by_step = questions_by_step(rows, last_steps(adapters(measured)))
        found["curves"] = curve_estimates(by_step)
    if points:
        models = pairs(questions, directions, points)
        runs = [
            pairs(table, directions, points).assign(step=step)
            for step, table in by_step.items()
            if step
        ]
        within = pd.concat(runs, ignore_index=True) if runs else None
        found["dose"] = instrumented(models, points)
        found["faithfulness"] = between_and_within(models, within)
    return found


def render(
    stage: Stage,
    summary: dict[str, Any],
    rows: pd.DataFrame,
    figures: list[dict[str, Any]],
    based_on: list[dict[str, Any]],
    shown: list[dict[str, Any]],
) -> str:
    """The page of a study."""
    counts = rows["engine"].value_counts().items()
    page: str = (
        environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            failed=[t for t in summary["trust"] if not t["passed"]],
            pooled=POOLED,
            figures=figures,
            examples=shown,
            answers=answers_shown(rows),
            num_rows=len(rows),
            outside=outside(rows),
            config=json.dumps(stage.how["written"], indent=1),
            machine=machine(),
            device=device(),
            bases=based_on,
            engines=", ".join(f"{name} ({count})" for name, count in counts),
        )
    )
    return page
