"""Answers that somebody labeled, or that a study has, as judges read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_gen.files.containers import READERS, Record, read_records
from eval.verdicts import Put
from lab.discover import find_path
from lab.errors import UserError, some_of
from lab.store.rows import load
from lab.types import Grade

QUESTIONS, ANSWERS, LABELS = ("question", "prompt"), ("answer", "response", "text"), ("label",)
"""Columns of a labeled file, of each the first that it has."""
WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
"""Labels that are words."""
SHORT = 10
"""Largest label of a scale that may be of five, seven or ten steps, and is then not of a hundred.
"""


@dataclass(frozen=True)
class Rater:
    """Somebody with a grade for each answer."""

    name: str
    grades: Sequence[Grade]


@dataclass(frozen=True)
class Answers:
    """What is put to judges, and who graded it before: people, or the judge of a study."""

    put: Sequence[Put]
    labels: Rater | None = None
    """Truth, where the file has any."""
    stored: Rater | None = None
    """What the study's own judge said."""


def read_answers(given: str, label: str | None = None) -> Answers:
    """The free answers of a finished study, given as its folder, or of a labeled file with columns
    `question`, `answer` and `label`, or another one as the label. Raises UserError with file and
    line for what is neither."""
    path = find_path(given)
    if path is None:
        raise UserError(
            f"{given!r} was not found in {Path.cwd()}; give the folder of a finished study, or a"
            f" file with columns question, answer and label ({', '.join(READERS)})"
        )
    if path.is_dir():
        return _of_study(path)
    records = read_records(path, given)
    put = [Put(_text(r, QUESTIONS) or "", _needed(r)) for r in records]
    names = (label,) if label else LABELS
    said = [_value(record.fields, names) for record in records]
    if all(value in (None, "") for value in said):
        if label:
            raise UserError(f"{given} has no column {label!r} with a label in it; name another")
        return Answers(put)
    return Answers(put, Rater("label", _labels(said, records)))


def _of_study(folder: Path) -> Answers:
    rows = load(folder)
    columns = {"text", "kind", "status"}
    free = rows[rows["kind"] == "text"] if columns <= {*rows.columns} else rows[:0]
    free = free[free["text"].notna() & (free["status"] != "truncated")]
    if not len(free):
        raise UserError(f"{folder} has no free answers, which judges could read")
    put = [Put(*pair) for pair in zip(free["prompt"], free["text"], strict=True)]
    judges = [name for name in free["judge"].unique() if name is not None]
    if len(judges) != 1:
        return Answers(put)
    scores = [None if score != score else float(score) for score in free["score"]]
    grades = [Grade(s, status=status) for s, status in zip(scores, free["status"], strict=True)]
    return Answers(put, stored=Rater(f"{judges[0]} (stored)", grades))


def _value(fields: Mapping[str, object], names: Sequence[str]) -> object:
    return next((fields[name] for name in names if name in fields), None)


def _text(record: Record, names: Sequence[str]) -> str | None:
    value = _value(record.fields, names)
    return value if isinstance(value, str) else None


def _needed(record: Record) -> str:
    text = _text(record, ANSWERS)
    if text is None:
        raise UserError(f"{record.where} has no text as `answer`; it has {some_of(record.fields)}")
    return text


def _labels(said: Sequence[object], records: Sequence[Record]) -> list[Grade]:
    """Labels as grades: 0 or 1, numbers in [0, 1], or numbers up to 100. What has none is no truth,
    and has no part in what is measured."""
    numbers = [_number(value, record.where) for value, record in zip(said, records, strict=True)]
    largest = max((number for number in numbers if number is not None), default=0.0)
    if 1 < largest <= SHORT:
        raise UserError(
            f"the largest label is {largest:g}, and of which scale it is nobody says; give numbers"
            " from 0 to 1, or from 0 to 100"
        )
    top = 100.0 if largest > 1 else 1.0
    for number, record in zip(numbers, records, strict=True):
        if number is not None and not 0 <= number <= top:
            raise UserError(f"{record.where}: label {number:g} is not between 0 and 100")
    return [Grade(None if number is None else number / top) for number in numbers]


def _number(value: object, where: str) -> float | None:
    if value is None or value == "":
        return None
    word = str(value).strip().casefold()
    if word in WORDS:
        return WORDS[word]
    try:
        return float(word)
    except ValueError:
        raise UserError(
            f"{where}: label {value!r} is no number; give 0 or 1, yes or no, or a score up to 100"
        ) from None
