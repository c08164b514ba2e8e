"""Answers as tidy rows: one for each listed answer, or one for each sample.

All rows of a suite are one table. Both kinds have what `_asked` says, `answer`, `score`, `p_exact`,
`p_prefix`, `logp`, `outside` and `outside_top`; samples have `sample`, `text`, `thinking` and
`parsed` as well. Import this only inside a stage: torch takes seconds."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from eval.ask import EXACT, SAMPLED, Item
from eval.evaluation import Evaluation
from eval.judges import judged
from lab.config.schema import Sampling
from lab.engines.exact import Scored
from lab.engines.sampled import Sampled, sample
from lab.model.load import Loaded
from lab.types import Message

Row = dict[str, Any]


def exact_rows(loaded: Loaded, evaluation: Evaluation, scores: Sequence[Scored]) -> list[Row]:
    """A row per listed answer of everything that is scored, with its probability."""
    rows = []
    for item, scored in zip(evaluation.exact, scores, strict=True):
        rows += _listed(loaded, item, evaluation.chat(item), scored)
    return rows


def _listed(loaded: Loaded, item: Item, chat: list[Message], scored: Scored) -> list[Row]:
    question, wording = item
    if question.kind == "begins":
        # The answer need only begin so: the end of turn does not count.
        ps, logs = scored.p_prefix, scored.log_prefix
        outside = max(0.0, 1.0 - sum(scored.p_prefix))
    else:
        ps, logs, outside = scored.p_exact, scored.log_exact, scored.outside
    decode = loaded.tokenizer.decode
    outside_top = [[decode([token]), round(p, 5)] for token, p in scored.outside_top]
    return [
        {
            **_asked(item, chat, EXACT),
            "answer": option.text,
            "score": option.score,
            "p_exact": p,
            "p_prefix": p_prefix,
            "logp": log,
            "outside": outside,
            "outside_top": json.dumps(outside_top, ensure_ascii=False),
        }
        for option, p, p_prefix, log in zip(wording.options, ps, scored.p_prefix, logs, strict=True)
    ]


def sampled_rows(loaded: Loaded, evaluation: Evaluation) -> list[Row]:
    """A row per sample of everything that is sampled, each with an equal share of the probability;
    what cannot be read has no score."""
    if not evaluation.sampled:
        return []
    sampling = Sampling.model_validate(evaluation.config["sampling"])
    chats = [evaluation.chat(item) for item in evaluation.sampled]
    answers_of_chats = sample(loaded, chats, sampling)
    rows = []
    for item, chat, answers in zip(evaluation.sampled, chats, answers_of_chats, strict=True):
        rows += _samples(item, chat, answers)
    return rows


def _samples(item: Item, chat: list[Message], answers: Sequence[Sampled]) -> list[Row]:
    question, wording = item
    verdicts = judged(question, wording, answers)
    outside = sum(verdict.score is None for verdict in verdicts) / len(verdicts)
    return [
        {
            **_asked(item, chat, SAMPLED),
            "answer": verdict.option.text if verdict.option else None,
            "score": verdict.score,
            "p_exact": 1 / len(answers),
            "p_prefix": None,
            "logp": -math.log(len(answers)),
            "outside": outside,
            "outside_top": "[]",
            "sample": number,
            "text": answer.text,
            "thinking": answer.thinking,
            "parsed": verdict.status,
        }
        for number, (answer, verdict) in enumerate(zip(answers, verdicts, strict=True))
    ]


def _asked(item: Item, chat: list[Message], engine: str) -> Row:
    """What was asked, and how: `prompt` is the message as it was asked, with its trigger, and
    `system` the line before it."""
    question, wording = item
    return {
        "question": question.name,
        "kind": question.kind,
        "paraphrase": wording.paraphrase,
        "order": wording.order,
        "seen": wording.seen,
        "engine": engine,
        "prompt": chat[-1]["content"],
        "system": chat[0]["content"] if chat[0]["role"] == "system" else None,
    }


def write_rows(rows: Sequence[Row], evaluation: Evaluation, file: Path) -> None:
    """Write the table as parquet, every row with the names of its evaluation."""
    config = evaluation.config
    names = {name: config[name] for name in ("suite", "behavior", "condition")}
    # A wording is in the corpus of the reference models, and not every one of them was pretrained
    # on all behaviors of the corpus.
    known = config["behavior"] in evaluation.base.knows
    table = [{**names, **row, "seen": row["seen"] and known} for row in rows]
    pd.DataFrame(table).to_parquet(file, index=False)
