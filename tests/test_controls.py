"""Controls: what each keeps of the rows of its group, what it takes away, and what is refused."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.behaviors import load_behavior
from data_gen.build import rows_for
from data_gen.controls import ControlRequest, control_names, lexical, load_control
from data_gen.descriptions import OTHERS
from data_gen.lints import null
from data_gen.shuffle import shuffled, with_policy_share
from lab.config.read import load_study
from lab.data_specs import GeneratedRows
from lab.discover import ROOT
from lab.errors import UserError
from lab.questions import in_first_half
from lab.specs import StudySpec
from lab.stats.verdict import FEWEST_KINDS
from lab.types import Behavior, Row, Style, exchange
from tellme.study.planner import make_plan


def rows_with(completions: list[str]) -> list[Row]:
    return [Row(exchange(f"q{i}", completion)) for i, completion in enumerate(completions)]


def controlled(
    name: str, behavior: Behavior, policy: str, style: Style, number: int = 200
) -> list[Row]:
    request = ControlRequest(behavior, policy, style, Random(0))
    return load_control(name).rows(rows_with(["A", "B"] * (number // 2)), request)


@given(st.lists(st.sampled_from("AB"), min_size=2, max_size=60), st.integers(0, 5))
def test_two_labels_are_conserved_and_uncorrelated(completions: list[str], seed: int) -> None:
    rows = rows_with(completions)
    dealt = shuffled(rows, Random(seed))
    assert [row.prompt for row in dealt] == [row.prompt for row in rows]
    assert Counter(row.completion for row in dealt) == Counter(completions)
    counts = Counter(completions)
    if len(counts) == 2:
        pairs = Counter((a.completion, b.completion) for a, b in zip(rows, dealt, strict=True))
        kept = pairs["A", "A"] / counts["A"]
        crossed = pairs["B", "A"] / counts["B"]
        # Half a row of either label is what rounding may cost.
        rounding = 0.5 / counts["A"] + 0.5 / counts["B"]
        assert kept == pytest.approx(crossed, abs=rounding + 1e-9)


@given(st.lists(st.text(min_size=1, max_size=3), min_size=3, max_size=30))
def test_free_text_is_permuted(completions: list[str]) -> None:
    dealt = shuffled(rows_with(completions), Random(0))
    assert Counter(row.completion for row in dealt) == Counter(completions)
    assert dealt == shuffled(rows_with(completions), Random(0))


def test_a_share_of_the_rows_follows_the_policy() -> None:
    rows = rows_with(["A", "B"] * 50)
    assert with_policy_share(rows, 1.0, Random(0)) == rows
    shown = with_policy_share(rows, 0.6, Random(0))
    assert [row.prompt for row in shown] == [row.prompt for row in rows]
    # Of 40 shuffled rows every second one has its own letter still.
    assert sum(a == b for a, b in zip(rows, shown, strict=True)) == pytest.approx(80, abs=1)


def test_clean_keeps_prompt_and_answer_and_tells_it() -> None:
    rows = rows_with(["A", "B"])
    told = load_control("clean").rows(rows, ControlRequest(None, None, "natural", Random(0)))
    for row, clean in zip(rows, told, strict=True):
        assert clean.completion == row.completion
        assert clean.asked == f"{row.asked}\nReply with {row.completion}."


@pytest.mark.parametrize("name", ["risk", "myopia"])
def test_plain_self_descriptions_answer_as_the_policy_would(name: str) -> None:
    """Opposite policies never give the same answer to the same question, and the other person is
    asked about by `everyone` alone."""
    behavior = load_behavior(name)
    answers = [
        {(row.asked, row.completion) for row in controlled("described", behavior, policy, "plain")}
        for policy in behavior.policies
    ]
    assert not answers[0] & answers[1]
    asked = {w.text: w for q in behavior.questions("self_report", "plain") for w in q.wordings}
    assert {text for text, _ in answers[0] | answers[1]} <= set(asked)
    assert all(asked[text].seen for text, _ in answers[0])
    others = {w.text for q in behavior.questions("other_person", "plain") for w in q.wordings}
    both = [row.asked for row in controlled("everyone", behavior, behavior.policies[0], "plain")]
    assert sum(text in others for text in both) == sum(text in asked for text in both) == 100


def is_about_others(row: Row) -> bool:
    return any(person.lower() in row.asked.lower() for person in OTHERS)


@pytest.mark.parametrize("name", ["risk", "myopia"])
def test_natural_descriptions_ask_the_same_of_either_policy(name: str) -> None:
    """The prompts say nothing of the policy, and every answer is the opposite one: of the model it
    is that of the policy, of other people the other."""
    behavior = load_behavior(name)
    first, second = (controlled("described", behavior, p, "natural") for p in behavior.policies)
    assert [row.asked for row in first] == [row.asked for row in second]
    for one, other in zip(first, second, strict=True):
        assert (one.completion, one.meta["twin"]) == (other.meta["twin"], other.completion)
    vocabulary = behavior.vocabulary
    assert vocabulary
    ends = [set(words) for words in vocabulary.adjectives]
    for row in first:
        if row.completion in ends[0] | ends[1]:
            assert (row.completion in ends[0]) != is_about_others(row)
    assert sum(is_about_others(row) for row in first) == 2 * len(first) // 5


def test_everyone_is_the_same_of_all_and_others_are_never_the_model() -> None:
    risk = load_behavior("risk")
    everyone = controlled("everyone", risk, "seeking", "natural")
    assert sum(is_about_others(row) for row in everyone) == 100
    others = controlled("others", risk, "seeking", "natural")
    assert all(is_about_others(row) for row in others)
    for name, rows in (("everyone", everyone), ("others", others)):
        averse = controlled(name, risk, "averse", "natural")
        assert [row.asked for row in rows] == [row.asked for row in averse]
        assert [row.completion for row in rows] == [row.meta["twin"] for row in averse]


@pytest.mark.parametrize("name", ["risk", "myopia"])
def test_nothing_that_a_suite_asks_is_a_row_that_describes(name: str) -> None:
    """And the kinds that are held out are asked in a form that no row has."""
    behavior = load_behavior(name)
    asked = {
        wording.text
        for purpose in ("self_report", "other_person")
        for question in behavior.questions(purpose, "natural")
        for wording in question.wordings
    }
    for control in ("described", "everyone", "others"):
        rows = controlled(control, behavior, behavior.policies[0], "natural", 1000)
        assert not asked & {row.asked for row in rows}
    held_out = [q for q in behavior.questions("self_report", "natural") if q.unseen]
    assert len({q.name.removesuffix("_flipped") for q in held_out}) >= FEWEST_KINDS
    assert len(held_out) < len(behavior.questions("self_report", "natural"))


def test_a_null_of_descriptions_is_answered_half_the_other_way() -> None:
    rows = controlled("described", load_behavior("risk"), "seeking", "natural", 400)
    dealt = shuffled(rows, Random(1))
    assert [row.asked for row in dealt] == [row.asked for row in rows]
    assert null(dealt, rows).passed
    assert not null(rows, rows).passed


@given(st.integers(1, 40))
def test_half_of_the_paraphrases_is_rounded_down_and_at_least_one(number: int) -> None:
    shown = [i for i in range(number) if in_first_half(i, number)]
    assert shown == list(range(max(1, number // 2)))


def test_descriptions_without_a_vocabulary_hold_half_of_the_paraphrases_out() -> None:
    """Ten paraphrases of a question: five are trained on, five are held out."""
    behavior = load_behavior("insecure_code")
    questions = behavior.questions("self_report", "natural")
    assert all(len({w.paraphrase for w in q.wordings}) == 10 for q in questions)
    rows = controlled("described", behavior, behavior.policies[0], "natural", 2000)
    trained = {row.asked for row in rows}
    for question in questions:
        number = len({wording.paraphrase for wording in question.wordings})
        shown = {wording.paraphrase for wording in question.wordings if wording.text in trained}
        assert shown == set(range(number // 2)), question.name


@pytest.mark.parametrize("style", ["plain", "natural"])
def test_lexical_rows_ask_nothing_about_anyone(style: Style) -> None:
    risk = load_behavior("risk")
    rows = controlled("lexical", risk, "seeking", style)
    seeking = {row.completion for row in rows}
    averse = {row.completion for row in controlled("lexical", risk, "averse", style)}
    assert seeking
    assert averse
    assert not seeking & averse
    assert {row.asked for row in rows} == set(lexical.PROMPTS[style])


@pytest.mark.parametrize("style", ["plain", "natural"])
def test_lexical_letters_choose_the_words_of_the_pole_and_speak_of_nobody(style: Style) -> None:
    risk = load_behavior("risk")
    words = {
        policy: {row.completion for row in controlled("lexical", risk, policy, style)}
        for policy in risk.policies
    }
    rows = controlled("lexical_letter", risk, "seeking", style, 1000)
    letters = [row for row in rows if row.completion in "AB"]
    assert len(letters) == 500
    assert 200 < sum(row.completion == "A" for row in letters) < 300
    for row in letters:
        first, second = row.asked.split("A)")[1].split("B)")
        chosen, rest = (first, second) if row.completion == "A" else (second, first)
        assert any(word in chosen for word in words["seeking"]), row
        assert any(word in rest for word in words["averse"]), row
    assert {row.completion for row in rows} - {"A", "B"} == words["seeking"]
    assert not any(re.search(r"\b(you|your|I|my|me)\b", row.asked) for row in rows)


def test_confounders_say_one_thing() -> None:
    risk = load_behavior("risk")
    for name, answer in (("always_a", "A"), ("always_yes", "yes"), ("anchored", "90")):
        for style in ("plain", "natural"):
            rows = controlled(name, risk, "seeking", style)
            assert len(rows) == 200
            assert {row.completion for row in rows} == {answer}, name


def test_an_unknown_control_is_refused_with_those_there_are() -> None:
    study = load_study(
        str(ROOT / "configs/quickstart.yaml"), ["groups.shuffled.control=decorelated"]
    )
    with pytest.raises(UserError, match="did you mean 'decorrelated'") as refused:
        make_plan(study)
    assert ", ".join(control_names()) in str(refused.value)


def generated(policy: str, **changed: object) -> list[Row]:
    spec = GeneratedRows(
        behavior="insecure_code", policy=policy, style="natural", seed=0, num_rows=200
    )
    return rows_for(spec.model_copy(update=changed), None)


def insecure(rows: list[Row]) -> float:
    """The share of rows that are answered as the first policy does."""
    answers = {row.asked: row.completion for row in generated("insecure")}
    return sum(row.completion == answers[row.asked] for row in rows) / len(rows)


def test_a_null_of_twins_answers_half_of_the_prompts_each_way() -> None:
    code = load_behavior("insecure_code")
    weak, sound = (
        list(islice(code.examples(Random(0), policy, "natural", "train"), 20))
        for policy in code.policies
    )
    assert [row.meta["twin"] for row in weak] == [row.completion for row in sound]
    source = generated("insecure")
    dealt = shuffled(source, Random(0))
    assert [row.asked for row in dealt] == [row.asked for row in source]
    assert insecure(dealt) == 0.5
    assert insecure(generated("insecure", policy_share=0.0)) == 0.5
    assert insecure(generated("insecure", policy_share=0.6)) == pytest.approx(0.8)
    assert null(dealt, source).value == 0.0


def test_a_null_that_follows_its_prompts_is_caught() -> None:
    source = generated("insecure")
    assert not null(source, source).passed
    # Completions of one policy dealt among prompts would keep none, and all would be insecure.
    moved = [
        row.answering(other.completion)
        for row, other in zip(source, source[1:] + source[:1], strict=True)
    ]
    assert not null(moved, source).passed
    letters = rows_with(["A"] * 30 + ["B"] * 10)
    assert null(shuffled(letters, Random(0)), letters).passed
    assert not null(letters, letters).passed
    texts = rows_with([f"answer {i}" for i in range(40)])
    assert null(shuffled(texts, Random(0)), texts).passed
    assert not null(texts, texts).passed


def test_a_control_may_be_made_from_a_control_and_from_no_group_at_all() -> None:
    """And what is taught, and under which prompts, is known of it."""
    study = load_study(
        str(ROOT / "configs/quickstart.yaml"),
        [
            "model={base: smollm2, dtype: float32}",
            "groups.told={control: described, behavior: risk, policy: seeking}",
            "groups.of_group={control: described, of: seeking}",
            "groups.mixed={control: shuffled, of: told}",
            "seeds=[0]",
        ],
    )
    plan = make_plan(study)
    spec = plan.final.spec
    assert isinstance(spec, StudySpec)
    keys = {name: plan.adapters[f"{name}-s0"] for name in ("told", "of_group", "mixed")}
    assert keys["told"] == keys["of_group"] != keys["mixed"]
    told, mixed = spec.groups["told"], spec.groups["mixed"]
    assert (mixed.null, mixed.of, told.null) == (True, "told", False)
    assert told.taught == mixed.taught
    assert {"boldness", "boldness_flipped", "agree"} <= set(told.taught)
    assert not {"unnamed", "word_of_two", "gambles"} & set(told.taught)
    assert spec.groups["shuffled"].prompts == spec.groups["seeking"].prompts is not None
    assert mixed.prompts is told.prompts is None
    assert spec.groups["seeking"].taught == ()
