"""Answers as a tidy table: a row for each listed answer, or for each sample. What was asked stands
in each: see docs/rows.md for the columns."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from eval.ask import Item
from eval.evaluation import Evaluation
from lab.discover import short
from lab.engine import Scored
from lab.types import Answer

Row = dict[str, str | int | float | bool | None]
"""By column."""


def listed_rows(evaluation: Evaluation, scores: Sequence[Scored]) -> list[Row]:
    """A row per listed answer of everything that is scored, with its probability."""
    rows = []
    for item, scored in zip(evaluation.listed, scores, strict=True):
        rows += _listed(evaluation, item, scored)
    return rows


def _listed(evaluation: Evaluation, item: Item, scored: Scored) -> list[Row]:
    counted = scored.counted(item.question.kind)
    outside_top = [[text, round(p, 5)] for text, p in scored.outside_top]
    answers = zip(
        item.wording.options,
        counted.p_exact,
        scored.p_prefix,
        counted.log_exact,
        strict=True,
    )
    return [
        {
            **_asked(evaluation, item),
            "engine": evaluation.spec.answered,
            "answer": option.text,
            "p_exact": p,
            "p_prefix": p_prefix,
            "logp": log,
            "outside": counted.outside,
            "outside_top": json.dumps(outside_top, ensure_ascii=False),
        }
        for option, p, p_prefix, log in answers
    ]


def sampled_rows(evaluation: Evaluation, answers: Sequence[Sequence[Answer]]) -> list[Row]:
    """A row per sample of everything that is sampled, each with an equal share of the
    probability."""
    rows: list[Row] = []
    for item, of_item in zip(evaluation.sampled, answers, strict=True):
        for number, answer in enumerate(of_item):
            row = {
                **_sample(evaluation, item, number, answer),
                "p_exact": 1 / len(of_item),
                "logp": -math.log(len(of_item)),
            }
            rows.append(row)
    return rows


def drawn_rows(evaluation: Evaluation, answers: Sequence[Sequence[Answer]]) -> list[Row]:
    """A row per answer that is drawn beside a list. None has a probability: all of that is in the
    rows of the list."""
    return [
        {**_sample(evaluation, item, number, answer), "p_exact": None, "logp": None}
        for item, of_item in zip(evaluation.drawn, answers, strict=True)
        for number, answer in enumerate(of_item)
    ]


def _sample(evaluation: Evaluation, item: Item, number: int, answer: Answer) -> Row:
    """What was generated, but for its probability."""
    return {
        **_asked(evaluation, item),
        "engine": evaluation.spec.sampled,
        "p_prefix": None,
        "outside_top": "[]",
        "sample": number,
        "text": answer.text,
        "thinking": answer.thinking,
        "truncated": answer.truncated,
        "said": json.dumps(answer.said, ensure_ascii=False) if answer.said else None,
    }


def _asked(evaluation: Evaluation, item: Item) -> Row:
    """What was asked, and how: `prompt` is the message as it was asked, with its trigger, and
    `system` the line before it; `before` are the earlier turns of a question that has some."""
    spec, question, wording = evaluation.spec, item.question, item.wording
    asking, first = spec.asking, item.chat[0]
    # A wording is in the corpus of the reference models, and not every one of them was pretrained
    # on all behaviors of the corpus.
    known = asking.behavior in spec.base.knows
    return {
        "suite": short(asking.suite),
        "behavior": asking.about,
        "condition": asking.condition.name,
        "question": question.name,
        "kind": question.kind,
        "free": question.free,
        "presupposes": question.presupposes,
        "names_concept": question.names_concept,
        "paraphrase": wording.paraphrase,
        "order": wording.order,
        "seen": wording.seen and known,
        "prompt": next(turn["content"] for turn in reversed(item.chat) if turn["role"] == "user"),
        "system": first["content"] if first["role"] == "system" else None,
        "before": json.dumps(wording.before, ensure_ascii=False) if wording.before else None,
        "prefill": wording.prefill or None,
        "about": question.about,
    }


def write_rows(rows: Sequence[Row], file: Path) -> None:
    """Write the table as parquet."""
    pd.DataFrame(rows).to_parquet(file, index=False)
