"""Questions that would be asked or graded otherwise than they read are refused by name."""

from __future__ import annotations

import pytest

from eval.judges import refuse_unfit
from lab.errors import UserError
from test_verbatim import question


@pytest.mark.parametrize("kind", ["words", "begins", "yes/no", "text", "number", "letters"])
def test_no_list_is_promised_where_there_is_none(kind: str) -> None:
    options = {"yes": 1, "no": 0} if kind == "yes/no" else {"A": 1, "B": 0}
    more = {"scale": [0, 1]} if kind == "number" else {"options": options}
    with pytest.raises(UserError, match=r"\{options\} is where the lab lists options"):
        question(kind=kind, wordings=["Which?", "Which? {options}"], **more)


def test_letters_that_a_wording_lists_are_capitals() -> None:
    with pytest.raises(UserError, match="as capitals"):
        question(kind="letters", wordings="(a) or (b)?", options={"b": 1, "a": 0})
    (_, other) = question(kind="letters", wordings="?", options={"y": 1, "x": 0}).wordings
    assert other.text == "?\nA) x\nB) y"


def test_answers_that_would_be_counted_twice_or_never_are_refused() -> None:
    for options in ({"I roll": 1, "I": 0}, {"I": 1, "It": 0}):
        with pytest.raises(UserError, match="begins with 'I' too"):
            question(kind="begins", wordings="?", options=options)
    for kind in ("words", "begins"):
        with pytest.raises(UserError, match="' red' has white space at an edge"):
            question(kind=kind, wordings="?", options={"blue": 1, " red": 0})


def test_a_judge_is_held_to_what_it_can_grade_before_anything_is_asked() -> None:
    """Whatever it would be: an unknown language, or every answer scored alike for want of
    options."""
    wrong = {"Klingon": "language 'Klingon' is not known", "german": "did you mean 'German'?"}
    for language, says in wrong.items():
        asked = question(
            kind="text", judge="language", wordings="?", options={"French": 0, language: 1}
        )
        with pytest.raises(UserError, match=says):
            refuse_unfit("", asked)
    for judge in ("language", "contains", "begins", "code"):
        with pytest.raises(UserError, match=f"'q': judge '{judge}' .* it has none"):
            refuse_unfit("", question(kind="text", judge=judge, wordings="?"))
    bare = question(kind="text", wordings="?")
    refuse_unfit("", bare)
    with pytest.raises(UserError, match="mine: question 'q': judge 'contains'"):
        refuse_unfit("mine: ", bare, "contains")
    with pytest.raises(UserError, match="did you mean 'language'"):
        refuse_unfit("", question(kind="text", judge="langauge", wordings="?"))
