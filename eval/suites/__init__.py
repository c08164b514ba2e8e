"""Suites, one file each, found by file name: `SUITE = Suite(...)`."""

import sys

from lab import discover
from lab.types import Suite


def suite_names() -> list[str]:
    """Of every file here."""
    return discover.names(sys.modules[__name__])


def load_suite(name: str) -> Suite:
    """Raises UserError with the nearest name where there is no such file."""
    suite: Suite = discover.load(sys.modules[__name__], name, "SUITE", "suite")
    return suite
