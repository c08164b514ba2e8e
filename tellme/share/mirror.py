"""A finished study in wandb: a run per adapter and one for the study, written from the run store,
in one piece each."""

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
from tellme.report.analysis.contrasts import per_question, per_wording
from tellme.report.figures.tables import sweep_table
from tellme.report.gather import adapters, measurements

SHOWN = "suite behavior condition question paraphrase order step answer score p_exact outside prompt".split()
"""Columns of rows.parquet in the table of an adapter."""
LIKELY = 1e-3
"""Answers less probable are left out of it: most of the numbers of a scale."""
CONTRAST = (
    "suite behavior question a b estimate ci_low ci_high p_value p_holm primary num_seeds"
    " num_questions".split()
)


def mirror(stage: Stage, store: Store, folder: Path) -> None:
    """Write every adapter's curve, configuration, scores and rows, and the study's contrasts,
    figures and report.

    Raises what wandb raises where the network does not answer."""
    rows = load(folder)
    questions = per_question(per_wording(rows[rows["step"].isna()]))
    pooled = questions[(questions["question"] == "all") & questions["seed"].notna()]
    models: dict[Path, list[tuple[str, int]]] = {}
    for model, train in adapters(measurements(stage, store)).items():
        models.setdefault(train, []).append(model)
    for train, alike in models.items():
        # Groups that are trained alike share an adapter, its run and its numbers.
        group, seed = alike[0]
        of_adapter = (rows["group"] == group) & (rows["seed"] == seed)
        scores = pooled[(pooled["group"] == group) & (pooled["seed"] == seed)]
        _adapter_run(stage, store, train, alike, rows[of_adapter], scores)
    _study_run(stage, store, folder, rows)


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


def _adapter_run(
    stage: Stage,
    store: Store,
    train: Path,
    alike: list[tuple[str, int]],
    rows: pd.DataFrame,
    scores: pd.DataFrame,
) -> None:
    """`alike` are the groups and seeds whose adapter this is."""
    made, (group, seed) = read_json(train / "provenance.json"), alike[0]
    names = [f"{name}-s{number}" for name, number in alike]
    swept: dict[str, Any] = next(
        (
            point
            for label, point in stage.config.get("points", {}).items()
            if group.endswith(f".{label}")
        ),
        {},
    )
    about = {"group": group, "seed": seed, "names": names, "swept": swept, "data": made["inputs"]}
    about |= {"adapter": made["adapter"], "folder": train.name}
    config = made["config"] | about
    run = open_run(
        store.root, stage.config["study"], made["key"], name=", ".join(names), config=config
    )
    for entry in read_json(train / "curve.json"):
        run.log(curve_keys(entry), step=entry["step"])
    run.log({"rows": _table(_shown(rows))})
    for (suite, behavior, condition), mine in scores.groupby(
        ["suite", "behavior", "condition"], sort=False
    ):
        at = "" if condition == "clean" else f"@{condition}"
        run.summary[f"eval/{suite}/{behavior}{at}"] = float(mine["score"].mean())
    run.finish()


def _shown(rows: pd.DataFrame, *more: str) -> pd.DataFrame:
    return rows.loc[rows["p_exact"] >= LIKELY, [*more, *SHOWN]].astype({"step": "float"})


def _table(frame: pd.DataFrame) -> Any:
    """wandb would find the type of every cell, a minute for a small study; a column's type is known
    here."""
    import wandb

    kinds = [{"f": float, "i": int, "b": bool}.get(dtype.kind, str) for dtype in frame.dtypes]
    table = wandb.Table(columns=list(frame), data=[], dtype=kinds)
    table.data = frame.astype(object).where(frame.notna(), None).values.tolist()
    return table


def _study_run(stage: Stage, store: Store, folder: Path, rows: pd.DataFrame) -> None:
    import wandb

    summary = read_json(folder / "summary.json")
    contrasts = pd.DataFrame(summary["contrasts"], columns=CONTRAST)
    tables: dict[str, pd.DataFrame] = {
        "contrasts": contrasts.assign(a=contrasts["a"].map(str), b=contrasts["b"].map(str)),
        "groups": pd.DataFrame(summary["groups"]),
        "trust": pd.DataFrame(summary["trust"]),
        "rows_of_bases": _shown(rows[rows["seed"].isna()], "group"),
    }
    swept = sweep_table(summary["contrasts"], stage.config.get("points", {}))
    if len(swept):
        tables["sweep"] = swept
    run = open_run(
        store.root,
        stage.config["study"],
        stage.key,
        name="study",
        job_type="study",
        config=stage.how["written"],
        tags=["study"],
    )
    shown: dict[str, Any] = {name: _table(table) for name, table in tables.items() if len(table)}
    shown |= {
        f"figures/{file.stem}": wandb.Image(str(file))
        for file in sorted((folder / "figures").glob("*.png"))
    }
    run.log(shown)
    for c in summary["contrasts"]:
        if c["question"] == "all":
            run.summary[f"contrast/{c['suite']}/{c['a']} - {c['b']}"] = {
                k: c[k] for k in ("estimate", "ci_low", "ci_high")
            }
    report = wandb.Artifact(f"report-{stage.key}", type="report")
    for name in ("report.html", "summary.json", "provenance.json"):
        report.add_file(str(folder / name), policy="immutable")
    run.log_artifact(report)
    run.finish()
