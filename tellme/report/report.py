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
from tellme.report.analysis.backdoors import Planted, attack, recognition
from tellme.report.analysis.checkpoints import curve_estimates, questions_by_step
from tellme.report.analysis.contrasts import (
    contrast_estimates,
    group_estimates,
    per_question,
    per_wording,
)
from tellme.report.analysis.dose import between_and_within, instrumented, pairs
from tellme.report.analysis.off_target import off_target
from tellme.report.analysis.systems import by_system
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
    final = rows[rows["step"].isna()]
    questions = per_question(per_wording(final))
    summary = finite({**summarize(stage, measured, rows, questions), "trust": trust})
    write_json(out / "summary.json", summary)
    trained = adapters(measured)
    drawn_from = Measured(
        summary=summary,
        rows=final,
        questions=questions,
        loss=losses(trained),
        points=stage.config.get("points", {}),
        triggers={name: trigger["feature"] for name, trigger in stage.how["triggers"].items()},
    )
    page = render(
        stage,
        summary,
        final,
        figures=draw(drawn_from, out),
        bases=bases(measured),
        examples=examples(trained, store),
    )
    (out / "report.html").write_text(page, encoding="utf-8")
    link = None
    if "wandb" in stage.how["report_to"]:
        link = {"project": PROJECT, "id": run_id(stage.config["study"], stage.key)}
    inputs = sorted(stage.inputs.values())
    write_provenance(out, "study", stage.key, stage.how["written"], inputs, began, wandb=link)


def summarize(
    stage: Stage,
    measured: Sequence[Measurement],
    rows: pd.DataFrame,
    questions: pd.DataFrame,
) -> dict[str, Any]:
    """`summary.json` but for the trust checks. `rows` are all rows, `questions` those of the end of
    training (analysis/contrasts.py, `per_question`)."""
    groups, contrasts = stage.how["written"]["groups"], stage.config["contrasts"]
    clean = rows[rows["step"].isna() & (rows["condition"] == "clean")]
    wordings, baseline_of = per_wording(clean), baselines(measured, groups)
    shuffled = {g["of"]: name for name, g in groups.items() if g.get("control") == "shuffled"}
    estimates = group_estimates(questions)
    summary: dict[str, Any] = {
        "study": stage.config["study"],
        "key": stage.key,
        "groups": estimates,
        "contrasts": contrast_estimates(questions, contrasts, stage.config["primary"]),
        "validity": battery(wordings, clean, baseline_of, shuffled),
        "off_target": off_target(wordings, baseline_of),
    }
    triggers = {name: Planted(**trigger) for name, trigger in stage.how["triggers"].items()}
    if triggers:
        summary["attack"] = attack(estimates, triggers)
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
    summary: dict[str, Any] = {}
    by_step: dict[int, pd.DataFrame] = {}
    if rows["step"].notna().any():
        by_step = questions_by_step(rows, last_steps(adapters(measured)))
        summary["curves"] = curve_estimates(by_step)
    points, directions = stage.config.get("points", {}), stage.how["directions"]
    if points:
        models = pairs(questions, directions, points)
        # Step 0 is the base, which is no checkpoint of a run.
        checkpoints = [
            pairs(table, directions, points).assign(step=step)
            for step, table in by_step.items()
            if step
        ]
        runs = pd.concat(checkpoints, ignore_index=True) if checkpoints else None
        summary["dose"] = instrumented(models, points)
        summary["faithfulness"] = between_and_within(models, runs)
    return summary


def render(stage: Stage, summary: dict[str, Any], rows: pd.DataFrame, **shown: Any) -> str:
    """The page of a study. `rows` are those of the end of training; `shown` are the figures as
    `draw` returns them, and the bases and examples of gather.py."""
    counts = rows["engine"].value_counts().items()
    page: str = (
        environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            failed=[check for check in summary["trust"] if not check["passed"]],
            pooled=POOLED,
            answers=answers_shown(rows),
            num_rows=len(rows),
            outside=outside(rows),
            config=json.dumps(stage.how["written"], indent=1),
            machine=machine(),
            device=device(),
            engines=", ".join(f"{name} ({count})" for name, count in counts),
            **shown,
        )
    )
    return page
