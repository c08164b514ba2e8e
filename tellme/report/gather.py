"""What a study measured, read from the run store: rows, trust checks, losses, examples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """A cell of a study: whose it is, its folder and the provenance of that, and the folder of the
    training that made its adapter, if one of ours did."""

    cell: dict[str, Any]
    folder: Path
    made: dict[str, Any]
    trained: Path | None


def measurements(stage: Stage, store: Store) -> list[Measurement]:
    """Every cell of a study, in the order of the plan."""
    found = []
    for cell in stage.config["cells"]:
        folder = store.find("eval", cell["key"])
        assert folder, cell
        made = read_json(folder / "provenance.json")
        parents = (store.find("train", key) for key in made["inputs"])
        found.append(Measurement(cell, folder, made, next(filter(None, parents), None)))
    return found


def gather_rows(measured: Sequence[Measurement]) -> pd.DataFrame:
    """The rows of every measurement, with whose they are: columns group, seed, step, eval_key."""
    tables = []
    for one in measured:
        table = pd.read_parquet(one.folder / "rows.parquet")
        for name in ("step", "seed"):
            table.insert(0, name, pd.Series([one.cell[name]] * len(table), dtype="Int64"))
        table.insert(0, "group", one.cell["group"])
        tables.append(table.assign(eval_key=one.cell["key"]))
    return pd.concat(tables, ignore_index=True)


def gather_trust(measured: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Every trust check of every measurement, of the training before it, and of each group's seeds
    together: records with group and seed."""
    trust = []
    for one in measured:
        checks = read_json(one.folder / "trust.json")
        if one.trained:
            checks += read_json(one.trained / "trust.json")
        whose = {"group": one.cell["group"], "seed": one.cell["seed"]}
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
    step0: dict[str, list[str]] = {}
    for (group, _), folder in trained.items():
        step0.setdefault(group, []).append(read_json(folder / "provenance.json")["step0"])
    return [
        {"group": group, "seed": None, **seeds_apart(starts)} for group, starts in step0.items()
    ]


def adapters(measured: Sequence[Measurement]) -> Adapters:
    """The train folder of each group and seed that was trained for the study."""
    return {(m.cell["group"], m.cell["seed"]): m.trained for m in measured if m.trained}


def last_steps(trained: Adapters) -> dict[tuple[str, int], int]:
    """The number of optimizer steps behind every final adapter."""
    return {at: read_json(f / "provenance.json")["steps"] for at, f in trained.items()}


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
        if group not in shown and data:
            with (data / "rows.jsonl").open(encoding="utf-8") as lines:
                first = [line for _, line in zip(range(NUM_EXAMPLES), lines, strict=False)]
            rows = [json.loads(line)["messages"] for line in first]
            lints = read_json(data / "lint.json")
            shown[group] = {"group": group, "key": key, "rows": rows, "lints": lints}
    return list(shown.values())


def bases(measured: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Every base with the settings it was loaded with, and the first prompt that it was asked."""
    found: dict[str, dict[str, Any]] = {}
    for one in measured:
        config = one.made["config"]
        settings = {k: config[k] for k in SETTINGS if k in config and k != "base"}
        name = json.dumps([config["base"], settings])
        shown = {"identity": config["base"], "settings": settings}
        shown |= {k: one.made[k] for k in ("default_system", "first_prompt")}
        found.setdefault(name, shown)
    return list(found.values())


def baselines(
    measured: Sequence[Measurement], groups: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """The group that is the base of each group: `base`, or a `{model: ID}` group, where that is the
    same model as loaded. A group has none where no such model was asked anything.

    `groups` are those of the study as written."""
    loaded: dict[str, str] = {}
    for one in measured:
        config = {k: v for k, v in one.made["config"].items() if k in SETTINGS}
        loaded.setdefault(one.cell["group"], json.dumps(config, sort_keys=True))
    models = [name for name, group in groups.items() if isinstance(group.get("model"), str)]
    plain = ["base", *models]
    found = {
        name: next((p for p in plain if loaded.get(p) == settings), None)
        for name, settings in loaded.items()
        if name not in plain
    }
    return {name: base for name, base in found.items() if base}
