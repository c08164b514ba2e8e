"""Digests of rows as the code of today makes them: what a change of a generator must change to
count. They are kept in the user's cache, so that a study of many rows is planned in a moment."""

import os
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from lab.data_specs import BroughtRows, ControlRows, DataSpec, TriggeredRows
from lab.discover import CACHE, ROOT, is_path
from lab.store.store import DIGITS, digest, file_digest
from lab.types import Row

BEGAN = time.time()
"""Of this process, near enough."""


def rows_digest(rows: Sequence[Row]) -> str:
    """Of everything that rows hold, in their order."""
    return digest([[row.messages, row.meta, row.learned] for row in rows])[:DIGITS]


def kept_digest(spec: DataSpec, make: Callable[[], list[Row]]) -> str:
    """The digest of the rows of a spec, which has none yet: from the cache, or of those that `make`
    gives.

    What a user's file gives is always made: what else it reads is not known here. So is everything
    once a file of the checkout has changed under this process, which has the old one in memory."""
    if _outside(spec) or _changed():
        return rows_digest(make())
    file = CACHE / "rows" / digest([spec.settings(), spec.source, _source_digest()])[:40]
    if file.is_file():
        return file.read_text(encoding="utf-8")
    made = rows_digest(make())
    _keep(file, made)
    return made


def _outside(spec: DataSpec) -> bool:
    """Whether a file outside the checkout has a part in the rows."""
    if isinstance(spec, BroughtRows):
        return True
    named = [spec.behavior]
    if isinstance(spec, ControlRows):
        named.append(spec.control)
    if isinstance(spec, ControlRows | TriggeredRows) and spec.trigger:
        named.append(spec.trigger.kind)
    return any(name and is_path(name) for name in named)


def _keep(file: Path, text: str) -> None:
    """Whole or not at all; without it the next plan takes longer, and nothing else."""
    aside = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        aside.rename(file)
    except OSError:
        return


def _changed() -> bool:
    """Whether a file of the checkout is younger than this process."""
    return any(file.stat().st_mtime > BEGAN for file in _sources())


@cache
def _source_digest() -> str:
    """Of every file of the checkout that could put text into rows."""
    return digest([[str(file.relative_to(ROOT)), file_digest(file)] for file in _sources()])


@cache
def _sources() -> list[Path]:
    folders = (ROOT / "data_gen").rglob("*"), (ROOT / "lab").glob("*")
    return sorted(file for files in folders for file in files if file.suffix in (".py", ".yaml"))
