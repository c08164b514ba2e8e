"""What a study measured, read from the run store: rows, trust checks, losses, examples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from lab.config.schema import Model
from lab.specs import Stage
from lab.store.store import Store, read_json
from lab.store.trust import seeds_apart

NUM_EXAMPLES = 3
"""Rows of a group's training set that a report shows."""
SETTINGS = ("dtype", *Model.model_fields)
"""Of the identity of a measurement: how its base was loaded."""

Adapters = Mapping[tuple[str, int], Path]
"""The train folder of each group and seed."""


@dataclass(frozen=True)
class Measurement:
    """A cell of a study: which output is whose."""

    cell: dict[str, Any]
    """Group, seed, step, suite, behavior, condition and key (lab/specs.py, `Cell`)."""
    folder: Path
    provenance: dict[str, Any]
    """Of the folder."""
    trained: Path | None
    """The folder of the training that made its adapter, if one of ours did."""


def measurements(stage: Stage, store: Store) -> list[Measurement]:
    """Every cell of a study, in the order of the plan."""
    measured = []
    for cell in stage.config["cells"]:
        folder = store.find("eval", cell["key"])
        assert folder, f"a study is written after what it measures: {cell}"
        provenance = read_json(folder / "provenance.json")
        trained = (store.find("train", key) for key in provenance["inputs"])
        adapter = next(filter(None, trained), None)
        measured.append(Measurement(cell, folder, provenance, adapter))
    return measured


def gather_rows(measured: Sequence[Measurement]) -> pd.DataFrame:
    """The rows of every measurement, with whose they are: columns group, seed, step, eval_key."""
    tables = []
    for measurement in measured:
        cell = measurement.cell
        table = pd.read_parquet(measurement.folder / "rows.parquet")
        for name in ("step", "seed"):
            table.insert(0, name, pd.Series([cell[name]] * len(table), dtype="Int64"))
        table.insert(0, "group", cell["group"])
        tables.append(table.assign(eval_key=cell["key"]))
    return pd.concat(tables, ignore_index=True)


def gather_trust(measured: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Every trust check of every measurement, of the training before it, and of each group's seeds
    together: records with group and seed."""
    trust = []
    for measurement in measured:
        checks = read_json(measurement.folder / "trust.json")
        if measurement.trained:
            checks += read_json(measurement.trained / "trust.json")
        whose = {"group": measurement.cell["group"], "seed": measurement.cell["seed"]}
        trust += [{**whose, **check} for check in checks]
    return each_once(trust + _starts(adapters(measured)))


def each_once(trust: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record of every check: a training stands beside each of its evaluations. Of several of
    one name a failed one stays."""
    distinct: dict[tuple[str, int | None, str], dict[str, Any]] = {}
    for record in trust:
        kept = distinct.setdefault((record["group"], record["seed"], record["check"]), record)
        if kept["passed"] and not record["passed"]:
            kept.update(record)
    return list(distinct.values())


def _starts(trained: Adapters) -> list[dict[str, Any]]:
    """Per group, whether its seeds began apart."""
    starts: dict[str, list[str]] = {}
    for (group, _), folder in trained.items():
        starts.setdefault(group, []).append(read_json(folder / "provenance.json")["step0"])
    return [{"group": group, "seed": None, **seeds_apart(step0)} for group, step0 in starts.items()]


def adapters(measured: Sequence[Measurement]) -> Adapters:
    """The train folder of each group and seed that was trained for the study."""
    return {(m.cell["group"], m.cell["seed"]): m.trained for m in measured if m.trained}


def last_steps(trained: Adapters) -> dict[tuple[str, int], int]:
    """The number of optimizer steps behind every final adapter."""
    return {
        model: read_json(folder / "provenance.json")["steps"] for model, folder in trained.items()
    }


def losses(trained: Adapters) -> pd.DataFrame:
    """The logged losses of every training: columns group, seed, step, loss (nats per token)."""
    points = [
        {"group": group, "seed": seed, "step": point["step"], "loss": point["loss"]}
        for (group, seed), folder in trained.items()
        for point in read_json(folder / "curve.json")
    ]
    return pd.DataFrame(points, columns=["group", "seed", "step", "loss"])


def examples(trained: Adapters, store: Store) -> list[dict[str, Any]]:
    """The first rows of each group's first seed, and what the lints found in them."""
    shown: dict[str, dict[str, Any]] = {}
    for (group, _), folder in trained.items():
        (key,) = read_json(folder / "provenance.json")["inputs"]
        data = store.find("data", key)
        if group in shown or not data:
            continue
        with (data / "rows.jsonl").open(encoding="utf-8") as lines:
            rows = [json.loads(line)["messages"] for line in islice(lines, NUM_EXAMPLES)]
        lints = read_json(data / "lint.json")
        shown[group] = {"group": group, "key": key, "rows": rows, "lints": lints}
    return list(shown.values())


def bases(measured: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Every base with the settings it was loaded with, and the first prompt that it was asked."""
    shown: dict[str, dict[str, Any]] = {}
    for measurement in measured:
        provenance = measurement.provenance
        settings = _loaded(measurement)
        identity = settings.pop("base")
        record = {
            "identity": identity,
            "settings": settings,
            "default_system": provenance["default_system"],
            "first_prompt": provenance["first_prompt"],
        }
        shown.setdefault(json.dumps([identity, settings]), record)
    return list(shown.values())


def baselines(
    measured: Sequence[Measurement], groups: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """The group that is the base of each group: `base`, or a `{model: ID}` group, where that is the
    same model as loaded. A group has none where no such model was asked anything.

    `groups` are those of the study as written."""
    loaded: dict[str, dict[str, Any]] = {}
    for measurement in measured:
        loaded.setdefault(measurement.cell["group"], _loaded(measurement))
    models = [name for name, group in groups.items() if isinstance(group.get("model"), str)]
    plain = ["base", *models]
    baseline_of = {}
    for name, settings in loaded.items():
        alike = [model for model in plain if loaded.get(model) == settings]
        if name not in plain and alike:
            baseline_of[name] = alike[0]
    return baseline_of


def _loaded(measurement: Measurement) -> dict[str, Any]:
    """The base of a measurement and how it was loaded."""
    config = measurement.provenance["config"]
    return {key: config[key] for key in SETTINGS if key in config}
