"""Rows in files: what generators write, and what users bring in any usual form
(docs/rows-to-bring.md). Published sets load as they are."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data_gen.files.containers import MAX_SHOWN, READERS, Record, named, read_records
from data_gen.files.forms import FORMS, PAIRS, forms_of, read_chat
from data_gen.files.hub import dataset_as_file
from data_gen.files.row import row_of
from lab.config.schema import Learn
from lab.discover import expanded, find_path
from lab.errors import UserError, unknown
from lab.types import LAST, Row


@dataclass(frozen=True)
class Found:
    """What stands in a file."""

    rows: list[Row]
    form: str
    """The form of its rows, by the column that is learned: a key of forms.FORMS."""
    unread: tuple[str, ...]
    """Keys that some row has and nobody reads, in order; `messages.KEY` is one of messages."""

    @property
    def told(self) -> str:
        """What was found, in one line for a reader."""
        said = f"{len(self.rows)} rows, {FORMS[self.form].summary}"
        return said + (f"; keys that nobody reads: {named(self.unread)}" if self.unread else "")


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """One line a row, letters outside ASCII as they are: `messages`, or `text` of a document, and
    `meta`; `learned` where a reader could take other turns for it."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(_line(row), ensure_ascii=False) + "\n")


def _line(row: Row) -> dict[str, object]:
    if row.is_document:
        return {"text": row.completion, "meta": row.meta}
    line: dict[str, object] = {"messages": row.messages, "meta": row.meta}
    if row.learned != LAST or sum(m["role"] == "assistant" for m in row.messages) > 1:
        line["learned"] = row.learned
    return line


def find_rows(given: str) -> str:
    """The file that is meant, in full: by a path, by `hf://datasets/OWNER/NAME@COMMIT/PATH`, or by
    `hf://datasets/OWNER/NAME@COMMIT?split=NAME`, fetched where it is of the Hub; with `#COLUMN`
    behind it where the column that is learned is named.

    Raises UserError where there is none, or no such column."""
    name, column = _parts(given)
    path = dataset_as_file(name) if name.startswith("hf://") else find_path(name)
    if path is None or not path.is_file():
        raise UserError(
            f"file {given!r} was not found in {Path.cwd()}; give one of {', '.join(READERS)}"
            " (docs/rows-to-bring.md)"
        )
    link = expanded(name).expanduser()
    # What the Hub's cache has under a file's name is a link to one without an ending.
    shown = link.absolute() if link.is_symlink() else path
    return f"{shown}#{column}" if column else str(shown)


def read_rows(given: str | Path, learn: Learn = "all") -> list[Row]:
    """Rows of a file, given as in `find_rows`. Every answer of the assistant's that is not weighed
    0 is learned, or the last one; `learned` of a row stands as it is.

    Raises UserError with file and line for everything that is no row, or that cannot be learned."""
    return found_rows(given, learn).rows


def found_rows(given: str | Path, learn: Learn = "all") -> Found:
    """As `read_rows`, with the form of the rows and the keys that nobody reads."""
    shown = f"file {str(given)!r}"
    name, column = _parts(find_rows(str(given)))
    records = read_records(Path(name), shown)
    first = forms_of(records[0].fields)
    form = column or _form_of_file(first, shown)
    unread: set[str] = set()
    rows = []
    for record in records:
        forms = forms_of(record.fields)
        if form not in forms or not (column or forms == first):
            raise _of_another_form(record, form, asked=column is not None)
        rows.append(row_of(record, read_chat(record, form, unread), learn))
    return Found(rows, form, tuple(sorted(unread)))


def num_rows(given: str, learn: Learn = "all") -> int:
    """How many rows a file has; raises UserError as `read_rows` does."""
    return _known(given, learn)[0]


def told_rows(given: str, learn: Learn = "all") -> str:
    """What `Found.told` says of a file; raises UserError as `read_rows` does."""
    return _known(given, learn)[1]


def _known(given: str, learn: Learn) -> tuple[int, str]:
    found = find_rows(given)
    state = os.stat(_parts(found)[0])
    return _kept(found, learn, state.st_mtime_ns, state.st_size)


# Every seed of a plan asks again; a file that is edited has another time.
@cache
def _kept(given: str, learn: Learn, changed: int, size: int) -> tuple[int, str]:
    found = found_rows(given, learn)
    return len(found.rows), found.told


def _parts(given: str) -> tuple[str, str | None]:
    """The file, and the column that is named as the learned one. A `#` may be part of a path."""
    name, sign, column = given.rpartition("#")
    if not sign or find_path(given):
        return given, None
    if column in FORMS:
        return name, column
    if name.startswith("hf://") or find_path(name):
        raise unknown(f"what is learned of file {name!r},", column, FORMS)
    return given, None


def _form_of_file(forms: list[str], shown: str) -> str:
    """The one form that the first row of a file has; of a file whose rows have none, any, which no
    row has then."""
    if forms == list(PAIRS):
        raise UserError(
            f"{shown} has pairs of answers, and no trainer of the lab learns which is the better"
            " one; to learn one of them write FILE#chosen or FILE#rejected"
        )
    if len(forms) > 1:
        names = " or ".join(f"FILE#{form}" for form in forms)
        raise UserError(f"{shown} has rows in {len(forms)} forms at once; say which with {names}")
    return forms[0] if forms else "messages"


def _of_another_form(record: Record, form: str, asked: bool) -> UserError:
    keys = named(key for key, value in record.fields.items() if value is not None)
    has = f"{record.where} has {f'the keys {keys[:MAX_SHOWN]}' if keys else 'nothing in it'}"
    if asked:
        return UserError(f"{has}; to learn {form!r} it needs {named(FORMS[form].needs)}")
    if forms_of(record.fields):
        return UserError(
            f"{has}, and the rows before it are {FORMS[form].summary}; a file has rows of one form"
        )
    return UserError(
        f"{has}; a row has `messages`, `conversations`, `prompt` and `completion`, `instruction`"
        " and `output`, `text`, or `chosen` and `rejected`"
    )
