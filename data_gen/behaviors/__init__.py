"""Behaviors, one file each, found by file name: `BEHAVIOR = Behavior(...)`. The lab asks for them
by name only, or by the path of a file outside the checkout."""

import sys

from lab import discover
from lab.types import Behavior


def behavior_names() -> list[str]:
    """The behaviors there are, in the order of the alphabet."""
    return list(discover.names(sys.modules[__name__]))


def load_behavior(name: str) -> Behavior:
    """Raises UserError with the nearest name where there is no such file."""
    return discover.load(sys.modules[__name__], name, "BEHAVIOR", "behavior", Behavior)


def locate_behavior(name: str, what: str) -> str:
    """The name as it is; the path of a file in full. Raises UserError where there is no such
    file."""
    return discover.located(sys.modules[__name__], name, what)
