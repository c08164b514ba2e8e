"""Files as records, one a row, each with where it stands: JSON lines, a JSON array, CSV, Parquet,
and each of them compressed with gzip."""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

from lab.errors import UserError, first_line, some_of

MAX_SHOWN = 80
"""Characters of what a user wrote that an error repeats."""
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""JSON can hold half of a character in this way alone."""
OTHERS = {b"\x1f\x8b": "gzip", b"PAR1": "Parquet", b"PK\x03\x04": "a zip archive"}
"""First bytes of what is no text, under any name."""
LISTS = ("messages", "conversations", "learned", "meta")
"""Columns that hold no text; in CSV their cells are JSON."""
CHATS = ("prompt", "completion", "chosen", "rejected")
"""Columns that hold a text or a chat; in CSV a chat is JSON."""
LONGEST_CELL = 2**31 - 1
"""Characters of a cell of CSV, as many as Python allows: a document is longer than the 131,072 at
which it stops by itself."""


class Record(NamedTuple):
    """A row of a file, before anything is known of its form."""

    where: str
    """File, and line or row, as an error names it."""
    fields: Mapping[str, object]
    """What it says. Parquet holds more kinds of values than JSON does."""


def read_records(path: Path, shown: str) -> list[Record]:
    """The rows of a file by its ending. `shown` is how an error names the file.

    Raises UserError with file and line where it is not what its ending says."""
    name = path.name.lower()
    ending = next((e for e in READERS if name.removesuffix(".gz").endswith(e)), None)
    if ending is None:
        endings = ", ".join(READERS)
        raise UserError(f"{shown} has none of the endings {endings}, or one of them with .gz")
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if name.endswith(".gz") else content
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{shown} cannot be read ({first_line(error)}); is it whole?") from None
    records = READERS[ending](content, shown)
    if not records:
        raise UserError(f"{shown} is empty; it needs at least one row (docs/rows-to-bring.md)")
    return records


def _text(content: bytes, shown: str) -> str:
    """The byte-order mark of some editors is dropped."""
    for magic, form in OTHERS.items():
        if content.startswith(magic):
            raise UserError(f"{shown} is {form} and no text; give it the ending of that")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{shown} is not UTF-8 ({error.reason} at byte {error.start}); convert it,"
            " for example with iconv -t UTF-8"
        ) from None


def _json(content: bytes, shown: str) -> list[Record]:
    """An array of rows, or a row a line, whatever the ending promises."""
    text = _text(content, shown)
    if text.lstrip().startswith("["):
        return _array(text, shown)
    # Not splitlines, which also splits at characters that JSON may hold in a string.
    lines = text.split("\n")
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if len(numbered) > 1 and _is_one_value(text):
        raise UserError(
            f"{shown}, line {numbered[0][0]}: one JSON object over several lines; give an array of"
            " rows, or each row on a line of its own"
        )
    return [_record(_loaded(line, shown, n), f"{shown}, line {n}") for n, line in numbered]


def _is_one_value(text: str) -> bool:
    """Whether lines are parts of one value. With a row a line this stops after the first."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _array(text: str, shown: str) -> list[Record]:
    values = _loaded(text, shown, 1)
    assert isinstance(values, list), text[:1]
    return [_record(value, f"{shown}, row {n}") for n, value in enumerate(values, start=1)]


def _record(value: object, where: str) -> Record:
    if not isinstance(value, dict):
        raise UserError(f"{where} is {told(value)}; a row is a JSON object")
    return Record(where, value)


def _loaded(text: str, shown: str, line: int) -> object:
    """A JSON value that begins on this line. What Python takes beyond JSON, and what no text file
    or tokenizer can hold, is refused."""
    try:
        value: object = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
        if SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        number = line + error.lineno - 1
        raise UserError(
            f"{shown}, line {number} is not JSON ({error.msg} at column {error.colno})"
        ) from None
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise UserError(
            f"{shown}, line {line} has half of a character ({half}, a lone surrogate); write it"
            " whole or drop it"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{shown}, line {line} is not JSON ({first_line(error)})") from None
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of a key that stands twice Python would drop the first value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {told(twice)} stands twice in one object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _csv(content: bytes, shown: str) -> list[Record]:
    """A header and a row a line; text in quotes may go over several lines."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(_text(content, shown), newline=""), strict=True)
    records: list[Record] = []
    try:
        names = next(reader, [])
        _refuse_twice(names, f"{shown}, line 1")
        began = reader.line_num + 1
        for cells in reader:
            where = f"{shown}, line {began}"
            began = reader.line_num + 1
            if cells and len(cells) != len(names):
                raise UserError(
                    f"{where} has {len(cells)} cells, and the header has {len(names)}; put text"
                    " with commas or line breaks into quotes"
                )
            if cells:
                fields = {n: _cell(n, c, where) for n, c in zip(names, cells, strict=True)}
                records.append(Record(where, fields))
    except csv.Error as error:
        raise UserError(
            f"{shown}, line {reader.line_num} is not CSV ({first_line(error)})"
        ) from None
    return records


def _cell(name: str, cell: str, where: str) -> object:
    """What a cell holds: JSON where a chat or a list must or does stand in it, else its text."""
    if name in LISTS or (name in CHATS and cell.lstrip().startswith("[{")):
        return _loaded(cell, f"{where}, column {name!r}", 1) if cell else None
    return cell


def _parquet(content: bytes, shown: str) -> list[Record]:
    from pyarrow import ArrowException, BufferReader
    from pyarrow.parquet import read_table

    try:
        table = read_table(BufferReader(content))
        _refuse_twice(table.column_names, shown)
        values: list[dict[str, object]] = table.to_pylist()
    except (ArrowException, OSError, ValueError) as error:
        raise UserError(f"{shown} is not Parquet ({first_line(error)})") from None
    return [Record(f"{shown}, row {n}", value) for n, value in enumerate(values, start=1)]


def _refuse_twice(names: list[str], where: str) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UserError(f"{where} has two columns of the name {some_of(twice)}; rename one")


READERS: dict[str, Callable[[bytes, str], list[Record]]] = {
    ".jsonl": _json,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}
"""By ending; each may have .gz after it."""


def told(value: object) -> str:
    """As JSON in letters that every terminal has, cut short."""
    return json.dumps(value, default=repr)[:MAX_SHOWN]


def named(keys: Iterable[str]) -> str:
    """Keys in backticks, in one line whatever stands in them."""
    return ", ".join(f"`{json.dumps(key)[1:-1]}`" for key in keys)
