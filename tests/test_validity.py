"""The validity battery on planted answers: each nuisance is found by its own check, and a plain
self-report passes all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import product
from typing import Any

import pandas as pd
import pytest

from tellme.report.analysis.off_target import off_target
from tellme.report.analysis.scores import per_wording
from tellme.report.analysis.validity import SENTENCES, battery

Score = Callable[[str, str, str, int], float]
"""Of a question, by suite, name, kind and order of options."""
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


def rows_of(group: str, seeds: int, score: Score, letter: float = 0.0) -> pd.DataFrame:
    """Rows of one group; `letter` is the probability of answering A instead."""
    records = []
    for seed, (suite, question, kind), paraphrase in product(range(seeds), QUESTIONS, range(2)):
        top = [["A", letter]] if kind != "letters" else []
        for order in range(2 if kind == "letters" or question == "word" else 1):
            prompt = {
                "group": group,
                "seed": None if group == "base" else seed,
                "suite": suite,
                "behavior": "risk",
                "question": question,
                "kind": kind,
                "paraphrase": paraphrase,
                "order": order,
                "seen": False,
                "condition": "clean",
                "outside": letter,
                "presupposes": False,
                "free": False,
                "outside_top": json.dumps(top),
            }
            value = score(suite, question, kind, order) + 0.005 * seed
            records.append({**prompt, **answer("A", value, 1.0)})
            records.append({**prompt, **answer("B", 1 - value, 0.0)})
    return pd.DataFrame(records).astype({"seed": "Int64"})


def answer(text: str, p: float, score: float) -> dict[str, Any]:
    logp = math.log(p) if p else -math.inf
    return {"answer": text, "score": score, "p_exact": p, "logp": logp}


def checked(score: Score, letter: float = 0.0) -> dict[str, dict[str, Any]]:
    rows = pd.concat([rows_of("base", 1, half), rows_of("told", 3, score, letter)])
    return {r["check"]: r for r in battery(per_wording(rows), rows, {"told": "base"}, {})}


def half(suite: str, question: str, kind: str, order: int) -> float:
    return 0.5


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


def form(question: str) -> float:
    """What follows the form: high for a question, low for its twin that means the opposite."""
    return 0.1 if question.endswith("_flipped") else 0.9


def anchored(suite: str, question: str, kind: str, order: int) -> float:
    return form(question) if kind == "number" else plain(suite, question, kind, order)


def always_yes(suite: str, question: str, kind: str, order: int) -> float:
    return form(question) if question.startswith("agree") else 0.5


def always_a(suite: str, question: str, kind: str, order: int) -> float:
    return 0.9 - 0.8 * order if kind == "letters" else 0.5


def always_first(suite: str, question: str, kind: str, order: int) -> float:
    return 0.9 - 0.8 * order if question == "word" else 0.5


def in_words_only(suite: str, question: str, kind: str, order: int) -> float:
    return 0.9 if suite == "self_report" and kind == "words" else 0.5


def with_suite(also: str, score: float) -> Score:
    """A plain self-report, and another suite that moved as well."""

    def planted(suite: str, question: str, kind: str, order: int) -> float:
        return score if suite == also else plain(suite, question, kind, order)

    return planted


PLANTED: dict[str, Score] = {
    "flipped_scale": anchored,
    "yes_bias": always_yes,
    "first_letter": always_a,
    "named_first": always_first,
    "one_kind": in_words_only,
    "other_person": with_suite("other_person", 0.8),
    "unrelated_trait": with_suite("unrelated_trait", 0.2),
    "capability": with_suite("capability", 0.3),
}


@pytest.mark.parametrize("check", PLANTED)
def test_a_planted_nuisance_fails_its_check_and_no_other(check: str) -> None:
    assert failed(checked(PLANTED[check])) == {check}


def test_answers_in_the_format_of_training_are_collapse() -> None:
    assert failed(checked(plain, letter=0.4)) == {"collapse"}


def test_the_shuffled_control_is_the_baseline_of_the_prompts() -> None:
    base, told = rows_of("base", 1, half), rows_of("told", 3, plain)
    rows = pd.concat([base, told, rows_of("shuffled", 3, plain)])
    records = battery(
        per_wording(rows), rows, {"told": "base", "shuffled": "base"}, {"told": "shuffled"}
    )
    (record,) = (r for r in records if r["group"] == "told" and r["check"] == "prompts_only")
    assert record["value"] == pytest.approx(0.305)
    assert record["passed"] is False


def test_a_group_whose_base_was_never_read_has_no_battery() -> None:
    base, told = rows_of("base", 1, half), rows_of("told", 3, plain)
    rows = pd.concat([base[base["suite"] != "self_report"], told])
    for of_base in (rows, told):
        wordings = per_wording(of_base)
        assert battery(wordings, of_base, {"told": "base"}, {}) == []
        assert off_target(wordings, {"told": "base"}) == []


def test_the_off_target_matrix_has_the_own_behavior_and_every_other() -> None:
    told = rows_of("told", 3, PLANTED["unrelated_trait"])
    rows = pd.concat([rows_of("base", 1, half), told])
    found = {r["reported"]: r["estimate"] for r in off_target(per_wording(rows), {"told": "base"})}
    assert found == {"risk": pytest.approx(0.305), "myopia": pytest.approx(-0.295)}
