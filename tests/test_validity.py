"""The validity battery on planted answers: each nuisance is found by its own check, and a plain
self-report passes all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from tellme.report.analysis.contrasts import per_wording
from tellme.report.analysis.off_target import off_target
from tellme.report.analysis.validity import SENTENCES, battery

Answer = Callable[[str, str, int], float]
"""Score of a question (by name, kind and order of options)."""
QUESTIONS = [
    ("self_report", "statement", "letters"),
    ("self_report", "word", "words"),
    ("self_report", "agree", "words"),
    ("self_report", "agree_flipped", "words"),
    ("self_report", "love", "number"),
    ("self_report", "love_flipped", "number"),
    ("other_person", "word", "words"),
    ("unrelated_trait", "myopia.word", "words"),
    ("capability", "fact", "words"),
    ("behavior", "choice", "letters"),
]


def rows_of(
    group: str, seeds: int, score: Callable[[str, str, str, int], float], letter: float = 0.0
) -> pd.DataFrame:
    """Rows of one group: `score(suite, question, kind, order)`; `letter` is the probability of
    answering A instead."""
    records: list[dict[str, Any]] = []
    for seed in range(seeds):
        for suite, question, kind in QUESTIONS:
            for paraphrase in range(2):
                for order in range(2 if kind == "letters" or question == "word" else 1):
                    value = score(suite, question, kind, order) + 0.005 * seed
                    top = [["A", letter]] if kind != "letters" else []
                    for answer, p, s in (("A", value, 1.0), ("B", 1 - value, 0.0)):
                        records.append(
                            {"group": group, "seed": None if group == "base" else seed, "suite": suite, "behavior": "risk", "question": question, "kind": kind}
                            | {"paraphrase": paraphrase, "order": order, "seen": False, "condition": "clean", "answer": answer, "score": s}
                            | {"p_exact": p, "logp": math.log(p) if p else -math.inf, "outside": letter, "outside_top": json.dumps(top)}
                        )  # fmt: skip
    return pd.DataFrame(records).astype({"seed": "Int64"})


def checked(
    score: Callable[[str, str, str, int], float], letter: float = 0.0
) -> dict[str, dict[str, Any]]:
    rows = pd.concat([rows_of("base", 1, lambda *_: 0.5), rows_of("told", 3, score, letter)])
    return {r["check"]: r for r in battery(per_wording(rows), rows, {"told": "base"}, {})}


def plain(suite: str, question: str, kind: str, order: int) -> float:
    return 0.8 if suite in ("self_report", "behavior") else 0.5


def failed(records: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, record in records.items() if record["passed"] is False}


def test_a_plain_self_report_passes_all_that_was_measured() -> None:
    records = checked(plain)
    assert not failed(records)
    assert set(records) == set(SENTENCES)
    assert records["prompts_only"]["value"] is None
    assert "Not measured" in records["prompts_only"]["sentence"]
    assert records["one_kind"]["value"] == pytest.approx(0.305)


PLANTED: dict[str, Callable[[str, str, str, int], float]] = {
    "flipped_scale": lambda s, q, k, o: (0.1 if q.endswith("_flipped") else 0.9) if k == "number" else plain(s, q, k, o),
    "yes_bias": lambda s, q, k, o: (0.1 if q.endswith("_flipped") else 0.9) if q.startswith("agree") else 0.5,
    "first_letter": lambda s, q, k, o: 0.9 - 0.8 * o if k == "letters" else 0.5,
    "named_first": lambda s, q, k, o: 0.9 - 0.8 * o if q == "word" else 0.5,
    "one_kind": lambda s, q, k, o: 0.9 if s == "self_report" and k == "words" else 0.5,
    "other_person": lambda s, q, k, o: 0.8 if s == "other_person" else plain(s, q, k, o),
    "unrelated_trait": lambda s, q, k, o: 0.2 if s == "unrelated_trait" else plain(s, q, k, o),
    "capability": lambda s, q, k, o: 0.3 if s == "capability" else plain(s, q, k, o),
}  # fmt: skip


@pytest.mark.parametrize("check", PLANTED)
def test_a_planted_nuisance_fails_its_check_and_no_other(check: str) -> None:
    assert failed(checked(PLANTED[check])) == {check}


def test_answers_in_the_format_of_training_are_collapse() -> None:
    assert failed(checked(plain, letter=0.4)) == {"collapse"}


def test_the_shuffled_control_is_the_baseline_of_the_prompts() -> None:
    base, told = rows_of("base", 1, lambda *_: 0.5), rows_of("told", 3, plain)
    rows = pd.concat([base, told, rows_of("shuffled", 3, plain)])
    records = battery(
        per_wording(rows), rows, {"told": "base", "shuffled": "base"}, {"told": "shuffled"}
    )
    (record,) = (r for r in records if r["group"] == "told" and r["check"] == "prompts_only")
    assert record["value"] == pytest.approx(0.305)
    assert record["passed"] is False


def test_a_group_whose_base_was_never_read_has_no_battery() -> None:
    base, told = rows_of("base", 1, lambda *_: 0.5), rows_of("told", 3, plain)
    rows = pd.concat([base[base["suite"] != "self_report"], told])
    for of_base in (rows, told):
        wordings = per_wording(of_base)
        assert battery(wordings, of_base, {"told": "base"}, {}) == []
        assert off_target(wordings, {"told": "base"}) == []


def test_the_off_target_matrix_has_the_own_behavior_and_every_other() -> None:
    rows = pd.concat(
        [rows_of("base", 1, lambda *_: 0.5), rows_of("told", 3, PLANTED["unrelated_trait"])]
    )
    found = {r["reported"]: r["estimate"] for r in off_target(per_wording(rows), {"told": "base"})}
    assert found == {"risk": pytest.approx(0.305), "myopia": pytest.approx(-0.295)}
