"""A finished study in wandb: a run per adapter and one for the study, written from the run store,
in one piece each."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from lab.errors import first_line
from lab.specs import Stage
from lab.store.rows import load
from lab.store.store import Store, read_json
from lab.track import curve_keys, open_run
from lab.types import Fields
from tellme.report.analysis.dose import Points
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.analysis.summary import Summary, read_summary
from tellme.report.figures.tables import sweep_table
from tellme.report.gather import adapters, measurements, study_of

SHOWN = (
    "suite",
    "behavior",
    "condition",
    "question",
    "paraphrase",
    "order",
    "step",
    "answer",
    "score",
    "p_exact",
    "outside",
    "prompt",
)
"""Columns of rows.parquet in the table of an adapter."""
LIKELY = 1e-3
"""Answers less probable are left out of it: most of the numbers of a scale."""
CONTRAST = (
    "suite",
    "behavior",
    "question",
    "a",
    "b",
    "estimate",
    "ci_low",
    "ci_high",
    "p_value",
    "p_adjusted",
    "family",
    "primary",
    "num_seeds",
    "num_questions",
)
"""Of a contrast, in the table of the study."""
CELLS = {"f": float, "i": int, "b": bool}
"""Type of a column's cells by the kind of its dtype; text otherwise."""

Model = tuple[str, int]
"""Group and seed."""


def mirror(stage: Stage, store: Store, folder: Path) -> None:
    """Write every adapter's curve, configuration, scores and rows, and the study's contrasts,
    figures and report.

    Raises what wandb raises where the network does not answer."""
    rows = load(folder)
    questions = per_question(per_wording(rows[rows["step"].isna()]))
    pooled = questions[(questions["question"] == "all") & questions["seed"].notna()]
    # Groups that are trained alike share an adapter, its run and its numbers.
    models: dict[Path, list[Model]] = {}
    for model, trained in adapters(measurements(study_of(stage), store)).items():
        models.setdefault(trained, []).append(model)
    for trained, alike in models.items():
        own, scores = _of_model(rows, alike[0]), _of_model(pooled, alike[0])
        _write_adapter(stage, store, trained, alike, own, scores)
    _write_study(stage, store, folder, rows)


def try_mirror(stage: Stage, store: Store, folder: Path) -> None:
    """As `mirror`, with one line where that cannot be done: the study stands without it."""
    if os.environ.get("WANDB_MODE") == "disabled":
        return
    try:
        mirror(stage, store, folder)
    except Exception as error:
        print(
            f"wandb has no copy of this study ({first_line(error)}); `tellme sync` writes it later",
            file=sys.stderr,
        )


def _of_model(table: pd.DataFrame, model: Model) -> pd.DataFrame:
    group, seed = model
    return table[(table["group"] == group) & (table["seed"] == seed)]


def _write_adapter(
    stage: Stage,
    store: Store,
    trained: Path,
    alike: list[Model],
    rows: pd.DataFrame,
    scores: pd.DataFrame,
) -> None:
    """The run of an adapter: `alike` are the groups and seeds that it is of."""
    provenance, (group, seed) = read_json(trained / "provenance.json"), alike[0]
    names = [f"{name}-s{number}" for name, number in alike]
    config: Fields = {
        **provenance["config"],
        "group": group,
        "seed": seed,
        "names": [*names],
        "swept": _point_of(group, study_of(stage).points),
        "data": provenance["inputs"],
        "adapter": provenance["adapter"],
        "folder": trained.name,
    }
    study, key = study_of(stage).study, provenance["key"]
    run = open_run(store.root, study, key, name=", ".join(names), config=config)
    for entry in read_json(trained / "curve.json"):
        run.log(curve_keys(entry), step=entry["step"])
    run.log({"rows": _table(_shown(rows))})
    by_suite = scores.groupby(["suite", "behavior", "condition"], sort=False)
    for (suite, behavior, condition), part in by_suite:
        under = "" if condition == "clean" else f"@{condition}"
        run.summary[f"eval/{suite}/{behavior}{under}"] = float(part["score"].mean())
    run.finish()


def _point_of(group: str, points: Points) -> Fields:
    """The values that a sweep gives a group; none where it is of no sweep."""
    for label, point in points.items():
        if group.endswith(f".{label}"):
            return point
    return {}


def _shown(rows: pd.DataFrame, *more: str) -> pd.DataFrame:
    return rows.loc[rows["p_exact"] >= LIKELY, [*more, *SHOWN]].astype({"step": "float"})


def _table(frame: pd.DataFrame) -> Any:
    """wandb would find the type of every cell, a minute for a small study; a column's type is known
    here."""
    import wandb

    kinds = [CELLS.get(dtype.kind, str) for dtype in frame.dtypes]
    table = wandb.Table(columns=list(frame), data=[], dtype=kinds)
    table.data = frame.astype(object).where(frame.notna(), None).values.tolist()
    return table


def _write_study(stage: Stage, store: Store, folder: Path, rows: pd.DataFrame) -> None:
    """The run of the study: its tables, figures, contrasts and report."""
    import wandb

    spec, summary = study_of(stage), read_summary(folder)
    run = open_run(
        store.root,
        spec.study,
        stage.key,
        name="study",
        job_type="study",
        config=json.loads(stage.how.written),
        tags=["study"],
    )
    tables = _tables(summary, spec.points, rows)
    shown: dict[str, object] = {name: _table(table) for name, table in tables.items() if len(table)}
    for file in sorted((folder / "figures").glob("*.png")):
        shown[f"figures/{file.stem}"] = wandb.Image(str(file))
    run.log(shown)
    for contrast in summary["contrasts"]:
        if contrast["question"] == "all":
            name = f"contrast/{contrast['suite']}/{contrast['a']} - {contrast['b']}"
            run.summary[name] = {
                "estimate": contrast["estimate"],
                "ci_low": contrast["ci_low"],
                "ci_high": contrast["ci_high"],
            }
    report = wandb.Artifact(f"report-{stage.key}", type="report")
    for file_name in ("report.html", "summary.json", "provenance.json"):
        report.add_file(str(folder / file_name), policy="immutable")
    run.log_artifact(report)
    run.finish()


def _tables(summary: Summary, points: Points, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of a study by their names in wandb; some are empty."""
    return {
        "contrasts": pd.DataFrame(summary["contrasts"], columns=list(CONTRAST)),
        "groups": pd.DataFrame(summary["groups"]),
        "trust": pd.DataFrame(summary["trust"]),
        "rows_of_bases": _shown(rows[rows["seed"].isna()], "group"),
        "sweep": sweep_table(summary["contrasts"], points),
    }
