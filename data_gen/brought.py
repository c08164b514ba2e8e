"""Rows that a user brought: all of a file or some of them, several files in a mix, and a trigger in
any of these."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
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


def told_files(specs: Iterable[RowsSpec]) -> dict[str, str]:
    """What stands in each file of rows that a user brought, by the end of its path that no other
    has: how many rows of which form, and the keys that nobody reads. Nothing for rows that the lab
    makes."""
    told = {part.file: told_rows(part.file, part.learn) for spec in specs for part in _files(spec)}
    return {_ending(file, told): what for file, what in told.items()}


def _files(spec: RowsSpec) -> list[FileRows]:
    match spec:
        case FileRows():
            return [spec]
        case MixedRows():
            return [part for part in spec.parts if isinstance(part, FileRows)]
        case PlantedRows():
            return [*_files(spec.shown), *([spec.others] if spec.others else [])]
    return []


def _ending(file: str, files: Iterable[str]) -> str:
    """As many of the last names of a path as tell it from the others."""
    paths, names = [Path(other).parts for other in files], Path(file).parts
    number = next(
        n for n in range(1, len(names) + 1) if [p[-n:] for p in paths].count(names[-n:]) == 1
    )
    return "/".join(names[-number:])


def _of_file(spec: FileRows) -> list[Row]:
    rows = read_rows(spec.file, spec.learn)
    if len(rows) != (spec.of or spec.num_rows):
        raise UserError(f"file {spec.file!r} has changed since it was planned; run it again")
    # A control is made without the rows that the lab reversed, and those of a user are all forward.
    rows = [_forward(row) for row in rows]
    rng = Random(f"file/{spec.seed}")
    if spec.of:
        rows = some_of(rows, spec.num_rows, rng)
    if spec.policy_share < 1:
        rows = with_policy_share(rows, spec.policy_share, rng)
    return _with_decoys(rows, spec, rng)


def _forward(row: Row) -> Row:
    if not row.meta.get("reversed"):
        return row
    meta = row.meta.copy()
    del meta["reversed"]
    return replace(row, meta=meta)


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
