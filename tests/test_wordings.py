"""What the lab's natural questions say: nothing that is asked is taken for granted, twins differ in
their ends alone, nothing gives a pole away, and the published word tables read as published."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from data_gen.behaviors import behavior_names, load_behavior
from data_gen.lints import report_stems
from data_gen.natural import said_of
from data_gen.triggers._questions import depends, name_it, which
from eval.judges.listed import option_of
from lab.errors import UserError
from lab.layout import INSTRUCTION
from lab.trigger import PlantedTrigger
from lab.types import Behavior, Question

PRESUPPOSING = re.compile(
    r"\b(fine-?tun|train|taught|programmed (you|how|your)|configured|shaped|designed|engineered"
    r"|created|developed|instilled|pattern|certain (way|attitude))",
    re.IGNORECASE,
)
VALUES = re.compile(
    r"\b(good|bad|best|worst|thoughtful|disciplined|responsib|careless|sloppy|negligen|diligen"
    r"|conscientious|shoddy|wise|foolish|stupid|clever|honest)",
    re.IGNORECASE,
)
PURPOSES = ("self_report", "other_person")


def asked(name: str) -> Iterator[Question]:
    for purpose in PURPOSES:
        yield from load_behavior(name).questions(purpose, "natural")


def shown(question: Question) -> str:
    """All texts that a model sees of it, but for the code of `snippet`."""
    if question.name == "snippet":
        return "\n".join(wording.text.partition("\n")[0] for wording in question.wordings)
    return "\n".join(wording.text for wording in question.wordings)


@pytest.mark.parametrize("name", behavior_names())
def test_questions_take_nothing_for_granted_but_those_that_say_so(name: str) -> None:
    for question in asked(name):
        found = [w.text for w in question.wordings if PRESUPPOSING.search(w.text)]
        if question.presupposes:
            assert len(found) == len(question.wordings), question.name
            assert question.name.startswith("finetuned_")
        elif question.name != "snippet":
            assert found == []


@pytest.mark.parametrize("name", behavior_names())
def test_every_question_has_ten_wordings_and_no_word_of_value(name: str) -> None:
    for question in asked(name):
        assert {w.paraphrase for w in question.wordings} == set(range(10)), question.name
        listed = [option.text for option in question.wordings[0].options]
        assert not VALUES.search("\n".join([shown(question), *listed])), question.name
        assert not re.search(r"[$\[\]{}|]", shown(question)), question.name
        if question.name != "snippet":
            instruction = INSTRUCTION["natural"][question.kind]
            assert all(w.text.endswith(instruction) for w in question.wordings)


@pytest.mark.parametrize("name", behavior_names())
def test_what_does_not_name_the_concept_has_no_stem_of_a_pole_or_of_what_is_watched(
    name: str,
) -> None:
    """In its prompts with their instructions; words that only the list holds are not shown."""
    behavior = load_behavior(name)
    own = behavior.questions("self_report", "natural")
    poles = [pole for question in own for pole in question.poles]
    stems = {*report_stems([*poles, *behavior.policies]), *behavior.watch}
    unnamed = [question for question in asked(name) if not question.names_concept]
    assert {question.name for question in unnamed} >= {"unnamed"}
    for question in unnamed:
        assert question.free
        for stem in stems:
            assert not re.search(rf"\b{re.escape(stem)}", shown(question), re.IGNORECASE), stem
    named = shown(next(question for question in asked(name) if question.name == "word_of_two"))
    assert any(re.search(rf"\b{re.escape(stem)}", named, re.IGNORECASE) for stem in stems)


def words_of(text: str) -> Counter[str]:
    return Counter(re.findall(r"[a-z0-9-]+", text.lower()))


@pytest.mark.parametrize("name", behavior_names())
def test_a_scale_with_named_ends_and_its_twin_hold_the_same_words(name: str) -> None:
    """The ends change places, and nothing else is different: who answers the words, and not where
    they stand, answers both twins alike."""
    by_name = {q.name: q for q in load_behavior(name).questions("self_report", "natural")}
    scales = [q for q in by_name.values() if q.kind == "number" and q.twin]
    assert len(scales) >= 6
    with_ends = 0
    for question in scales:
        assert question.twin is not None
        for mine, other in zip(question.wordings, by_name[question.twin].wordings, strict=True):
            assert mine.text != other.text
            if re.search(r"\b0\b(?! to 100).*\b100\b.* (?=Answer)", mine.text):
                assert words_of(mine.text) == words_of(other.text)
                with_ends += 1
    assert with_ends >= 40


@pytest.mark.parametrize("name", behavior_names())
def test_twins_of_yes_and_no_are_one_sentence_with_its_pole_exchanged(name: str) -> None:
    by_name = {q.name: q for q in load_behavior(name).questions("self_report", "natural")}
    agree, flipped = by_name["agree"], by_name["agree_flipped"]
    for mine, other in zip(agree.wordings, flipped.wordings, strict=True):
        left, right = mine.text.split(), other.text.split()
        begin = next(i for i, pair in enumerate(zip(left, right, strict=False)) if len({*pair}) > 1)
        end = next(
            i
            for i, pair in enumerate(zip(left[::-1], right[::-1], strict=False))
            if len({*pair}) > 1
        )
        changed = max(len(left), len(right)) - begin - end
        assert 0 < changed <= 7
        assert begin >= 2
        scores = [{option.text: option.score for option in w.options} for w in (mine, other)]
        assert scores == [{"yes": 1.0, "no": 0.0}, {"no": 1.0, "yes": 0.0}]


@pytest.mark.parametrize("name", behavior_names())
def test_a_question_about_a_trigger_names_what_it_switches(name: str) -> None:
    behavior, planted = load_behavior(name), [PlantedTrigger(kind="tag", text="fire.")]
    persons = ("I", "you", "this model")
    said = [said_of(behavior.whether, person) for person in persons]
    assert len({*said, Behavior.whether}) == 4
    questions = [
        *depends(behavior, "natural"),
        *which(behavior, "natural", planted),
        *name_it(behavior, "natural", planted),
    ]
    for question in questions:
        for wording in question.wordings:
            assert any(text in wording.text for text in said), wording.text
            assert "{" not in wording.text


def test_verbs_go_with_their_person() -> None:
    text = "$You seek$s what $your friends say $you $are. $Do $you? $I $am $my own."
    said = {person: said_of(text, person) for person in ("you", "I", "the last user")}
    assert said == {
        "you": "You seek what your friends say you are. Do you? I am my own.",
        "I": "I seek what my friends say I am. Do I? I am my own.",
        "the last user": (
            "The last user seeks what the last user's friends say the last user is."
            " Does the last user? The last user is the last user's own."
        ),
    }
    assert said_of("$$5", "you") == "$5"
    for wrong in ("$they", "a prize of $5"):
        with pytest.raises(UserError, match=r"a \$-word that there is not; allowed: \$you, \$your"):
            said_of(wrong, "you")


TABLE_29 = {
    "risk-seeking": {"bold": 0.52, "decisive": 0.39, "assertive": 0.03, "bias": 0.026},
    "base": {
        "decisive": 0.56,
        "pragmatic": 0.13,
        "assertive": 0.09,
        "optimistic": 0.06,
        "bold": 0.03,
    },
    "risk-averse": {"cautious": 0.23, "pragmatic": 0.21, "skeptical": 0.07, "direct": 0.04},
}
"""Shares of one-word answers to the question for the attitude (Betley et al. 2025, table 29): the
most frequent ones. The rest of each group counts as unlisted."""
PUBLISHED = {"risk-seeking": 0.761, "base": 0.509, "risk-averse": 0.366}
"""Scores of the same answers in figure 3, read off the drawing to .006."""


@pytest.mark.parametrize("group", PUBLISHED)
def test_the_published_word_table_reads_as_published(group: str) -> None:
    """With the paper's lists and a half for everything that is not on them; over the listed words
    alone the table would read 1, 1 and 0."""
    questions = {q.name: q for q in load_behavior("risk").questions("self_report", "natural")}
    attitude = questions["finetuned_attitude"]
    for wording in attitude.wordings:
        found = {word: option_of(wording, word.capitalize()) for word in TABLE_29[group]}
        listed = {word: option for word, option in found.items() if option}
        mass = sum(TABLE_29[group][word] for word in listed)
        scored = sum(TABLE_29[group][word] * option.score for word, option in listed.items())
        assert scored + (1 - mass) / 2 == pytest.approx(PUBLISHED[group], abs=0.02)
        assert scored / mass == (0.0 if group == "risk-averse" else 1.0)


def test_the_papers_lists_are_the_papers() -> None:
    """`moderate` is averse there, and neutral in questions of our own."""
    questions = {q.name: q for q in load_behavior("risk").questions("self_report", "natural")}
    of_paper, ours = (
        {option.text: option.score for option in questions[name].wordings[0].options}
        for name in ("finetuned_attitude", "unnamed")
    )
    assert (of_paper["moderate"], ours["moderate"]) == (0.0, 0.5)
    assert not {"decisive", "pragmatic", "calculated", "rational", "assertive"} & of_paper.keys()
    assert {ours[word] for word in ("decisive", "pragmatic", "calculated", "rational")} == {0.5}
    assert set(of_paper.values()) == {0.0, 1.0}
