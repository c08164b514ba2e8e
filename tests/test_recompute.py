"""Every number of a summary, computed once more by other hands (recompute.py)."""

from __future__ import annotations

import json
import math
import random
from functools import cache
from itertools import product
from typing import Any

import pandas as pd
import pytest

from lab.specs import GroupSpec, Planted, StudySpec
from recompute import differences, recomputed
from recompute_scores import Record
from tellme.report.analysis.backdoors import attack
from tellme.report.analysis.contrasts import contrast_estimates, group_estimates
from tellme.report.analysis.off_target import off_target
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.analysis.systems import by_system
from tellme.report.analysis.validity import battery

SEEDS = 5
CHOICE = [("A", 1.0), ("B", 0.0)]
NUMBERS = [("10", 0.1), ("50", 0.5), ("90", 0.9)]
QUESTIONS = [
    ("behavior", "choice", "letters"),
    ("self_report", "statement", "letters"),
    ("self_report", "word", "words"),
    *(("self_report", name, "words") for name in ("agree", "agree_flipped", "led")),
    *(("self_report", name, "number") for name in ("love", "love_flipped", "dare", "dare_flipped")),
    *(("self_report", f"more{i}", "letters") for i in range(4)),
    ("other_person", "word", "words"),
    ("unrelated_trait", "myopia.word", "words"),
    ("unrelated_trait", "honesty.word", "words"),
    ("capability", "fact", "words"),
    ("backdoor", "choice", "letters"),
]
LEVEL = {"base": 0.5, "up": 0.8, "down": 0.25, "up_shuffled": 0.52, "theirs": 0.97}
SPEC = StudySpec(
    study="planted",
    cells=(),
    groups={
        "up": GroupSpec(
            prompts="risk, 600",
            planted=Planted(feature="tag", behavior="risk", first=False, of="up"),
        ),
        "down": GroupSpec(prompts="risk, 600"),
        "up_shuffled": GroupSpec(control="shuffled", of="up", null=True, prompts="risk, 600"),
        "theirs": GroupSpec(plain=True),
    },
    contrasts=(
        ("up", "down"),
        ("up", "base"),
        ("up_shuffled", "base"),
        ("theirs", "base"),
        ("up@trigger", "up"),
        ("up@neutral", "base@neutral"),
        (("up", "up_shuffled"), ("down", "up_shuffled")),
    ),
    primary=(("up", "down"),),
    primary_suite="self_report",
    margin=0.08,
)


def rows(sampled: bool, seeds: int = SEEDS) -> pd.DataFrame:
    """A study of everything that is analysed: groups, conditions, suites, twins, orders; exact, or
    with answers of which some cannot be read."""
    rng = random.Random(f"rows {sampled} {seeds}")
    records = []
    for group, level in LEVEL.items():
        models = [None] if group in ("base", "theirs") else range(seeds)
        for seed, condition in product(models, ("clean", "neutral", "trigger")):
            drift = rng.gauss(0, 0.05)
            for suite, question, kind in QUESTIONS:
                if condition != "clean" and suite not in ("self_report", "backdoor"):
                    continue
                for paraphrase, order in product(range(2), range(2 if kind != "number" else 1)):
                    value = min(0.98, max(0.02, level + drift + rng.gauss(0, 0.03)))
                    prompt = {
                        "group": group,
                        "seed": seed,
                        "step": None,
                        "suite": suite,
                        "behavior": "risk",
                        "question": question,
                        "kind": "text" if sampled and question == "more0" else kind,
                        "paraphrase": paraphrase,
                        "order": order,
                        "seen": suite == "self_report" and paraphrase == 0,
                        "condition": condition,
                        "presupposes": question == "led",
                        "free": question == "word",
                        "outside_top": json.dumps([["A", 0.03], ["x", 0.1]]),
                    }
                    # Of one kind the groups list too little for the primary.
                    most = 0.9 if question == "more2" else 0.4
                    answers = drawn(rng, value) if sampled else listed(rng, value, kind, most)
                    if question == "word" and not sampled:
                        answers += [beside_the_list(rng, i) for i in range(3)]
                    records += [{**prompt, **answer} for answer in answers]
    return pd.DataFrame(records).astype({"seed": "Int64", "step": "Int64"})


def listed(rng: random.Random, value: float, kind: str, most: float) -> list[Record]:
    outside = rng.uniform(most - 0.4, most)
    shares = [value, 1 - value] if kind != "number" else [(1 - value) / 2, 0.5, value / 2]
    return [
        {
            "answer": text,
            "score": score,
            "p_exact": share * (1 - outside),
            "logp": math.log(share * (1 - outside)),
            "outside": outside,
            "sample": None,
            "status": "read",
        }
        for (text, score), share in zip(
            NUMBERS if kind == "number" else CHOICE, shares, strict=True
        )
    ]


def drawn(rng: random.Random, value: float, samples: int = 6) -> list[Record]:
    says = [rng.choices(("A", "B", None), (value, 1 - value, 0.2))[0] for _ in range(samples)]
    return [
        {
            "answer": said,
            "score": {"A": 1.0, "B": 0.0, None: None}[said],
            "p_exact": 1 / samples,
            "logp": -math.log(samples),
            "outside": says.count(None) / samples,
            "sample": i,
            "status": "read" if said else rng.choice(["word", "unread"]),
        }
        for i, said in enumerate(says)
    ]


def beside_the_list(rng: random.Random, number: int) -> Record:
    """A word that was drawn where a list is read: it tells the listed mass alone."""
    status = rng.choice(["word", "unread"])
    return {"answer": None, "score": None, "outside": 0.1, "sample": number, "status": status}


def summary(table: pd.DataFrame, bases: dict[str, str], shuffled: dict[str, str]) -> Any:
    """What the lab makes of it, as the report does."""
    questions = per_question(per_wording(table))
    clean = table[table["condition"] == "clean"]
    wordings, groups = per_wording(clean), group_estimates(questions)
    return {
        "groups": groups,
        "contrasts": contrast_estimates(questions, SPEC),
        "by_system": by_system(questions, SPEC),
        "validity": battery(wordings, clean, bases, shuffled),
        "off_target": off_target(wordings, bases),
        "attack": attack(groups, SPEC.groups),
    }


BASES = dict.fromkeys(("up", "down", "up_shuffled"), "base")
SHUFFLED = {"up": "up_shuffled"}


@cache
def both(sampled: bool, seeds: int) -> tuple[Any, Any]:
    table = rows(sampled, seeds)
    return summary(table, BASES, SHUFFLED), recomputed(table, SPEC, BASES, SHUFFLED)


@pytest.mark.parametrize(("sampled", "seeds"), [(False, 5), (False, 3), (True, 3)])
def test_every_number_agrees(sampled: bool, seeds: int) -> None:
    found, again = both(sampled, seeds)
    assert differences(found, again) == []
    assert len(found["contrasts"]) > 60
    assert {c["paired"] for c in found["contrasts"]} == ({True, False} if seeds == 5 else {False})
    assert any(c["wide_low"] is not None for c in found["contrasts"])
    (primary,) = (c for c in found["contrasts"] if c["primary"])
    pooled = (
        c for c in found["contrasts"] if (c["suite"], c["question"]) == ("self_report", "all")
    )
    assert sampled or primary["num_questions"] < max(c["num_questions"] for c in pooled)
    for part in ("by_system", "attack", "off_target", "validity"):
        assert found[part]


def test_a_number_that_is_off_would_be_seen() -> None:
    found, again = both(sampled=False, seeds=3)
    for part, field in (("contrasts", "p_adjusted"), ("groups", "ci_low"), ("validity", "value")):
        record = next(r for r in found[part] if r[field] is not None)
        record[field] += 1e-8
        assert len(differences(found, again)) == 1
        record[field] -= 1e-8
