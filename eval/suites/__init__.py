"""Suites, one file each, found by file name: `SUITE = Suite(...)`. A file of questions outside the
checkout is one as well, under the name of its file."""

import sys
from pathlib import Path

from lab import discover
from lab.questions import read_questions
from lab.types import Behavior, Question, Style, Suite


def suite_names() -> list[str]:
    """Of every file here."""
    return list(discover.names(sys.modules[__name__]))


def load_suite(name: str) -> Suite:
    """Raises UserError with the nearest name where there is no such file."""
    if name.endswith(discover.QUESTIONS):
        return _of_file(Path(name))
    return discover.load(sys.modules[__name__], name, "SUITE", "suite", Suite)


def locate_suite(name: str, what: str) -> str:
    """The name as it is; the path of a file in full. Raises UserError where there is no such
    file."""
    return discover.located(sys.modules[__name__], name, what, (".py", *discover.QUESTIONS))


def _of_file(path: Path) -> Suite:
    """The questions of a user's file, which are about whatever it says."""

    def by_itself(style: Style) -> tuple[Question, ...]:
        return read_questions(path, style)

    def questions(behavior: Behavior, style: Style) -> tuple[Question, ...]:
        return by_itself(style)

    about = f"the questions of {path.name}"
    return Suite(path.stem, about, questions, by_itself, pole="first")
