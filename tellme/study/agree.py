"""`tellme judge agree`: what judges say of the same answers, and whether they agree with labels and
with one another."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from eval.judges import load_judge, locate_judge, title
from eval.verdicts import Put, verdicts_of
from lab.errors import UserError
from lab.judge import ModelJudge
from lab.stats.agreement import agreement, auc
from lab.table import aligned, plain
from lab.types import Answer, Grade, Question, Wording
from tellme.study.judges import resolve_judge
from tellme.study.labeled import Answers, Rater, read_answers

HEAD = ("judge", "answers", "read", "not read", "mean", "agree", "kappa", "95 %", "AUC")
PAIR = ("a", "b", "both", "agree", "kappa", "95 %", "only a", "only b")
NUM_FLIPS = 5
"""Answers shown of which one judge says yes and another no."""
WIDTH = 70
"""Characters of an answer that is shown."""


def agree_text(
    given: str, judges: Sequence[str], threshold: float, label: str | None, out: str | None
) -> str:
    """How judges grade the answers of a file or of a study, how they agree with its labels and with
    one another, and on which answers they do not. A score of `threshold` or more is a yes. `out` is
    a CSV to write: a line an answer.

    Raises UserError for what is no file of answers, no judge, or nothing to compare."""
    if not 0 < threshold <= 1:
        raise UserError(f"--threshold {threshold:g} is not above 0 and up to 1")
    answers = read_answers(given, label)
    raters = [*filter(None, [answers.stored]), *(_rater(name, answers) for name in judges)]
    if not raters or (answers.labels is None and len(raters) < 2):
        raise UserError(
            f"{given} leaves nothing to compare: name judges (--judge FILE, several times), or give"
            " a file with a column `label`"
        )
    if out:
        _write(Path(out), answers, raters)
    lines = aligned([HEAD, *(_line(r, answers.labels, threshold) for r in raters)])
    pairs = list(combinations(raters, 2))
    if pairs:
        lines += ["", *aligned([PAIR, *(_pair(a, b, threshold) for a, b in pairs)])]
        lines += _flips(answers, pairs, threshold)
    return "\n".join([*lines, "", f"yes: a score of {threshold:g} or more; the answer is the unit"])


def _rater(name: str, answers: Answers) -> Rater:
    judge = locate_judge(name, "--judge")
    if isinstance(judge, ModelJudge):
        return Rater(judge.title, verdicts_of(resolve_judge(judge, online=True), answers.put))
    wrong = load_judge(judge).unfit(_question(Put("", "")))
    if wrong:
        raise UserError(f"--judge {name!r} {wrong}: answers in a file have none")
    return Rater(title(judge), [_by_rule(judge, one) for one in answers.put])


def _by_rule(judge: str, put: Put) -> Grade:
    question = _question(put)
    (grade,) = load_judge(judge).grades(question, question.wordings[0], [Answer(put.answer)])
    return grade


def _question(put: Put) -> Question:
    return Question("answers", "text", (Wording(put.question, (), 0),))


def _says(rater: Rater, threshold: float) -> list[bool | None]:
    """Yes or no of each answer; None where it has no score."""
    return [None if g.score is None else g.score >= threshold for g in rater.grades]


def _both(a: Rater, b: Rater, threshold: float) -> list[tuple[bool, bool]]:
    said = zip(_says(a, threshold), _says(b, threshold), strict=True)
    return [(one, other) for one, other in said if one is not None and other is not None]


def _line(rater: Rater, labels: Rater | None, threshold: float) -> tuple[str, ...]:
    scores = [grade.score for grade in rater.grades if grade.score is not None]
    others = Counter(grade.status for grade in rater.grades if grade.score is None)
    unread = ", ".join(f"{number} {status}" for status, number in others.items()) or "0"
    mean = f"{sum(scores) / len(scores):.3f}" if scores else ""
    counted = rater.name, str(len(rater.grades)), str(len(scores)), unread, mean
    if labels is None:
        return (*counted, "", "", "", "")
    ranked = [
        (label.score >= threshold, grade.score)
        for label, grade in zip(labels.grades, rater.grades, strict=True)
        if label.score is not None and grade.score is not None
    ]
    area = auc([is_yes for is_yes, _ in ranked], [score for _, score in ranked])
    return (*counted, *_agreement(_both(labels, rater, threshold)), plain(area))


def _agreement(both: Sequence[tuple[bool, bool]]) -> tuple[str, str, str]:
    if not both:
        return "", "", ""
    found = agreement([a for a, _ in both], [b for _, b in both])
    if found.ci_low is None or found.ci_high is None:
        return plain(found.raw), "", "both always say the same"
    return plain(found.raw), plain(found.kappa), f"{found.ci_low:.3f} to {found.ci_high:.3f}"


def _pair(a: Rater, b: Rater, threshold: float) -> tuple[str, ...]:
    both = _both(a, b, threshold)
    only = [str(both.count((True, False))), str(both.count((False, True)))]
    return (a.name, b.name, str(len(both)), *_agreement(both), *only)


def _flips(
    answers: Answers, pairs: Sequence[tuple[Rater, Rater]], threshold: float
) -> Iterator[str]:
    """Answers of which one of a pair says yes and the other no, those furthest apart first."""
    for a, b in pairs:
        said = zip(answers.put, a.grades, b.grades, strict=True)
        apart = [
            (abs(x.score - y.score), x.score, y.score, one.answer)
            for one, x, y in said
            if x.score is not None
            and y.score is not None
            and (x.score >= threshold) != (y.score >= threshold)
        ]
        if apart:
            yield ""
            yield f"{a.name} and {b.name} say otherwise of {len(apart)}:"
        for _, first, second, text in sorted(apart, reverse=True)[:NUM_FLIPS]:
            yield f"  {first:.2f}  {second:.2f}  {' '.join(text.split())[:WIDTH]}"


def _write(path: Path, answers: Answers, raters: Sequence[Rater]) -> None:
    """A line an answer: what was asked and answered, its label, and of each judge score, status and
    what it said."""
    of_raters = [f"{r.name} {what}" for r in raters for what in ("score", "status", "said")]
    known = [answers.labels] if answers.labels else []
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["question", "answer", *(r.name for r in known), *of_raters])
            for i, one in enumerate(answers.put):
                labels = [r.grades[i].score for r in known]
                grades = [r.grades[i] for r in raters]
                table.writerow([*one, *labels, *(x for g in grades for x in _cells(g))])
    except OSError as error:
        raise UserError(f"--out {str(path)!r} cannot be written: {error.strerror}") from None


def _cells(grade: Grade) -> tuple[float | None, str, str | None]:
    return grade.score, grade.status, grade.said
