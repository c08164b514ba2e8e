"""Who grades answers by a rule, one file each, found by name: `JUDGE = Judge(...)`. Here: which
judge a question has, and what none of them sees. Models that judge are values (lab/judge.py)."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lab import discover
from lab.errors import UserError, first_line
from lab.judge import ModelJudge, Named
from lab.judge_files import is_judge_file, read_judge, with_prompt
from lab.store.store import DIGITS, digest
from lab.types import Answer, Grade, Judge, Question, Wording

CUT = Grade(None, status="truncated")
UNJUDGED = Grade(None)
"""Of a free question that nobody grades: its answers are kept for a reader."""


def judge_names() -> list[str]:
    """The judges there are, in the order of the alphabet."""
    return list(discover.names(sys.modules[__name__]))


def load_judge(name: str) -> Judge:
    """Raises UserError with the nearest name where there is no such file."""
    return discover.load(sys.modules[__name__], name, "JUDGE", "judge", Judge)


def locate_judge(name: Named, what: str) -> Named:
    """The name as it is, the path of a file in full, a model with what it is told. Raises UserError
    where there is no such file."""
    if isinstance(name, ModelJudge):
        return with_prompt(name, Path.cwd(), what)
    if is_judge_file(name):
        path = discover.find_path(name)
        if path is None or not path.is_file():
            raise UserError(f"{what} {name!r} was not found in {Path.cwd()}; give its path")
        return read_judge(path)
    located = discover.located(sys.modules[__name__], name, what)
    load_judge(located)
    return located


def judge_digest(name: str) -> str:
    """Of the name of a judge and of its code: what it says may follow from every line. Raises
    UserError where there is no such judge."""
    grades = load_judge(name).grades
    module = discover.module_of(sys.modules[__name__], name, "judge")
    code = [discover.digest_of_code(module), discover.digest_of_code(grades)]
    return digest([discover.short(name), *code])[:DIGITS]


def title(judge: Named) -> str:
    """What rows and reports call a judge."""
    return judge.title if isinstance(judge, ModelJudge) else discover.short(judge)


def judge_of(question: Question, instead: Named | None = None) -> Named | None:
    """Who grades the answers to a question where they are generated; `instead` does so for free
    text whatever the question says. None where nobody does."""
    if question.kind == "begins":
        return question.judge or "begins"
    if question.kind != "text":
        return question.judge or "listed"
    named = instead or question.judge
    if named:
        return named
    lists_any = any(wording.options for wording in question.wordings)
    return "contains" if lists_any else None


def refuse_unfit(where: str, question: Question, instead: Named | None = None) -> None:
    """Raises UserError, beginning with `where`, for a question that its judge (`judge_of`) cannot
    grade, and as `load_judge` does."""
    judge = judge_of(question, instead)
    # A model reads whatever it is told.
    wrong = load_judge(judge).unfit(question) if isinstance(judge, str) else None
    if isinstance(judge, str) and wrong:
        raise UserError(
            f"{where}question {question.name!r}: judge {discover.short(judge)!r} {wrong}"
        )


def without_options(question: Question) -> str | None:
    """What is wrong with a question for a judge that knows options alone."""
    if any(wording.options for wording in question.wordings):
        return None
    return "reads answers as its `options`, and it has none; give some, or another judge"


def judged(
    judge: str | None, question: Question, wording: Wording, answers: Sequence[Answer]
) -> list[Grade]:
    """A grade for each answer by a rule. One that was cut counts as none, whatever stands in it so
    far, but for a judge that needs no more than its beginning. Raises UserError where a judge
    fails, or gives what are no grades."""
    reads_cut = judge is not None and load_judge(judge).reads_cut
    seen = [answer for answer in answers if reads_cut or not answer.truncated]
    grades = [UNJUDGED for _ in seen] if judge is None else _said(judge, question, wording, seen)
    in_order = iter(grades)
    return [next(in_order) if reads_cut or not answer.truncated else CUT for answer in answers]


def _said(
    judge: str, question: Question, wording: Wording, answers: Sequence[Answer]
) -> list[Grade]:
    """What a judge says, held to one grade an answer and to scores in [0, 1]."""
    where = f"judge {discover.short(judge)!r} of question {question.name!r}"
    try:
        grades = list(load_judge(judge).grades(question, wording, answers))
    except Exception as error:
        # One of the lab is ours to mend.
        if not discover.is_path(judge):
            raise
        raise UserError(f"{where} failed: {first_line(error)}") from error
    if len(grades) != len(answers):
        raise UserError(
            f"{where} gave {len(grades)} grades to {len(answers)} answers; give each one"
        )
    for grade in grades:
        if not isinstance(grade, Grade) or not (grade.score is None or 0 <= grade.score <= 1):
            raise UserError(
                f"{where} gave {grade!r}; a grade is a Grade whose score is in [0, 1], or None"
            )
    return grades
