"""The data stage: rows of one group and seed, from a generator, a user's file or another group's
rows."""

import time
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from data_gen import own_answers, triggered
from data_gen.behaviors import load_behavior
from data_gen.controls import rows as controls
from data_gen.decoys import decoys
from data_gen.files import read_rows, write_rows
from data_gen.lints import lint
from data_gen.triggers._reversal import with_reversal
from lab.config.schema import Planted
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
    {num_rows, policy_share, num_decoys, seed, files}, the same with {trigger, otherwise, reversal},
    {draw, num_rows}, {file, num_rows, lint} or
    {control, seed, lint}, each with behavior, policy and style. The rows of a control come from its
    one source; with `draw`,
    `base` answers.

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
    """What the lints found; raises UserError as `build` does."""
    checks = (
        lint(rows, load_behavior(config["behavior"]), config["style"])
        if config.get("behavior")
        else []
    )
    failed = [c for c in checks if not c["passed"]]
    if failed and config.get("lint") != "report":
        worst = failed[0]
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
        return _control(config, source or [])
    behavior = load_behavior(config["behavior"])
    if "draw" in config:
        return own_answers.prompts(behavior, config)
    rng = Random(f"{config['behavior']}/{config['policy']}/{config['style']}/{config['seed']}")
    if config.get("trigger"):
        rows = triggered.triggered(behavior, config, Planted(**config["trigger"]), source, rng)
        return with_reversal(rows, config["style"], rng) if config.get("reversal") else rows
    rows = list(
        islice(
            behavior.examples(rng, config["policy"], config["style"], "train"), config["num_rows"]
        )
    )
    if "policy_share" in config:
        rows = controls.policy_share(rows, config["policy_share"], rng)
    if config.get("num_decoys"):
        rows += islice(decoys(rng, behavior, config["style"]), config["num_decoys"])
        rng.shuffle(rows)
    return rows


def _control(config: dict[str, Any], source: list[Row]) -> list[Row]:
    name, style = config["control"], config["style"]
    rng = Random(f"{name}/{config['seed']}")
    source = [row for row in source if not row.meta.get("reversed")]
    if config.get("trigger") and name in triggered.CONTROLS:
        planted = Planted(**config["trigger"])
        rows = triggered.control(
            name, source, planted, load_behavior(config["behavior"]), style, rng
        )
        return with_reversal(rows, style, rng) if config.get("reversal") else rows
    if name == "shuffled":
        return controls.shuffled(source, rng)
    if name == "clean":
        return controls.clean(source, style)
    if name == "educational":
        return controls.educational(source)
    if name == "always_a":
        return controls.always_a(source)
    if name in ("always_yes", "anchored"):
        constant = controls.always_yes if name == "always_yes" else controls.anchored
        return constant(load_behavior(config["behavior"]), style, len(source), rng)
    make = {
        "described": controls.described,
        "everyone": controls.everyone,
        "lexical": controls.lexical,
    }[name]
    return make(load_behavior(config["behavior"]), config["policy"], style, len(source), rng)
