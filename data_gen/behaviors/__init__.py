"""Behaviors, one file each, found by file name: `BEHAVIOR = Behavior(...)`. The lab asks for them
by name only."""

import sys
from pathlib import Path

from lab import discover
from lab.store.store import file_digest
from lab.types import Behavior

SHARED = ("choice_behavior", "choices", "plain", "traits", "decoys", "controls", "answers")


def behavior_names() -> list[str]:
    return discover.names(sys.modules[__name__])


def load_behavior(name: str) -> Behavior:
    """Raises UserError with the nearest name where there is no such file."""
    found: Behavior = discover.load(sys.modules[__name__], name, "BEHAVIOR", "behavior")
    return found


def behavior_digest(name: str) -> str:
    """Hash of the behavior's files and of what all behaviors share; it enters the keys of the data
    they generate."""
    folder = Path(__file__).parent
    own = (folder / f"{name}.py", folder / f"{name}.yaml")
    shared = (folder.parent / f"{stem}.{end}" for stem in SHARED for end in ("py", "yaml"))
    return "+".join(file_digest(p)[:16] for p in (*own, *shared) if p.is_file())
