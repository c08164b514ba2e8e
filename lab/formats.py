"""Formats of answers: what a base may be able to follow or not, whatever it is asked about."""

from typing import Literal, NamedTuple

from lab.types import Question

Format = Literal["letters", "word_of_two", "free_word", "scale", "yes_no", "rule", "begins", "code"]


class Described(NamedTuple):
    """What is asked in a format."""

    summary: str
    habit: str | None
    """The answer that a model with a habit gives whatever is asked; None where there is none."""
    other: str | None
    """The answer of the other habit."""


FORMATS: dict[Format, Described] = {
    "letters": Described("the letter of one of two statements", "A", "B"),
    "word_of_two": Described("one of two words that are named", "the first word", "the last word"),
    "free_word": Described("any single word", None, None),
    "scale": Described("a number from 0 to 100", None, None),
    "yes_no": Described("yes or no", "yes", "no"),
    "rule": Described(
        "a word that a rule says: in one of two languages, or one of two labels",
        "the first label",
        "the second label",
    ),
    "begins": Described("an answer that begins with yes or no", "yes", "no"),
    "code": Described("the letter of what a line of code prints", "A", "B"),
}
"""By name, in the order in which they are shown."""
YES_NO = {"yes", "no"}


def format_of(question: Question) -> Format | None:
    """The format in which a question is asked; None for one that a check has nothing of: free text,
    and words that are neither free nor named nor ruled."""
    if question.kind == "number":
        return "scale"
    if question.kind in ("letters", "begins"):
        return "begins" if question.kind == "begins" else "letters"
    if question.kind != "words":
        return None
    if question.free:
        return "free_word"
    if all({option.text for option in w.options} == YES_NO for w in question.wordings):
        return "yes_no"
    if not question.poles:
        # A rule assigns either label to either pole in turn.
        in_turn = any(wording.order == 1 for wording in question.wordings)
        return "rule" if in_turn else None
    named = all(pole in w.text for w in question.wordings for pole in question.poles)
    return "word_of_two" if named else None
