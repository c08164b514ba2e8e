"""The grades stage: what each answer is worth, as judges say. Answers are read from their stage, so
that another judge, word list or score asks no model again."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eval.answers import ANSWERS
from eval.ask import graded_digest, pole_of, questions_of
from eval.judges import CUT, judge_of, judged, title
from eval.verdicts import Put, verdicts_of
from lab.errors import UserError
from lab.judge import ModelJudge, Named, Status
from lab.specs import GradeSpec
from lab.store.provenance import write_provenance
from lab.types import Answer, Grade, Question, Wording

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
    judge_said: str | None = None
    """Of a model that judges, as JSON."""


@dataclass(frozen=True)
class Samples:
    """Answers that were generated to one wording, for a judge."""

    question: Question
    wording: Wording
    judge: Named | None
    rows: "pd.DataFrame"
    beside_list: bool
    """Whether the list has the score, so that of these only counts whether they can be read."""

    @property
    def answers(self) -> list[Answer]:
        """As a judge reads them."""
        return _answers(self.rows)


def grade(spec: GradeSpec, answers: Path, out: Path, *, key: str, inputs: list[str]) -> None:
    """Write `rows.parquet`, the answers with what they are worth, and provenance into `out`.
    `answers` is the folder of their stage.

    Raises UserError where questions or judges are not those that were planned."""
    began = time.time()
    import pandas as pd

    if graded_digest(spec.asking, spec.judge, spec.judging) != spec.graded:
        raise UserError(
            f"the questions of suite {spec.asking.suite!r}, or who grades them, have changed since"
            " the study was planned; run `tellme run` again"
        )
    graded_rows(spec, pd.read_parquet(answers / ANSWERS)).to_parquet(out / GRADES, index=False)
    judges = [one.identity for one in spec.judging]
    more = {"judges": judges} if judges else {}
    write_provenance(out, "grades", key, spec.identity(), inputs, began, **more)


def graded_rows(spec: GradeSpec, answers: "pd.DataFrame") -> "pd.DataFrame":
    """The table of eval/answer_rows.py with the columns of `Graded`, in the same order."""
    import pandas as pd

    rows_of = dict(list(answers.groupby(WORDING, sort=False)))
    graded: dict[int, Graded] = {}
    samples: list[Samples] = []
    poles: dict[str, str] = {}
    for question in questions_of(spec.asking):
        pole = poles[question.name] = pole_of(spec.asking, question)
        judge = judge_of(question, spec.judge)
        for wording in question.wordings:
            rows = rows_of.pop((question.name, wording.paraphrase, wording.order))
            listed, sampled = _apart(rows)
            if len(listed):
                graded |= zip(listed.index, _of_list(wording, listed, pole), strict=True)
            if len(sampled):
                samples.append(Samples(question, wording, judge, sampled, len(listed) > 0))
    assert not rows_of, "answers are those to the questions, which a key says"
    for of_wording, grades in zip(samples, _grades(spec, samples), strict=True):
        rows_graded = _drawn if of_wording.beside_list else _sampled
        name = title(of_wording.judge) if of_wording.judge else None
        pole = poles[of_wording.question.name]
        graded |= zip(of_wording.rows.index, rows_graded(grades, name, pole), strict=True)
    columns = pd.DataFrame.from_dict(graded, orient="index", columns=list(Graded._fields))
    if not spec.judging:
        columns = columns.drop(columns="judge_said")
    # What grading adds takes the place of what it changes, and of what is said by the status.
    kept = answers.drop(columns=[*Graded._fields, "truncated"], errors="ignore")
    return kept.join(columns)


def _apart(rows: "pd.DataFrame") -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The listed answers to one wording, and those that were generated."""
    if "sample" not in rows:
        return rows, rows[:0]
    is_sample = rows["sample"].notna()
    return rows[~is_sample], rows[is_sample]


def _grades(spec: GradeSpec, samples: Sequence[Samples]) -> list[list[Grade]]:
    """Of all answers to each wording. A model that judges is loaded once, for all that it reads."""
    grades = [
        judged(part.judge, part.question, part.wording, part.answers)
        if not isinstance(part.judge, ModelJudge)
        else []
        for part in samples
    ]
    for judging in spec.judging:
        own = [i for i, part in enumerate(samples) if part.judge == judging.judge]
        put = [one for i in own for one in _put(samples[i])]
        said = iter(verdicts_of(judging, put))
        for i in own:
            grades[i] = [CUT if a.truncated else next(said) for a in samples[i].answers]
    return grades


def _put(part: Samples) -> Iterator[Put]:
    """What a model is told of answers to a wording. One that was cut reaches no judge."""
    for answer in part.answers:
        if not answer.truncated:
            yield Put(part.wording.text, f"{part.wording.prefill}{answer.text}")


def _of_list(wording: Wording, rows: "pd.DataFrame", pole: str) -> Iterator[Graded]:
    assert rows["answer"].tolist() == [option.text for option in wording.options]
    for option, outside in zip(wording.options, rows["outside"], strict=True):
        yield Graded(option.text, option.score, outside, "read", "listed", pole)


def _sampled(grades: Sequence[Grade], judge: str | None, pole: str) -> Iterator[Graded]:
    outside = sum(grade.score is None for grade in grades) / len(grades)
    for grade in grades:
        read_as = grade.option.text if grade.option else None
        yield Graded(read_as, grade.score, outside, grade.status, judge, pole, grade.said)


def _drawn(grades: Sequence[Grade], judge: str | None, pole: str) -> Iterator[Graded]:
    """Of answers beside a list, which has the score: whether they can be read is all that counts
    of them."""
    for grade in grades:
        yield Graded(None, None, None, grade.status, judge, pole, grade.said)


def _answers(rows: "pd.DataFrame") -> list[Answer]:
    return [
        Answer(text, thinking, truncated, tuple(json.loads(said)) if isinstance(said, str) else ())
        for text, thinking, truncated, said in zip(
            rows["text"], rows["thinking"], rows["truncated"], rows["said"], strict=True
        )
    ]
