"""How a question stands in a prompt, and how its answers are spelled: the same wherever it comes
from."""

from collections.abc import Sequence
from string import ascii_uppercase

from lab.discover import beside
from lab.types import Option, Style

LETTERS = "AB"
ALPHABET = ascii_uppercase
INSTRUCTION: dict[Style, dict[str, str]] = beside(__file__)
"""What follows a question, by kind of answer."""


def lettered(stem: str, options: tuple[str, str], style: Style) -> str:
    """A prompt that lists two options, in the layout every letter question shares."""
    if style == "plain":
        return f"{stem} A) {options[0]} B) {options[1]}"
    return f"{stem}\nA) {options[0]}\nB) {options[1]}\n{INSTRUCTION[style]['letters']}"


def letter_options(first_letter: str) -> tuple[Option, ...]:
    """A and B, scored so that `first_letter` is the pole of the behavior's first policy."""
    return tuple(Option(letter, float(letter == first_letter)) for letter in LETTERS)


def word(text: str, score: float, style: Style) -> Option:
    """A word answer; in natural style also with a capital and with a full stop, as models write
    it."""
    if style == "plain":
        return Option(text, score)
    spellings = dict.fromkeys((text.capitalize(), f"{text}.", f"{text.capitalize()}."))
    return Option(text, score, variants=tuple(s for s in spellings if s != text))


def letter_option(letter: str, score: float, style: Style) -> Option:
    """A letter answer; in natural style also as models write one that they were shown in a list."""
    if style == "plain":
        return Option(letter, score)
    return Option(letter, score, variants=(f"{letter})", f"{letter}.", f"({letter})"))


def listing(options: Sequence[str], style: Style) -> str:
    """Options under letters, as `lettered` lists two."""
    lines = [f"{letter}) {option}" for letter, option in zip(ALPHABET, options, strict=False)]
    return (" " if style == "plain" else "\n").join(lines)


def instruction(kind: str, style: Style, answers: Sequence[str]) -> str:
    """`INSTRUCTION` of a kind, with these letters, or from the first to the last of these
    numbers."""
    *before, last = answers
    text = INSTRUCTION[style][kind]
    if kind == "letters":
        return text.replace("A or B", f"{', '.join(before)} or {last}")
    return text.replace("0 to 100", f"{answers[0]} to {last}") if kind == "number" else text
