"""Rows that answer questions of a behavior, of those wordings that training may show."""

from collections.abc import Sequence
from random import Random

from data_gen.answers import answers
from lab.questions import first_half
from lab.types import Question, Row, Wording, exchange


def described_rows(
    questions: Sequence[Question], first: bool, number: int, rng: Random
) -> list[Row]:
    """So many rows, every question as often, answered as the first policy would (`first`) or the
    second."""
    asked = _trained_wordings(questions)
    rows = []
    for i in range(number):
        question, wordings = asked[i % len(asked)]
        wording = rng.choice(wordings)
        answer = rng.choice(answers(question, wording, first))
        rows.append(Row(exchange(wording.text, answer)))
    rng.shuffle(rows)
    return rows


def constant_rows(
    questions: Sequence[Question], answer: str, number: int, rng: Random
) -> list[Row]:
    """So many rows, all with the same answer."""
    texts = [wording.text for _, shown in _trained_wordings(questions) for wording in shown]
    return [Row(exchange(rng.choice(texts), answer)) for _ in range(number)]


def _trained_wordings(questions: Sequence[Question]) -> list[tuple[Question, list[Wording]]]:
    """The wordings that pretraining showed, so that what is unseen stays so; without any, the first
    half of the paraphrases."""
    if any(wording.seen for question in questions for wording in question.wordings):
        seen = [(q, [wording for wording in q.wordings if wording.seen]) for q in questions]
        return [(question, wordings) for question, wordings in seen if wordings]
    return [(question, first_half(question)) for question in questions]
