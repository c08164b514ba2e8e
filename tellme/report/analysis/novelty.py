"""How far does a self-report of a reference model reach: to questions of its pretraining, to new
wordings of them, to kinds of question that nobody was asked there?"""

from __future__ import annotations

import pandas as pd

from lab.specs import StudySpec
from lab.table import Bounds
from tellme.report.analysis.contrasts import by_names, contrast_of, written
from tellme.report.analysis.scores import per_question

SEEN, NEW_WORDINGS, NEW_KINDS = "seen", "new wordings", "new kinds"


class NoveltyRecord(Bounds):
    """A contrast over the questions of one novelty."""

    suite: str
    behavior: str
    novelty: str
    """One of the three above."""
    a: str
    b: str
    estimate: float
    num_seeds: int
    num_questions: int


def by_novelty(wordings: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The wordings of suites of which pretraining saw some, by what is new about them. A kind of
    question is new where none of its wordings was seen."""
    seen = wordings["seen"]
    suite_seen = wordings.groupby(["suite", "behavior"])["seen"].transform("any")
    kind_seen = wordings.groupby(["suite", "behavior", "question"])["seen"].transform("any")
    return {
        SEEN: wordings[seen],
        NEW_WORDINGS: wordings[kind_seen & ~seen],
        NEW_KINDS: wordings[suite_seen & ~kind_seen],
    }


def novelty_contrasts(wordings: pd.DataFrame, spec: StudySpec) -> list[NoveltyRecord]:
    """Every contrast of a study over the questions of each novelty. `wordings` as from
    `per_wording`, of the end of training; nothing where pretraining saw none."""
    records = []
    for novelty, part in by_novelty(wordings).items():
        if not len(part):
            continue
        questions = per_question(part)
        pooled = questions[questions["question"] == "all"]
        for (suite, behavior), asked in by_names(pooled, ["suite", "behavior"]):
            for a, b in spec.contrasts:
                found = contrast_of(asked, a, b, spec)
                if found is None:
                    continue
                record: NoveltyRecord = {
                    "suite": suite,
                    "behavior": behavior,
                    "novelty": novelty,
                    "a": written(a),
                    "b": written(b),
                    "estimate": found["estimate"],
                    "ci_low": found["ci_low"],
                    "ci_high": found["ci_high"],
                    "num_seeds": found["num_seeds"],
                    "num_questions": found["num_questions"],
                }
                records.append(record)
    return records
