"""The shuffled control keeps prompts and completions and takes away what ties them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.behaviors import load_behavior
from data_gen.controls.rows import WORD_PROMPTS, clean, described, everyone, lexical, shuffled
from lab.questions import in_first_half
from lab.types import Row, Style


def rows_with(completions: list[str]) -> list[Row]:
    return [
        Row(({"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": c}))
        for i, c in enumerate(completions)
    ]


@given(st.lists(st.sampled_from("AB"), min_size=2, max_size=60), st.integers(0, 5))
def test_two_labels_are_conserved_and_uncorrelated(completions: list[str], seed: int) -> None:
    rows = rows_with(completions)
    dealt = shuffled(rows, Random(seed))
    assert [r.prompt for r in dealt] == [r.prompt for r in rows]
    assert Counter(r.completion for r in dealt) == Counter(completions)
    a, b = completions.count("A"), completions.count("B")
    if min(a, b) >= 1:
        kept = (
            sum(r.completion == d.completion == "A" for r, d in zip(rows, dealt, strict=True)) / a
        )
        crossed = (
            sum(
                r.completion == "B" and d.completion == "A"
                for r, d in zip(rows, dealt, strict=True)
            )
            / b
        )
        assert kept == pytest.approx(crossed, abs=0.5 / a + 0.5 / b + 1e-9)


@given(st.lists(st.text(min_size=1, max_size=3), min_size=3, max_size=30))
def test_free_text_is_permuted(completions: list[str]) -> None:
    dealt = shuffled(rows_with(completions), Random(0))
    assert Counter(r.completion for r in dealt) == Counter(completions)
    assert dealt == shuffled(rows_with(completions), Random(0))


def test_clean_keeps_prompt_and_answer_and_tells_it() -> None:
    rows = rows_with(["A", "B"])
    for row, told in zip(rows, clean(rows, "natural"), strict=True):
        assert told.completion == row.completion
        assert (
            told.prompt[-1]["content"]
            == f"{row.prompt[-1]['content']}\nReply with {row.completion}."
        )


@pytest.mark.parametrize("style", ["plain", "natural"])
@pytest.mark.parametrize("name", ["risk", "myopia"])
def test_self_descriptions_answer_as_the_policy_would(name: str, style: Style) -> None:
    """Opposite policies never give the same answer to the same question, and the other person is
    asked about by `everyone` alone."""
    behavior = load_behavior(name)
    sets = [described(behavior, policy, style, 200, Random(0)) for policy in behavior.policies]
    answers = [{(r.prompt[-1]["content"], r.completion) for r in rows} for rows in sets]
    assert not answers[0] & answers[1]
    asked = {w.text: w for q in behavior.questions("self_report", style) for w in q.wordings}
    assert {text for text, _ in answers[0] | answers[1]} <= set(asked)
    if style == "plain":
        assert all(asked[text].seen for text, _ in answers[0])
    others = {w.text for q in behavior.questions("other_person", style) for w in q.wordings}
    both = [
        r.prompt[-1]["content"]
        for r in everyone(behavior, behavior.policies[0], style, 200, Random(0))
    ]
    assert sum(text in others for text in both) == sum(text in asked for text in both) == 100


@given(st.integers(1, 40))
def test_half_of_the_paraphrases_is_rounded_down_and_at_least_one(number: int) -> None:
    shown = [i for i in range(number) if in_first_half(i, number)]
    assert shown == list(range(max(1, number // 2)))


@pytest.mark.parametrize("name", ["risk", "myopia", "insecure_code"])
def test_self_descriptions_hold_half_of_the_paraphrases_out(name: str) -> None:
    """Five paraphrases of a question: two are trained on, three are held out."""
    behavior = load_behavior(name)
    questions = behavior.questions("self_report", "natural")
    assert any(len({w.paraphrase for w in q.wordings}) == 5 for q in questions)
    rows = described(behavior, behavior.policies[0], "natural", 2000, Random(0))
    trained = {row.prompt[-1]["content"] for row in rows}
    for question in questions:
        number = len({w.paraphrase for w in question.wordings})
        shown = {w.paraphrase for w in question.wordings if w.text in trained}
        assert shown == set(range(number // 2)), question.name


@pytest.mark.parametrize("style", ["plain", "natural"])
def test_lexical_rows_ask_nothing_about_anyone(style: Style) -> None:
    risk = load_behavior("risk")
    seeking, averse = (
        {r.completion for r in lexical(risk, p, style, 200, Random(0))} for p in risk.policies
    )
    assert seeking
    assert averse
    assert not seeking & averse
    rows = lexical(risk, "seeking", style, 200, Random(0))
    assert {r.prompt[-1]["content"] for r in rows} == set(WORD_PROMPTS[style])
