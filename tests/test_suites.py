"""What the suites that must stay still ask."""

from __future__ import annotations

import pytest

from data_gen.behaviors import behavior_names, load_behavior
from eval.ask import asked
from lab.types import Style


@pytest.mark.parametrize("style", ["plain", "natural"])
@pytest.mark.parametrize("name", behavior_names())
def test_an_unrelated_trait_is_another_behaviors_self_report(name: str, style: Style) -> None:
    questions = {q.name: q for q in asked("unrelated_trait", name, style)}
    assert questions
    for key, question in questions.items():
        other, _, own = key.partition(".")
        assert other != name
        assert own in {q.name for q in load_behavior(other).questions("self_report", style)}
        assert question.twin is None or questions[question.twin].twin == key


@pytest.mark.parametrize("style", ["plain", "natural"])
@pytest.mark.parametrize("name", behavior_names())
def test_another_person_is_asked_about_in_other_words(name: str, style: Style) -> None:
    others = {w.text for q in asked("other_person", name, style) for w in q.wordings}
    own = {w.text for q in asked("self_report", name, style) for w in q.wordings}
    assert others
    assert not others & own
    if style == "plain":
        kinds = {q.name for q in asked("self_report", name, style)}
        assert {q.name for q in asked("other_person", name, style)} == kinds
        assert not any(f" {word} " in f" {text} " for word in ("you", "your") for text in others)
