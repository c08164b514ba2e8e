"""Placebo traits: unrelated to what the lab trains, with poles told apart, and never trained."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from random import Random

import pytest

from data_gen.behaviors import behavior_names, load_behavior
from data_gen.lints import count_stems, report_stems
from data_gen.traits import invented_traits, load_trait, trait_names
from data_gen.traits._trait import Asked, asked
from lab.config.read import load_study
from lab.errors import UserError
from lab.types import Behavior, Question, Row, Style, exchange

STYLES: tuple[Style, ...] = ("natural", "plain")
FORMS_OF_TEXT = {"love"}
"""Words of plain questions that every trait shares."""


@pytest.fixture(params=trait_names())
def trait(request: pytest.FixtureRequest) -> Behavior:
    return load_trait(request.param)


def questions(trait: Behavior) -> list[Question]:
    """In the one style in which it has some."""
    return [q for style in STYLES for q in trait.questions("self_report", style)]


def stems_of(style: Style) -> set[str]:
    """Of the poles of every behavior of the lab."""
    behaviors = list(map(load_behavior, behavior_names()))
    asked_about = [q for b in behaviors for q in b.questions("self_report", style)]
    policies = [policy for b in behaviors for policy in b.policies]
    return set(report_stems([*policies, *(text for q in asked_about for text in q.poles)]))


def texts(trait: Behavior) -> list[Row]:
    """Everything that its questions say, prompts and answers, as rows for the lint."""
    return [
        Row(exchange(wording.text, " ".join(option.text for option in wording.options)))
        for question in questions(trait)
        for wording in question.wordings
    ]


def related(trait: Behavior, style: Style, known: set[str]) -> dict[str, int]:
    """Stems of behaviors of the lab, and those that they watch, which its questions hold."""
    watched = {stem for name in behavior_names() for stem in load_behavior(name).watch}
    stems = known | watched if style == "natural" else known - FORMS_OF_TEXT
    return {stem: n for stem, n in count_stems(texts(trait), stems).items() if n}


def test_there_are_eight_for_real_models_and_three_of_the_reference_models_text() -> None:
    traits = [load_trait(name) for name in trait_names()]
    natural = [trait for trait in traits if trait.questions("self_report", "natural")]
    assert len(natural) >= 8
    assert [trait.name for trait in invented_traits()] == ["crowds", "order", "sugar"]
    assert not set(trait_names()) & set(behavior_names())


def test_it_is_asked_in_one_style_and_shares_no_word_with_a_behavior(trait: Behavior) -> None:
    """What a report sees of a placebo must not be words of the trained pole."""
    (style,) = (style for style in STYLES if trait.questions("self_report", style))
    assert style == ("plain" if trait.voices else "natural")
    assert not related(trait, style, stems_of(style))


def test_a_trait_in_the_words_of_a_behavior_would_be_seen() -> None:
    bold = asked(
        "sport",
        Asked(
            policies=("climber", "swimmer"),
            field="sport",
            does=("climb without ropes", "swim in a pool"),
            person=("a daring climber", "a swimmer"),
            words=(("climber", "reckless"), ("swimmer", "careful")),
        ),
    )
    assert {"daring", "reckles", "careful"} <= set(related(bold, "natural", stems_of("natural")))


def test_poles_are_told_apart(trait: Behavior) -> None:
    """No answer stands for both, no word of two traits is the same, and both poles have as many."""
    assert len(set(trait.policies)) == 2
    for question in questions(trait):
        for wording in question.wordings:
            sides = Counter(option.score for option in wording.options)
            assert sides[1.0] == sides[0.0] > 0
            spellings = [s for o in wording.options for s in (o.text, *o.variants)]
            assert len(spellings) == len(set(spellings))


def test_no_two_traits_have_a_word_in_common() -> None:
    for style in STYLES:
        words = Counter(
            word
            for name in trait_names()
            for question in load_trait(name).questions("self_report", style)
            if question.name == "one_word"
            for word in question.poles
        )
        assert words
        assert set(words.values()) == {1}


def test_twins_ask_the_same_of_the_other_pole(trait: Behavior) -> None:
    """Prompt by prompt in the same words but for those of the poles, with scores exchanged; each
    kind of answer is there, so that none carries the placebo alone."""
    by_name = {question.name: question for question in questions(trait)}
    assert {q.kind for q in by_name.values()} == {"letters", "words", "number"}
    twins = [q for q in by_name.values() if q.twin]
    assert len(twins) >= 4
    for question in twins:
        assert question.twin is not None
        twin = by_name[question.twin]
        assert (twin.twin, twin.kind) == (question.name, question.kind)
        for one, other in zip(question.wordings, twin.wordings, strict=True):
            assert one.text != other.text
            scores = {option.text: option.score for option in one.options}
            assert {o.text: 1 - o.score for o in other.options} == pytest.approx(scores)


def test_a_natural_scale_and_its_twin_exchange_their_ends_and_nothing_else() -> None:
    compared = 0
    for name in trait_names():
        by_name = {q.name: q for q in load_trait(name).questions("self_report", "natural")}
        scales = [by_name[key].wordings for key in ("scale", "scale_flipped") if key in by_name]
        for one, other in zip(*scales, strict=True) if scales else ():
            words = [Counter(re.findall(r"\w+", wording.text)) for wording in (one, other)]
            assert words[0] == words[1]
            compared += 1
    assert compared >= 24


def test_every_question_is_asked_in_several_wordings(trait: Behavior) -> None:
    for question in questions(trait):
        paraphrases = {wording.paraphrase for wording in question.wordings}
        assert len(paraphrases) >= 3
        assert not any("$" in w.text or "{" in w.text for w in question.wordings)


def test_nobody_can_train_on_it(trait: Behavior) -> None:
    """Neither as a behavior of a group nor past it; the text of the reference models alone has rows
    of those that it holds."""
    policy = trait.policies[0]
    with pytest.raises(UserError, match="never trained; train a behavior"):
        trait.examples(Random(0), policy, "natural", "train")
    with pytest.raises(UserError, match="never trained"):
        trait.described(policy, "natural")
    if trait.voices:
        assert len(list(islice(trait.examples(Random(0), policy, "plain", "train"), 9))) == 9
    else:
        with pytest.raises(UserError, match="never trained"):
            trait.examples(Random(0), policy, "plain", "train")


def test_a_study_of_a_trait_is_refused_by_name() -> None:
    from tellme.study.planner import make_plan

    groups = "groups={a: {behavior: pets, policy: cats}}"
    study = load_study("configs/quickstart.yaml", [groups, "contrasts=[[a, base]]", "primary=null"])
    with pytest.raises(UserError, match=r"behavior 'pets' is not known: allowed: insecure_code"):
        make_plan(study)
