"""Engines, one file each, found by file name: `ENGINE = Engine(...)`. Plans read them, so none
imports torch before a model is asked."""

import sys

from lab import discover
from lab.engine import Engine
from lab.store.store import DIGITS


def engine_names() -> list[str]:
    """Of every file here."""
    return list(discover.names(sys.modules[__name__]))


def load_engine(name: str) -> Engine:
    """The engine of a name, or of a file outside the checkout by its path. Raises UserError with
    the nearest name where there is no such file."""
    return discover.load(sys.modules[__name__], name, "ENGINE", "engine", Engine, versioned=True)


def locate_engine(name: str, what: str) -> str:
    """The name as it is; the path of a file in full. Raises UserError where there is no such
    file."""
    return discover.located(sys.modules[__name__], name, what)


def engine_digest(name: str) -> str | None:
    """Of the file of an engine outside the checkout, which may change without another name; None
    for those of the lab, whose versions are in their names."""
    if not discover.is_path(name):
        return None
    module = discover.module_of(sys.modules[__name__], name, "engine")
    return discover.digest_of_code(module)[:DIGITS]
