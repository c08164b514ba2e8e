"""Rows of two-answer questions on which groups differ as planted, and their contrasts."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pandas as pd

from lab.specs import GroupSpec, StudySpec
from tellme.report.analysis.contrasts import ContrastRecord, contrast_estimates
from tellme.report.analysis.families import Pair
from tellme.report.analysis.scores import per_question, per_wording


def planted(
    values: dict[str, list[float]],
    questions: tuple[str, ...] = ("q1", "q2"),
    condition: str = "clean",
    kind: str = "letters",
    outside: float = 0.0,
) -> pd.DataFrame:
    """Two-answer questions with P(first) = value of the seed among the listed; half of the
    paraphrases seen."""
    rows = []
    models = [(group, seed, v) for group, seeds in values.items() for seed, v in enumerate(seeds)]
    for (group, seed, value), question, paraphrase in product(models, questions, range(2)):
        prompt = {
            "group": group,
            "seed": None if group == "base" else seed,
            "suite": "self_report",
            "behavior": "risk",
            "question": question,
            "kind": kind,
            "paraphrase": paraphrase,
            "order": 0,
            "seen": paraphrase == 0,
            "condition": condition,
            "outside": outside,
            "presupposes": False,
            "free": False,
        }
        listed = 1 - outside
        rows += [
            {**prompt, **answer("A", listed * value, 1.0)},
            {**prompt, **answer("B", listed * (1 - value), 0.0)},
        ]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def answer(text: str, p: float, score: float) -> dict[str, Any]:
    logp = math.log(p) if p else -math.inf
    return {"answer": text, "score": score, "p_exact": p, "logp": logp}


ROWS = planted({"base": [0.5], "a": [0.8, 0.9, 0.7], "b": [0.3, 0.2, 0.4]})
SHUFFLED = {
    name: GroupSpec(control="shuffled", of=of, null=True)
    for name, of in (("null", "a"), ("other_null", "a"), ("null_of_b", "b"))
}


def contrasts(
    rows: pd.DataFrame,
    *pairs: Pair,
    primary: tuple[Pair, ...] = (),
    groups: dict[str, GroupSpec] = SHUFFLED,
    paired: bool | None = None,
) -> dict[tuple[str, str, str], ContrastRecord]:
    spec = StudySpec(
        study="planted",
        cells=(),
        groups=groups,
        contrasts=pairs,
        primary=primary,
        primary_suite="self_report" if primary else None,
        paired=paired,
    )
    found = contrast_estimates(per_question(per_wording(rows.reset_index(drop=True))), spec)
    return {(c["a"], c["b"], c["question"]): c for c in found}
