"""Numbers and tables as text, for the terminal and for pages alike."""

from collections.abc import Sequence
from typing import TypedDict

MINUS = "\u2212"
"""The sign between the sides of a contrast, as wide as a plus."""


class Bounds(TypedDict):
    """What a record with an interval has of it."""

    ci_low: float | None
    """None where there is none, as is `ci_high`."""
    ci_high: float | None


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of text, every column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def signed(value: float | None) -> str:
    """A difference, with its sign; empty where there is none."""
    return "" if value is None else f"{value:+.3f}"


def plain(value: float | None) -> str:
    """A number that has no direction; empty where there is none."""
    return "" if value is None else f"{value:.3f}"


def between_text(record: Bounds, form: str = "+.3f") -> str:
    """The interval of a record; `-` where there is none."""
    low, high = record["ci_low"], record["ci_high"]
    return "-" if low is None or high is None else f"{low:{form}} to {high:{form}}"


def side_text(side: str) -> str:
    """A side of a contrast; a difference in brackets."""
    return f"({side})" if " - " in side else side


def p_text(p: float | None) -> str:
    """A p-value as it is printed: never 0.000."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"
