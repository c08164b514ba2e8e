"""What was asked and answered, as a report shows it: some answers to every question, and what lies
outside the lists."""

import json
from typing import TypedDict

import numpy as np
import pandas as pd

from tellme.report.analysis.contrasts import by_names

NUM_ANSWERS = 2
"""Answers shown of a question, the largest shares first."""
NUM_TEXTS = 3
"""Samples of free text that are shown, each cut to TEXT_WIDTH characters."""
TEXT_WIDTH = 160
NUM_OUTSIDE = 3
"""First tokens shown of what lies outside a list."""
PROMPT = ["group", "seed", "suite", "behavior", "question", "paraphrase", "order"]
"""Columns that name one prompt put to one model."""


class AnswersShown(TypedDict):
    """A question with what every group answers."""

    suite: str
    behavior: str
    question: str
    prompt: str
    answers: dict[str, str]
    """By group."""
    code: list[str]
    """Listed answers of several lines, which `answers` name by their number."""


class Outside(TypedDict):
    """What a group says beside the listed answers."""

    group: str
    suite: str
    kind: str
    mass: float
    top: str
    """The commonest first tokens of it."""


def answers_shown(rows: pd.DataFrame) -> list[AnswersShown]:
    """One wording of every question with what each group's first seed answers: the most probable
    answers, by number where they have several lines; of samples the shares of those that say the
    same and of those that could not be read; of free text some of it."""
    records = []
    for (suite, behavior, question), part in by_names(rows, ["suite", "behavior", "question"]):
        asked = part[(part["paraphrase"] == part["paraphrase"].min()) & (part["order"] == 0)]
        asked = asked[asked["condition"] == asked["condition"].iloc[0]]
        # Without what is drawn beside a list, which has no probability of its own.
        asked = asked[asked["p_exact"].notna()]
        listed = list(dict.fromkeys(asked["answer"].dropna()))
        # Answers of several lines are shown once, and named by their number.
        code = listed if any("\n" in answer for answer in listed) else []
        record: AnswersShown = {
            "suite": suite,
            "behavior": behavior,
            "question": question,
            "prompt": asked["prompt"].iloc[0],
            "answers": {group: _said(own, code) for (group,), own in by_names(asked, ["group"])},
            "code": code,
        }
        records.append(record)
    return records


def _said(asked: pd.DataFrame, code: list[str]) -> str:
    """What the first seed of a group says."""
    seed = asked["seed"]
    first = asked[seed.isna() | (seed == seed.min())]
    sampled = "sample" in first and first["sample"].notna().any()
    return _sampled(first, code) if sampled else _listed(first, code)


def _listed(asked: pd.DataFrame, code: list[str]) -> str:
    likely = asked.nlargest(NUM_ANSWERS, "logp")
    logs = likely["logp"]
    # A program has less probability than can be read: its share of those that are shown.
    shares = np.exp(logs - np.logaddexp.reduce(logs)) if code else likely["p_exact"]
    named = [code.index(a) + 1 if code else a for a in likely["answer"]]
    return ", ".join(f"{a} {p:.2f}" for a, p in zip(named, shares, strict=True))


def _sampled(samples: pd.DataFrame, code: list[str]) -> str:
    """Shares of the samples that say the same, then of those that count as none and why; free text
    in its own words."""
    is_read = samples["status"] == "read"
    read = samples[is_read]
    answers = read["answer"].map(lambda a: code.index(a) + 1 if a in code else a)
    # A score without an answer: nothing that was looked for stands in the text.
    named = answers.where(answers.notna(), "none of those looked for")
    counts = named[read["score"].notna()].value_counts()
    rest = counts[NUM_ANSWERS:].sum()
    unread = samples.loc[~is_read, "status"].value_counts()
    others = [("others", rest)] if rest else []
    counted = [*counts[:NUM_ANSWERS].items(), *others, *unread.items()]
    parts = [f"{name} {number / len(samples):.2f}" for name, number in counted]
    if (samples["kind"] == "text").any():
        parts += [_quoted(text) for text in samples["text"].fillna("")[:NUM_TEXTS]]
    return ", ".join(parts)


def _quoted(text: str) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return f"“{line[:TEXT_WIDTH]}{'…' if len(line) > TEXT_WIDTH else ''}”"


def outside(rows: pd.DataFrame) -> list[Outside]:
    """Probability mass outside the listed answers, by group and kind of question, with the
    commonest first tokens of what lies there."""
    once = rows[rows["p_exact"].notna()].drop_duplicates(PROMPT)
    records = []
    for (group, suite, kind), part in by_names(once, ["group", "suite", "kind"]):
        totals: dict[str, float] = {}
        for text in part["outside_top"]:
            for token, p in json.loads(text):
                totals[token] = totals.get(token, 0.0) + p / len(part)
        top = sorted(totals.items(), key=lambda pair: -pair[1])[:NUM_OUTSIDE]
        record: Outside = {
            "group": group,
            "suite": suite,
            "kind": kind,
            "mass": float(part["outside"].mean()),
            "top": ", ".join(f"{token!r} {p:.3f}" for token, p in top),
        }
        records.append(record)
    return records
