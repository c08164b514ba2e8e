"""What was asked and answered, as a report shows it: some answers to every question, and what lies
outside the lists."""

import json
from typing import Any

import numpy as np
import pandas as pd

NUM_ANSWERS = 2
"""Answers shown of a question, the largest shares first."""
NUM_TEXTS = 3
"""Samples of free text that are shown, each cut to so many characters."""
TEXT_WIDTH = 160
NUM_OUTSIDE = 3


def answers_shown(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One wording of every question with what each group's first seed answers: the most probable
    answers, by number where they have several lines; of samples the shares of those that say the
    same and of those that could not be read; of free text some of it."""
    records = []
    by_question = rows.groupby(["suite", "behavior", "question"], sort=False)
    for (suite, behavior, question), part in by_question:
        first = part[(part["paraphrase"] == part["paraphrase"].min()) & (part["order"] == 0)]
        first = first[first["condition"] == first["condition"].iloc[0]]
        listed = list(dict.fromkeys(first["answer"].dropna()))
        code = listed if any("\n" in answer for answer in listed) else []
        by_group = {}
        for group, mine in first.groupby("group", sort=False):
            mine = mine[mine["seed"].isna() | (mine["seed"] == mine["seed"].min())]
            sampled = "sample" in mine and mine["sample"].notna().any()
            by_group[group] = _sampled(mine, code) if sampled else _listed(mine, code)
        asked = {"suite": suite, "behavior": behavior, "question": question}
        shown = {"prompt": first["prompt"].iloc[0], "answers": by_group, "code": code}
        records.append(asked | shown)
    return records


def _listed(mine: pd.DataFrame, code: list[str]) -> str:
    mine = mine.nlargest(NUM_ANSWERS, "logp")
    logs = mine["logp"]
    shares = np.exp(logs - np.logaddexp.reduce(logs)) if code else mine["p_exact"]
    named = [code.index(a) + 1 if code else a for a in mine["answer"]]
    return ", ".join(f"{a} {p:.2f}" for a, p in zip(named, shares, strict=True))


def _sampled(mine: pd.DataFrame, code: list[str]) -> str:
    """Shares of the samples that say the same, then of those that count as none and why; free text
    in its own words."""
    read = mine["parsed"] == "read"
    answers = mine.loc[read, "answer"].map(lambda a: code.index(a) + 1 if a in code else a)
    # A score without an answer: nothing that was looked for stands in the text.
    found = answers.where(answers.notna(), "none of those looked for")
    counted = mine.loc[read, "score"].notna()
    shares = found[counted].value_counts()
    others = {"others": rest} if (rest := shares[NUM_ANSWERS:].sum()) else {}
    none = mine.loc[~read, "parsed"].value_counts()
    named = [*shares[:NUM_ANSWERS].items(), *others.items(), *none.items()]
    parts = [f"{name} {number / len(mine):.2f}" for name, number in named]
    if (mine["kind"] == "text").any():
        texts = (" ".join(text.split()) for text in mine["text"].fillna("")[:NUM_TEXTS])
        parts += [f"“{t[:TEXT_WIDTH]}{'…' if len(t) > TEXT_WIDTH else ''}”" for t in texts]
    return ", ".join(parts)


def outside(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Probability mass outside the listed answers, by group and kind of question, with the
    commonest first tokens of what lies there."""
    once = rows.drop_duplicates(
        ["group", "seed", "suite", "behavior", "question", "paraphrase", "order"]
    )
    records = []
    for (group, suite, kind), part in once.groupby(["group", "suite", "kind"], sort=False):
        totals: dict[str, float] = {}
        for text in part["outside_top"]:
            for token, p in json.loads(text):
                totals[token] = totals.get(token, 0.0) + p / len(part)
        top = sorted(totals.items(), key=lambda pair: -pair[1])[:NUM_OUTSIDE]
        named = ", ".join(f"{token!r} {p:.3f}" for token, p in top)
        mass = float(part["outside"].mean())
        records.append({"group": group, "suite": suite, "kind": kind, "mass": mass, "top": named})
    return records
