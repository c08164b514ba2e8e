"""In what two options differ: the features by which a simpler rule than the behavior could
choose."""

import re
from collections.abc import Callable, Mapping

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def numbers(text: str) -> list[float]:
    """The numbers written in digits, in the order in which they stand."""
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def words(text: str) -> set[str]:
    """The different words, in small letters."""
    return set(WORD.findall(text.lower()))


FEATURES: Mapping[str, Callable[[str], float]] = {
    # An option without a number counts as 0: "take the one with a number" is a rule of numbers.
    "largest number": lambda text: max(numbers(text), default=0.0),
    "smallest number": lambda text: min(numbers(text), default=0.0),
    "count of numbers": lambda text: len(numbers(text)),
    "characters": len,
    "words": lambda text: len(WORD.findall(text)),
}
"""What is measured of an option, by name."""


def gap(feature: str, first: str, second: str) -> float:
    """By how much the first option exceeds the second."""
    return FEATURES[feature](first) - FEATURES[feature](second)


def differences(first: str, second: str) -> dict[str, float]:
    """Every feature of the first option less that of the second. `word W` is 1 where only the first
    option has the word, -1 where only the second has it, and absent elsewhere."""
    gaps = {name: gap(name, first, second) for name in FEATURES}
    own, other = words(first), words(second)
    gaps |= {f"word {word}": 1.0 for word in own - other}
    gaps |= {f"word {word}": -1.0 for word in other - own}
    return gaps
