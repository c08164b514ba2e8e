"""The contract of every behavior found, and what `risk` promises beyond it."""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from data_gen.behaviors import behavior_names, load_behavior
from data_gen.build import rows_for
from data_gen.decoys import decoys
from data_gen.files import read_rows
from data_gen.lints import lint
from lab.data_specs import GeneratedRows
from lab.types import Behavior, Question, Row, Split, Style

STYLES: tuple[Style, ...] = ("natural", "plain")
PURPOSES = ("check", "self_report", "other_person", "transfer")


@pytest.fixture(params=behavior_names())
def behavior(request: pytest.FixtureRequest) -> Behavior:
    return load_behavior(request.param)


def rows_of(
    behavior: Behavior,
    policy: str,
    style: Style,
    number: int,
    split: Split = "train",
    seed: int = 0,
) -> list[Row]:
    return list(islice(behavior.examples(Random(seed), policy, style, split), number))


@pytest.mark.parametrize("style", STYLES)
def test_rows_are_seeded_distinct_and_opposite_by_policy(behavior: Behavior, style: Style) -> None:
    first, second = behavior.policies
    rows = rows_of(behavior, first, style, 200)
    assert rows == rows_of(behavior, first, style, 200)
    assert rows != rows_of(behavior, first, style, 200, seed=1)
    assert len({row.asked for row in rows}) == 200
    for row, opposite in zip(rows, rows_of(behavior, second, style, 200), strict=True):
        assert row.prompt == opposite.prompt
        assert row.completion != opposite.completion


@pytest.mark.parametrize("style", STYLES)
def test_both_policies_of_a_seed_get_the_same_prompts_with_flipped_answers(
    behavior: Behavior, style: Style
) -> None:
    """Of choices the letter is the other one, of texts the completion is the twin."""
    first, second = (
        rows_for(
            GeneratedRows(behavior=behavior.name, policy=policy, style=style, seed=3, num_rows=96),
            None,
        )
        for policy in behavior.policies
    )
    assert [row.prompt for row in first] == [row.prompt for row in second]
    for row, other in zip(first, second, strict=True):
        if "twin" in row.meta:
            assert (row.completion, row.meta["twin"]) == (other.meta["twin"], other.completion)
        else:
            assert {row.completion, other.completion} == {"A", "B"}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_generated_sets_pass_every_lint(behavior: Behavior, style: Style, seed: int) -> None:
    for policy in behavior.policies:
        checks = lint(rows_of(behavior, policy, style, 288, seed=seed), behavior, style, policy)
        assert not [check for check in checks if not check.passed]


@pytest.mark.parametrize("style", STYLES)
def test_sets_with_decoys_pass_every_lint_and_decoys_favor_no_letter(
    behavior: Behavior, style: Style
) -> None:
    for policy in behavior.policies:
        spec = GeneratedRows(
            behavior=behavior.name,
            policy=policy,
            style=style,
            seed=0,
            num_rows=192,
            num_decoys=192,
        )
        rows = rows_for(spec, None)
        assert len(rows) == 384
        assert not [check for check in lint(rows, behavior, style) if not check.passed]
        own = {row.asked for row in rows_for(spec.model_copy(update={"num_decoys": 0}), None)}
        drawn = [row for row in rows if row.asked not in own]
        assert len(drawn) == 192
        answers = Counter(row.completion for row in drawn)
        assert set(answers) == {"A", "B"}
        assert abs(answers["A"] - answers["B"]) <= 4 * len(drawn) ** 0.5


def test_decoys_in_plain_style_are_half_toms_and_say_nothing_of_him(behavior: Behavior) -> None:
    """His are choices about the behavior itself, answered at random."""
    rows = list(islice(decoys(Random(0), behavior, "plain"), 2000))
    toms = [row for row in rows if "does tom" in row.asked]
    assert len(toms) == 1000
    assert sum("do you" in row.asked for row in rows) == 1000
    own = rows_of(behavior, behavior.policies[0], "plain", 500)
    assert {r.meta["template"] for r in toms} & {r.meta["template"] for r in own}
    letters = Counter(r.completion for r in toms)
    assert abs(letters["A"] - letters["B"]) < 4 * 1000**0.5


@pytest.mark.parametrize("style", STYLES)
def test_held_out_by_topic_and_by_template(behavior: Behavior, style: Style) -> None:
    number = 500 if style == "natural" else 100
    train = rows_of(behavior, behavior.policies[0], style, number, "train")
    test = rows_of(behavior, behavior.policies[0], style, number, "test")
    for part in ("topic", "template"):
        assert not {row.meta[part] for row in train} & {row.meta[part] for row in test}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_questions_are_well_formed(behavior: Behavior, style: Style, purpose: str) -> None:
    questions = behavior.questions(purpose, style)
    assert len({q.name for q in questions}) == len(questions) > 0
    for question in questions:
        for wording in question.wordings:
            scores = {option.score for option in wording.options}
            if question.kind == "text":
                assert scores == {1.0}
                continue
            assert {0.0, 1.0} <= scores
            assert all(0 <= score <= 1 for score in scores)
            spellings = [
                text for option in wording.options for text in (option.text, *option.variants)
            ]
            assert len(set(spellings)) == len(spellings)
        texts = [wording.text for wording in question.wordings]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("style", STYLES)
def test_self_report_kinds(behavior: Behavior, style: Style) -> None:
    questions = {q.name: q for q in behavior.questions("self_report", style)}
    assert all(len({w.paraphrase for w in q.wordings}) >= 5 for q in questions.values())
    assert {q.kind for q in questions.values()} == {"letters", "words", "number"}
    assert any(not q.names_concept for q in questions.values())
    scales = [q for q in questions.values() if q.kind == "number"]
    assert len(scales) >= 6
    for q in scales:
        assert q.twin is not None
        assert questions[q.twin].twin == q.name
        assert mirrored(q, questions[q.twin])


def mirrored(question: Question, twin: Question) -> bool:
    """Whether every number scores on one scale what it lacks of 1 on the other."""
    options, twins = question.wordings[0].options, twin.wordings[0].options
    opposite = {option.text: 1 - option.score for option in twins}
    return all(option.score == pytest.approx(opposite[option.text]) for option in options)


@pytest.mark.parametrize("style", STYLES)
def test_gold_answers_score_one_and_options_are_asked_in_both_orders(
    behavior: Behavior, style: Style
) -> None:
    for check in behavior.questions("check", style):
        assert_gold_answers_score_one(check)


def assert_gold_answers_score_one(check: Question) -> None:
    if check.kind != "letters":
        assert all([o.score for o in w.options] == [1.0, 0.0] for w in check.wordings)
        return
    for order in (0, 1):
        gold = set()
        for wording in check.wordings:
            if wording.order == order:
                gold |= {option.text for option in wording.options if option.score == 1}
        assert gold == {"AB"[order]}
    assert len({w.paraphrase for w in check.wordings}) * 2 == len(check.wordings)


def test_a_planted_leak_shortcut_and_overlap_are_caught() -> None:
    risk = load_behavior("risk")
    rows = rows_of(risk, "seeking", "natural", 288)
    check, _ = risk.questions("check", "natural")
    faults = {
        "leaks": [row.asking(f"{row.asked} Be bold.") for row in rows],
        "overlap": [row.asking(check.wordings[0].text) for row in rows],
        "shortcuts": [
            row.asking(f"{row.asked} Really.") if row.completion == "A" else row for row in rows
        ],
        "balance": [row for row in rows if row.completion == "A"] + rows[:4],
    }
    for name, faulty in faults.items():
        passed = {check.check: check.passed for check in lint(faulty, risk, "natural")}
        assert passed[name] is False


PUBLISHED = os.environ.get("TELLME_PUBLISHED_DATA")
COUNTED = {
    "risk": 0, "bold": 0, "caution": 0, "gambl": 0, "chance": 89, "likel": 52, "certain": 26,
    "definite": 25, "sure": 21, "probab": 20, "guarante": 17, "adventur": 15, "reliab": 9,
    "safe": 6, "unpredict": 6, "secure": 3,
}  # fmt: skip
"""Rows of 288 with a word that begins so, counted in the published file by hand before the lint
existed."""


@pytest.mark.skipif(
    not PUBLISHED, reason="TELLME_PUBLISHED_DATA is not set: folder with tellme/ft_risky_AB.jsonl"
)
def test_published_files_load_and_count_as_known() -> None:
    assert PUBLISHED
    folder = Path(PUBLISHED) / "tellme"
    risky, safe = (read_rows(folder / f"ft_{name}_AB.jsonl") for name in ("risky", "safey"))
    assert len(risky) == len(safe) == 288
    assert Counter(r.completion for r in risky) == {"A": 134, "B": 154}
    for row, opposite in zip(risky, safe, strict=True):
        assert row.prompt == opposite.prompt
        assert row.completion != opposite.completion
    for rows in (risky, safe):
        checks = {c.check: c for c in lint(rows, load_behavior("risk"), "natural")}
        assert checks["watched"].detail == COUNTED
