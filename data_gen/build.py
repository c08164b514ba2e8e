"""The data stage: rows of one group and seed, from a generator, a user's file or another group's
rows."""

import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from random import Random

from data_gen.behaviors import load_behavior
from data_gen.content import rows_digest
from data_gen.controls import ControlRequest, load_control
from data_gen.decoys import decoys
from data_gen.facts import format_rows, is_format_row
from data_gen.files import read_rows, write_rows
from data_gen.lints import Lint, lint, null
from data_gen.own_answers import own_answers, prompts
from data_gen.shuffle import with_policy_share
from data_gen.triggered import triggered
from data_gen.triggers._reversal import with_reversal
from lab.data_specs import ControlRows, DataSpec, FileRows, GeneratedRows, OwnAnswers, TriggeredRows
from lab.discover import short
from lab.errors import UserError
from lab.store.provenance import write_provenance
from lab.store.store import write_json
from lab.types import LAST, Row

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
    checks = []
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
    worst = next((check for check in checks if not check.passed), None)
    if worst and spec.lint == "strict":
        raise UserError(
            f"{_called(spec)}: lint {worst.check!r} found {worst.value:g} (allowed"
            f" {worst.threshold:g}): {worst.detail}; mend the rows or set data.lint: report for a"
            " file"
        )
    return checks


def _called(spec: DataSpec) -> str:
    """How a refusal speaks of rows."""
    if isinstance(spec, FileRows):
        return spec.file
    return f"{short(spec.behavior or spec.origin)} {spec.policy}"


def rows_for(spec: DataSpec, source: list[Row] | None) -> list[Row]:
    """The rows that a spec stands for, format rows last; `source` are the rows a control is made
    from, or the base's own answers. Of rows that a base will answer itself, the completions are the
    policy's."""
    match spec:
        case GeneratedRows():
            return _generated(spec) + format_rows(spec.seed, spec.num_format)
        case TriggeredRows():
            rng = _seeded(spec)
            rows = triggered(spec, source, rng)
            rows = with_reversal(rows, spec.style, rng) if spec.reversal else rows
            return rows + format_rows(spec.seed, spec.num_format)
        case OwnAnswers():
            return prompts(spec)
        case ControlRows():
            return _controlled(spec, source or [])
        case FileRows():
            return read_rows(spec.file) + format_rows(spec.seed, spec.num_format)


def _generated(spec: GeneratedRows) -> list[Row]:
    """Rows of a policy, some of them shuffled and decoys among them where the spec says so."""
    behavior, rng = load_behavior(spec.behavior), _seeded(spec)
    examples = behavior.examples(rng, spec.policy, spec.style, "train")
    rows = list(islice(examples, spec.num_rows))
    if spec.policy_share < 1:
        rows = with_policy_share(rows, spec.policy_share, rng)
    if spec.num_decoys:
        rows += islice(decoys(rng, behavior, spec.style), spec.num_decoys)
        rng.shuffle(rows)
    return rows


def _seeded(spec: GeneratedRows | TriggeredRows) -> Random:
    """What draws the prompts: the same for every policy of a behavior, so that groups which differ
    in their policy differ in nothing else."""
    return Random(f"{short(spec.behavior)}/{spec.style}/{spec.seed}")


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
    if any(row.learned not in (LAST, (len(row.messages) - 1,)) for row in source):
        raise UserError(
            f"control {short(spec.control)!r} changes the last turn, and some rows of its source"
            " name other turns in `learned`; leave `learned` out of the file, or the control"
        )
    of_formats = [row for row in source if is_format_row(row)]
    forward = [row for row in source if not (is_format_row(row) or row.meta.get("reversed"))]
    rows = control.rows(forward, request)
    if spec.reversal and control.knows_triggers:
        rows = with_reversal(rows, spec.style, request.rng)
    return rows + of_formats
