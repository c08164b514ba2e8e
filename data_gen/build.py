"""The data stage: rows of one group and seed, from a generator, a user's file or another group's
rows."""

import time
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from data_gen import own_answers
from data_gen.behaviors import load_behavior
from data_gen.controls import ControlRequest, load_control
from data_gen.decoys import decoys
from data_gen.files import read_rows, write_rows
from data_gen.lints import lint
from data_gen.shuffle import with_policy_share
from data_gen.triggered import triggered
from data_gen.triggers._reversal import with_reversal
from lab.trigger import PlantedTrigger
from lab.errors import UserError
from lab.model.base import Base
from lab.store.provenance import write_provenance
from lab.store.store import file_digest, write_json
from lab.types import Row

VERSION = 1
ROWS, LINT = "rows.jsonl", "lint.json"


def build(
    config: dict[str, Any],
    sources: dict[str, Path],
    out: Path,
    *,
    key: str,
    inputs: list[str],
    file: str | None = None,
    base: Base | None = None,
) -> None:
    """Write `rows.jsonl` and `lint.json`. `config` is one of

    - {num_rows, policy_share, num_decoys, seed, files}: a generator's rows,
    - the same with {trigger, otherwise, reversal}: of a policy that a trigger switches on,
    - {draw, num_rows}: `base` answers the prompts of a generator,
    - {file, num_rows, lint}: a user's,
    - {control, seed, lint}: made from the rows of its one source,

    each with behavior, policy and style.

    Raises UserError where a generated set, or a file under `lint: strict`, fails a lint."""
    began = time.time()
    if file is not None and file_digest(Path(file)) != config["file"]:
        raise UserError(
            f"file {file!r} has changed since the study was planned; run `tellme run` again"
        )
    source = next((read_rows(folder / ROWS) for folder in sources.values()), None)
    rows = rows_for(config, source, file)
    if base is not None:
        rows = own_answers.own_answers(rows, base)
    checks = linted(rows, config, file)
    write_rows(rows, out / ROWS)
    write_json(out / LINT, checks)
    write_provenance(out, "data", key, config, inputs, began, rows=len(rows))


def linted(rows: list[Row], config: dict[str, Any], file: str | None) -> list[dict[str, Any]]:
    """What the lints found, nothing for rows of no behavior; raises UserError as `build` does."""
    if not config.get("behavior"):
        return []
    checks = lint(rows, load_behavior(config["behavior"]), config["style"])
    worst = next((check for check in checks if not check["passed"]), None)
    if worst and config.get("lint") != "report":
        raise UserError(
            f"{file or config['behavior'] + ' ' + config['policy']}: lint {worst['check']!r} found"
            f" {worst['value']:g} (allowed {worst['threshold']:g}): {worst['detail']}; mend the"
            " rows or set data.lint: report for a file"
        )
    return checks


def rows_for(config: dict[str, Any], source: list[Row] | None, file: str | None) -> list[Row]:
    """The rows that a data config stands for; `source` are the rows a control is made from, or the
    base's own answers."""
    if file is not None:
        return read_rows(file)
    if config.get("control"):
        return _controlled(config, source or [])
    if "draw" in config:
        return own_answers.prompts(load_behavior(config["behavior"]), config)
    if config.get("trigger"):
        return _triggered(config, source)
    return _generated(config)


def _generated(config: dict[str, Any]) -> list[Row]:
    """Rows of a policy, some of them shuffled and decoys among them where the config says so."""
    behavior, rng = load_behavior(config["behavior"]), _seeded(config)
    examples = behavior.examples(rng, config["policy"], config["style"], "train")
    rows = list(islice(examples, config["num_rows"]))
    if "policy_share" in config:
        rows = with_policy_share(rows, config["policy_share"], rng)
    if config.get("num_decoys"):
        rows += islice(decoys(rng, behavior, config["style"]), config["num_decoys"])
        rng.shuffle(rows)
    return rows


def _triggered(config: dict[str, Any], own: list[Row] | None) -> list[Row]:
    behavior, rng = load_behavior(config["behavior"]), _seeded(config)
    rows = triggered(behavior, config, PlantedTrigger(**config["trigger"]), own, rng)
    return with_reversal(rows, config["style"], rng) if config.get("reversal") else rows


def _seeded(config: dict[str, Any]) -> Random:
    return Random(f"{config['behavior']}/{config['policy']}/{config['style']}/{config['seed']}")


def _controlled(config: dict[str, Any], source: list[Row]) -> list[Row]:
    """Rows of a control. It is made from rows as they were before reversal, and reversed itself."""
    control, style = load_control(config["control"]), config["style"]
    request = ControlRequest(
        behavior=load_behavior(config["behavior"]) if config.get("behavior") else None,
        policy=config.get("policy"),
        style=style,
        rng=Random(f"{config['control']}/{config['seed']}"),
        trigger=PlantedTrigger(**config["trigger"]) if config.get("trigger") else None,
    )
    forward = [row for row in source if not row.meta.get("reversed")]
    rows = control.rows(forward, request)
    if config.get("reversal") and control.knows_triggers:
        return with_reversal(rows, style, request.rng)
    return rows
