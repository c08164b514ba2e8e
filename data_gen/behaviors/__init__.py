"""Behaviors, one file each, found by file name: `BEHAVIOR = Behavior(...)`. The lab asks for them
by name only."""

import sys
from pathlib import Path

from lab import discover
from lab.store.store import file_digest
from lab.types import Behavior

SHARED = ("choice_behavior", "choices", "plain", "traits", "decoys", "answers", "shuffle")
"""Files of data_gen/ that put text into rows of any behavior, each with its YAML."""


def behavior_names() -> list[str]:
    """The behaviors there are, in the order of the alphabet."""
    return discover.names(sys.modules[__name__])


def load_behavior(name: str) -> Behavior:
    """Raises UserError with the nearest name where there is no such file."""
    behavior: Behavior = discover.load(sys.modules[__name__], name, "BEHAVIOR", "behavior")
    return behavior


def behavior_digest(name: str, control: str | None = None) -> str:
    """Hash of `behavior_files`; it enters the keys of the data that these generate."""
    return "+".join(file_digest(file)[:16] for file in behavior_files(name, control))


def behavior_files(name: str, control: str | None = None) -> list[Path]:
    """The files that put text into rows of a behavior, or of a control made from these: their own,
    and what all share. A further behavior or control beside them changes nothing here."""
    behaviors = Path(__file__).parent
    data_gen = behaviors.parent
    stems = [behaviors / name, *(data_gen / stem for stem in SHARED)]
    if control:
        shared = (data_gen / "controls").glob("_*.py")
        stems += [
            data_gen / "controls" / control,
            *(file.with_suffix("") for file in sorted(shared)),
        ]
    files = (stem.with_suffix(ending) for stem in stems for ending in (".py", ".yaml"))
    return [file for file in files if file.is_file()]
