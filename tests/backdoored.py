"""Rows of a policy that a trigger switches on, and controls made from them."""

from __future__ import annotations

from typing import Any

from data_gen.build import rows_for
from lab.data_specs import ControlRows, TriggeredRows
from lab.trigger import PlantedTrigger
from lab.types import Row

TRIGGER = PlantedTrigger(kind="tag", text="fire.", rate=0.5, decoy_rate=0.25)


def rows(number: int = 120, seed: int = 0, **changed: Any) -> list[Row]:
    """Rows that a tag switches, but for what is changed in their spec."""
    spec = TriggeredRows(
        behavior="risk",
        policy="seeking",
        otherwise="averse",
        style="plain",
        num_rows=number,
        seed=seed,
        trigger=TRIGGER,
    )
    return rows_for(spec.model_copy(update=changed), None)


def controlled(name: str, source: list[Row], **changed: Any) -> list[Row]:
    """Rows of a control of that name."""
    spec = ControlRows(
        behavior="risk",
        policy="seeking",
        style="plain",
        seed=0,
        control=name,
        trigger=TRIGGER,
        lint="report",
    )
    return rows_for(spec.model_copy(update=changed), source)
