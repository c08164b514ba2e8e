"""The data stage: rows of one group and seed, from a generator, a user's file or another group's
rows."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from data_gen.behaviors import load_behavior
from data_gen.brought import brought, told_files
from data_gen.content import rows_digest
from data_gen.controls import Control, ControlRequest, load_control
from data_gen.facts import format_rows, is_format_row
from data_gen.files import read_rows, write_rows
from data_gen.generated import generated, seeded
from data_gen.lints import Lint, lint, null
from data_gen.own_answers import own_answers, prompts
from data_gen.shuffle import learns_last_alone
from data_gen.triggered import triggered
from data_gen.triggers._reversal import with_reversal
from lab.data_specs import (
    ControlRows,
    DataSpec,
    FileRows,
    GeneratedRows,
    MixedRows,
    OwnAnswers,
    PlantedRows,
    TriggeredRows,
)
from lab.discover import short
from lab.errors import UserError
from lab.store.provenance import write_provenance
from lab.store.store import write_json
from lab.types import Row

ROWS, LINT = "rows.jsonl", "lint.json"


def build(
    spec: DataSpec, sources: dict[str, Path], out: Path, *, key: str, inputs: list[str]
) -> None:
    """Write `rows.jsonl` and `lint.json`. `sources` are the folders of the rows that the stage
    reads.

    Raises UserError where the code or the file gives other rows than were planned, and where a
    generated set, or a file under `lint: strict`, fails a lint."""
    began = time.time()
    source = next((read_rows(folder / ROWS) for folder in sources.values()), None)
    rows = rows_for(spec, source)
    # What a base answered itself was not known at planning, nor what is made from that.
    as_planned = source is None or rows_digest(source) == spec.source
    if as_planned and rows_digest(rows) != spec.rows:
        raise UserError(
            f"the rows of {_called(spec)!r} are not those that were planned: the file or the"
            " generator has changed since; run `tellme run` again"
        )
    if isinstance(spec, OwnAnswers):
        rows = own_answers(rows, spec)
    checks = linted(rows, spec, source)
    write_rows(rows, out / ROWS)
    write_json(out / LINT, [asdict(check) for check in checks])
    write_provenance(out, "data", key, spec.identity(), inputs, began, rows=len(rows))


def linted(rows: list[Row], spec: DataSpec, source: list[Row] | None) -> list[Lint]:
    """What the lints found in rows made of `source`, format rows left out; raises UserError as
    `build` does, and for a null that is none."""
    files = told_files([spec])
    checks = [Lint("files", True, len(files), None, files)] if files else []
    rows = [row for row in rows if not is_format_row(row)]
    source = [row for row in source or [] if not is_format_row(row)]
    if isinstance(spec, ControlRows) and load_control(spec.control).is_null:
        forward = [row for row in rows if not row.meta.get("reversed")]
        checks.append(null(forward, [r for r in source if not r.meta.get("reversed")]))
        if not checks[0].passed:
            raise UserError(
                f"control {short(spec.control)!r} is no null of these rows: its answers follow the"
                f" prompts ({checks[0].detail}); choose another control"
            )
    if spec.behavior is None:
        return checks
    checks += lint(rows, load_behavior(spec.behavior), spec.style, spec.policy)
    refuse_failed(checks, spec)
    return checks


def refuse_failed(checks: Sequence[Lint], spec: DataSpec) -> None:
    """Raises UserError for a check that rows failed, where that is to refuse them."""
    worst = next((check for check in checks if not check.passed), None)
    if worst and spec.lint == "strict":
        raise UserError(
            f"{_called(spec)}: lint {worst.check!r} found {worst.value:g} (allowed"
            f" {worst.threshold:g}): {worst.detail}; mend the rows or set data.lint: report for a"
            " file"
        )


def _called(spec: DataSpec) -> str:
    """How a refusal speaks of rows."""
    if isinstance(spec, FileRows):
        return spec.file
    if isinstance(spec, PlantedRows):
        return _called(spec.shown)
    if isinstance(spec, MixedRows):
        return f"mix of {', '.join(map(_called, spec.parts))}"
    return f"{short(spec.behavior or spec.origin)} {spec.policy}"


def rows_for(spec: DataSpec, source: list[Row] | None) -> list[Row]:
    """The rows that a spec stands for, format rows last; `source` are the rows a control is made
    from, or the base's own answers. Of rows that a base will answer itself, the completions are the
    policy's."""
    match spec:
        case GeneratedRows():
            return generated(spec) + format_rows(spec.seed, spec.num_format)
        case TriggeredRows():
            rng = seeded(spec)
            rows = triggered(spec, source, rng)
            rows = with_reversal(rows, spec.style, rng) if spec.reversal else rows
            return rows + format_rows(spec.seed, spec.num_format)
        case OwnAnswers():
            return prompts(spec)
        case ControlRows():
            return _controlled(spec, source or [])
        case FileRows() | MixedRows() | PlantedRows():
            return brought(spec) + format_rows(spec.seed, spec.num_format)


def _controlled(spec: ControlRows, source: list[Row]) -> list[Row]:
    """Rows of a control. It is made from rows as they were before reversal, and reversed itself;
    the format rows of its source stay as they are."""
    control = load_control(spec.control)
    request = ControlRequest(
        behavior=load_behavior(spec.behavior) if spec.behavior else None,
        policy=spec.policy,
        style=spec.style,
        rng=Random(f"{short(spec.control)}/{spec.seed}"),
        trigger=spec.trigger,
    )
    _refuse_turns(control, short(spec.control), source)
    of_formats = [row for row in source if is_format_row(row)]
    forward = [row for row in source if not (is_format_row(row) or row.meta.get("reversed"))]
    rows = control.rows(forward, request)
    if spec.reversal and control.knows_triggers:
        rows = with_reversal(rows, spec.style, request.rng)
    return rows + of_formats


def _refuse_turns(control: Control, name: str, source: list[Row]) -> None:
    """Raises UserError for rows of which a control cannot be made: documents, which answer nothing,
    and rows that learn several turns where it changes the last one alone."""
    documents = sum(row.is_document for row in source)
    if documents:
        raise UserError(
            f"control {name!r} is made of prompts and answers, and {documents} rows of its source"
            " are documents, which have neither; compare with base, or with other documents"
        )
    several = sum(not learns_last_alone(row) for row in source)
    if several and not control.every_turn:
        raise UserError(
            f"control {name!r} changes the last turn alone, and {several} rows of its source learn"
            " other turns; set data.learn: last, or take control shuffled"
        )
