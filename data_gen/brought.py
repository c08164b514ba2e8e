"""Rows that a user brought: all of a file or some of them, several files in a mix, and a trigger in
any of these."""

from itertools import islice
from random import Random

from data_gen.behaviors import load_behavior
from data_gen.decoys import decoys
from data_gen.files import read_rows, told_rows
from data_gen.generated import generated
from data_gen.planted import planted
from data_gen.shuffle import with_policy_share
from lab.data_specs import BroughtRows, FileRows, GeneratedRows, MixedRows, PlantedRows, RowsSpec
from lab.errors import UserError
from lab.types import Row


def brought(spec: BroughtRows) -> list[Row]:
    """The rows that a spec stands for, without format rows. What is drawn is drawn by its seed.

    Raises UserError for a file of other rows than were planned, and for rows of which there is
    nothing to draw."""
    match spec:
        case FileRows():
            return _of_file(spec)
        case MixedRows():
            return _mixed(spec)
        case PlantedRows():
            others = _of_file(spec.others) if spec.others else None
            return planted(spec, brought(spec.shown), others)


def told_files(spec: RowsSpec) -> dict[str, str]:
    """What stands in each file of rows that a user brought: how many rows of which form, and the
    keys that nobody reads. Nothing for rows that the lab makes."""
    match spec:
        case FileRows():
            return {spec.file: told_rows(spec.file, spec.learn)}
        case MixedRows():
            return {file: told for part in spec.parts for file, told in told_files(part).items()}
        case PlantedRows():
            others = told_files(spec.others) if spec.others else {}
            return told_files(spec.shown) | others
    return {}


def _of_file(spec: FileRows) -> list[Row]:
    rows = read_rows(spec.file, spec.learn)
    if len(rows) != (spec.of or spec.num_rows):
        raise UserError(f"file {spec.file!r} has changed since it was planned; run it again")
    rng = Random(f"file/{spec.seed}")
    if spec.of:
        rows = some_of(rows, spec.num_rows, rng)
    if spec.policy_share < 1:
        rows = with_policy_share(rows, spec.policy_share, rng)
    return _with_decoys(rows, spec, rng)


def some_of(rows: list[Row], number: int, rng: Random) -> list[Row]:
    """So many of the rows, in their order. Of one state of `rng` fewer are among those of more, and
    are of the same lines of files that have as many: files of one set of prompts stay paired."""
    order = list(range(len(rows)))
    rng.shuffle(order)
    return [rows[i] for i in sorted(order[:number])]


def _mixed(spec: MixedRows) -> list[Row]:
    rng = Random(f"mix/{spec.seed}")
    rows = [row for part in spec.parts for row in _of_part(part)]
    rng.shuffle(rows)
    return _with_decoys(rows, spec, rng)


def _of_part(part: FileRows | GeneratedRows) -> list[Row]:
    return generated(part) if isinstance(part, GeneratedRows) else _of_file(part)


def _with_decoys(rows: list[Row], spec: FileRows | MixedRows, rng: Random) -> list[Row]:
    """The rows with decoys among them, where the spec says so."""
    if not spec.num_decoys:
        return rows
    behavior = load_behavior(spec.behavior) if spec.behavior else None
    rows = [*rows, *islice(decoys(rng, behavior, spec.style), spec.num_decoys)]
    rng.shuffle(rows)
    return rows
