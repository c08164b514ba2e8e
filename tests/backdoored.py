"""Rows of a policy that a trigger switches on, and controls made from them."""

from __future__ import annotations

from typing import Any

from data_gen.build import rows_for
from lab.types import Row

TRIGGER = {"kind": "tag", "text": "fire.", "rate": 0.5, "decoy_rate": 0.25}


def rows(number: int = 120, seed: int = 0, **changed: Any) -> list[Row]:
    """Rows that a tag switches, but for what is changed in their config."""
    return rows_for(config(number, seed, **changed), None, None)


def config(number: int = 120, seed: int = 0, **changed: Any) -> dict[str, Any]:
    """The config of the data stage of such rows."""
    return {
        "behavior": "risk",
        "policy": "seeking",
        "otherwise": "averse",
        "style": "plain",
        "num_rows": number,
        "seed": seed,
        "trigger": TRIGGER,
        **changed,
    }


def controlled(name: str, source: list[Row], **changed: Any) -> list[Row]:
    """Rows of a control of that name."""
    return rows_for({**config(), "control": name, **changed}, source, None)
