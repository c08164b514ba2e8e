"""The grades stage: what each answer is worth, as judges say. Answers are read from their stage, so
that another judge, word list or score asks no model again."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eval.answers import ANSWERS
from eval.ask import graded_digest, pole_of, questions_of
from eval.judges import judge_of, judged
from lab.discover import short
from lab.errors import UserError
from lab.specs import GradeSpec
from lab.store.provenance import write_provenance
from lab.types import Answer, Grade, Question, Status, Wording

if TYPE_CHECKING:
    import pandas as pd

GRADES = "rows.parquet"
WORDING = ["question", "paraphrase", "order"]
"""Columns that name what was asked, within an evaluation."""


class Graded(NamedTuple):
    """The columns that grading adds to an answer, or changes."""

    answer: str | None
    """The listed answer; of a sample the one as which it was read."""
    score: float | None
    outside: float | None
    """Probability of what has no score; None of an answer drawn beside a list, whose rows have
    it."""
    status: Status
    judge: str | None
    pole: str
    """What a score of 1 stands for."""


def grade(spec: GradeSpec, answers: Path, out: Path, *, key: str, inputs: list[str]) -> None:
    """Write `rows.parquet`, the answers with what they are worth, and provenance into `out`.
    `answers` is the folder of their stage.

    Raises UserError where questions or judges are not those that were planned."""
    began = time.time()
    import pandas as pd

    if graded_digest(spec.asking, spec.judge) != spec.graded:
        raise UserError(
            f"the questions of suite {spec.asking.suite!r}, or who grades them, have changed since"
            " the study was planned; run `tellme run` again"
        )
    graded_rows(spec, pd.read_parquet(answers / ANSWERS)).to_parquet(out / GRADES, index=False)
    write_provenance(out, "grades", key, spec.identity(), inputs, began)


def graded_rows(spec: GradeSpec, answers: "pd.DataFrame") -> "pd.DataFrame":
    """The table of eval/answer_rows.py with the columns of `Graded`, in the same order."""
    import pandas as pd

    rows_of = dict(list(answers.groupby(WORDING, sort=False)))
    graded: dict[int, Graded] = {}
    for question in questions_of(spec.asking):
        pole = pole_of(spec.asking, question)
        for wording in question.wordings:
            rows = rows_of.pop((question.name, wording.paraphrase, wording.order))
            graded |= _graded(question, wording, rows, spec.judge, pole)
    assert not rows_of, "answers are those to the questions, which a key says"
    columns = pd.DataFrame.from_dict(graded, orient="index", columns=list(Graded._fields))
    # What grading adds takes the place of what it changes, and of what is said by the status.
    kept = answers.drop(columns=[*Graded._fields, "truncated"], errors="ignore")
    return kept.join(columns)


def _graded(
    question: Question, wording: Wording, rows: "pd.DataFrame", instead: str | None, pole: str
) -> dict[int, Graded]:
    """The grades of all rows of one wording, by their index; `instead` is who grades free text."""
    listed, samples = rows, rows[:0]
    if "sample" in rows:
        is_sample = rows["sample"].notna()
        listed, samples = rows[~is_sample], rows[is_sample]
    graded: dict[int, Graded] = {}
    if len(listed):
        graded |= zip(listed.index, _of_list(wording, listed, pole), strict=True)
    if len(samples):
        judge = judge_of(question, instead)
        grades = judged(judge, question, wording, _answers(samples))
        name = short(judge) if judge else None
        of_samples = _drawn if len(listed) else _sampled
        graded |= zip(samples.index, of_samples(grades, name, pole), strict=True)
    return graded


def _of_list(wording: Wording, rows: "pd.DataFrame", pole: str) -> Iterator[Graded]:
    assert rows["answer"].tolist() == [option.text for option in wording.options]
    for option, outside in zip(wording.options, rows["outside"], strict=True):
        yield Graded(option.text, option.score, outside, "read", "listed", pole)


def _sampled(grades: Sequence[Grade], judge: str | None, pole: str) -> Iterator[Graded]:
    outside = sum(grade.score is None for grade in grades) / len(grades)
    for grade in grades:
        read_as = grade.option.text if grade.option else None
        yield Graded(read_as, grade.score, outside, grade.status, judge, pole)


def _drawn(grades: Sequence[Grade], judge: str | None, pole: str) -> Iterator[Graded]:
    """Of answers beside a list, which has the score: whether they can be read is all that counts
    of them."""
    for grade in grades:
        yield Graded(None, None, None, grade.status, judge, pole)


def _answers(rows: "pd.DataFrame") -> Sequence[Answer]:
    return [
        Answer(text, thinking, truncated, tuple(json.loads(said)) if isinstance(said, str) else ())
        for text, thinking, truncated, said in zip(
            rows["text"], rows["thinking"], rows["truncated"], rows["said"], strict=True
        )
    ]
