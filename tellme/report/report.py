"""The last stage: rows.parquet, summary.json, figures and report.html, which is one file and needs
no network. Written from the run store alone: the same study is the same page wherever and whenever
it is written."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lab.agreed import POOLED
from lab.specs import Stage, StudySpec
from lab.store.provenance import write_provenance
from lab.store.registration import Standing
from lab.store.store import Store, finite, write_json
from lab.store.trust import Checked, refuse_untrusted
from lab.track import PROJECT, run_id
from tellme.report.analysis.backdoors import attack, recognition, triggers_of
from tellme.report.analysis.checkpoints import curve_estimates, questions_by_step
from tellme.report.analysis.contrasts import contrast_estimates, group_estimates
from tellme.report.analysis.dose import between_and_within, directions_of, instrumented, pairs
from tellme.report.analysis.formats import of_kinds
from tellme.report.analysis.hierarchy import hierarchy
from tellme.report.analysis.judged import judged
from tellme.report.analysis.off_target import off_target
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.analysis.sentences import NO_PRIMARY
from tellme.report.analysis.summary import OverDoses, Summary
from tellme.report.analysis.systems import by_system
from tellme.report.analysis.validity import battery
from tellme.report.analysis.verdict import verdicts
from tellme.report.answers import answers_shown, outside
from tellme.report.figures.draw import Shown, draw
from tellme.report.figures.tables import LOSSES, Measured
from tellme.report.gather import (
    BaseShown,
    Measurement,
    adapters,
    base_check,
    baselines,
    bases,
    declaration,
    examples,
    gather_rows,
    gather_trust,
    judges,
    last_steps,
    losses,
    makers,
    measurements,
    study_of,
)
from tellme.report.groups import group_lines
from tellme.report.pages.page import environment


def write_study(stage: Stage, store: Store, out: Path, allow_untrusted: bool) -> None:
    """Write the last folder of a study from what was measured; raises TrustError if a trust check
    failed, unless that is allowed."""
    began, spec = time.time(), study_of(stage)
    cells = measurements(spec, store)
    rows, base = gather_rows(cells), base_check(stage, store)
    trust = gather_trust(cells, base)
    refuse_untrusted(trust, allow_untrusted)
    final = rows[rows["step"].isna()]
    questions = per_question(per_wording(final))
    declared = declaration(spec, cells, store)
    summary: Summary = finite(summarize(stage.key, spec, cells, rows, questions, declared, trust))
    if base:
        summary["check"] = of_kinds(spec.formats, base["formats"])
    measured = Measured(spec, summary, final, questions, losses(adapters(cells)))
    rows.to_parquet(out / "rows.parquet", index=False)
    write_json(out / "summary.json", summary)
    write_json(out / LOSSES, measured.losses)
    page = render(stage, store, cells, measured, draw(measured, out))
    (out / "report.html").write_text(page, encoding="utf-8")
    link = None
    if "wandb" in stage.how.report_to:
        link = {"project": PROJECT, "id": run_id(spec.study, stage.key)}
    write_provenance(
        out,
        "study",
        stage.key,
        spec.identity(),
        sorted(set(stage.inputs.values())),
        began,
        written=json.loads(stage.how.written),
        wandb=link,
    )


def summarize(
    key: str,
    spec: StudySpec,
    cells: Sequence[Measurement],
    rows: pd.DataFrame,
    questions: pd.DataFrame,
    declared: Standing,
    trust: list[Checked],
) -> Summary:
    """`summary.json`. `rows` are all rows, `questions` those of the end of training
    (analysis/scores.py, `per_question`); `declared` is what may be said of the primary."""
    clean = rows[rows["step"].isna() & (rows["condition"] == "clean")]
    wordings, baseline_of = per_wording(clean), baselines(cells, spec.groups)
    shuffled = {
        group.of: name
        for name, group in spec.groups.items()
        if group.of and group.control == "shuffled"
    }
    summary: Summary = {
        "study": spec.study,
        "key": key,
        "registration": declared,
        "verdicts": verdicts(per_wording(rows[rows["step"].isna()]), spec),
        "groups": group_estimates(questions),
        "contrasts": contrast_estimates(questions, spec),
        "validity": battery(wordings, clean, baseline_of, shuffled),
        "off_target": off_target(wordings, baseline_of),
        "trust": trust,
    }
    if triggers_of(spec.groups):
        summary["attack"] = attack(summary["groups"], spec.groups, spec.moved)
        summary["recognition"] = recognition(questions, spec.groups)
    read = judged(rows[rows["step"].isna()])
    if read:
        summary["judged"] = read
    systems = by_system(questions, spec)
    if systems:
        summary["by_system"] = systems
    return {**summary, **_over_doses(spec, cells, rows, questions)}


def _over_doses(
    spec: StudySpec, cells: Sequence[Measurement], rows: pd.DataFrame, questions: pd.DataFrame
) -> OverDoses:
    found: OverDoses = {}
    by_step: dict[int, pd.DataFrame] = {}
    if rows["step"].notna().any():
        by_step = questions_by_step(rows, last_steps(adapters(cells)))
        found["curves"] = curve_estimates(by_step)
    if spec.points:
        directions = directions_of(spec.groups)
        models = pairs(questions, directions, spec.points)
        # Step 0 is the base, which is no checkpoint of a run.
        checkpoints = [
            pairs(table, directions, spec.points).assign(step=step)
            for step, table in by_step.items()
            if step
        ]
        runs = pd.concat(checkpoints, ignore_index=True) if checkpoints else None
        found["dose"] = instrumented(models, spec.points)
        found["faithfulness"] = between_and_within(models, runs)
    return found


def render(
    stage: Stage,
    store: Store,
    cells: Sequence[Measurement],
    measured: Measured,
    figures: Sequence[Shown],
) -> str:
    """The page of a study, with its figures as `draw` returns them."""
    rows, trained = measured.rows, adapters(cells)
    counts = rows["engine"].value_counts().items()
    written, loaded = json.loads(stage.how.written), bases(cells)
    template = environment().get_template("report.html.j2")
    return template.render(
        summary=measured.summary,
        standing=measured.summary["registration"],
        no_primary=NO_PRIMARY,
        tested=hierarchy(measured.summary),
        groups=group_lines(measured.summary["groups"], measured.questions),
        failed=[check for check in measured.summary["trust"] if not check["passed"]],
        pooled=POOLED,
        answers=answers_shown(rows),
        num_rows=len(rows),
        outside=outside(rows),
        config=json.dumps(written, indent=1),
        makers=makers(cells),
        engines=", ".join(f"{name} ({count})" for name, count in counts),
        figures=figures,
        base=_base_text(written["model"]["base"], loaded),
        bases=loaded,
        judges=judges(cells),
        examples=examples(trained, store),
        labels={name: group.label for name, group in measured.spec.groups.items()},
    )


def _base_text(name: str, loaded: Sequence[BaseShown]) -> str:
    """The base of a study as it is written, and what it is; of several what they are."""
    identities = ", ".join(dict.fromkeys(f"{base['identity']}" for base in loaded))
    return f"{name}, {identities}"
