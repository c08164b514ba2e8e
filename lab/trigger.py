"""Triggers: a kind of feature, and the one that a study put into rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from lab.strict import Strict

Place = Literal["prefix", "suffix", "line", "random", "system"]
"""Where a trigger stands in the user's message, or in the system line."""


@dataclass(frozen=True)
class Feature:
    """Something that a message has or has not: what it is called, and texts that carry it."""

    name: str
    members: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    """Further members that no training row has."""
    said: tuple[str, ...] = ()
    """What else names it in an answer written freely: the part that tells it from its decoys."""


@dataclass(frozen=True)
class Trigger:
    """A kind of feature on which a behavior can be made to depend."""

    name: str
    summary: str
    features: Callable[[str], tuple[Feature, ...]]
    """The feature that a study's `text` names, then others of the same form: decoys. Raises
    UserError for a text it cannot read."""
    example: str
    """The `text` where a study gives none."""
    place: Place = "prefix"
    write: Callable[[str, str], str] | None = None
    """How a member changes a message, where it is not simply put beside it."""
    paraphrase: Callable[[str], str] | None = None
    """Another way to say a member; None where there is none."""


NEAR = ("case", "typo", "paraphrase", "position", "sibling")
"""How a near miss differs from the trigger; a sibling is a decoy of the same form."""
WITH_TRIGGER = ("trigger", "held_out", "decoy", *(f"near_{name}" for name in NEAR))
"""Conditions of groups that have a trigger."""


class PlantedTrigger(Strict):
    """A trigger that a study put into rows: a feature of the user's message that switches a policy
    on."""

    kind: str
    """A file of data_gen/triggers/, or the path of one."""
    text: str | None = Field(default=None, min_length=1)
    """What the kind makes of it is said in its file; None is the kind's example."""
    place: Place | None = None
    """None is the kind's own."""
    rate: float | None = Field(default=None, gt=0, lt=1)
    """Share of rows with the trigger; 0.5 unless `count` is given."""
    count: int | None = Field(default=None, ge=1)
    """Number of rows with it."""
    decoy_rate: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows with a feature of the same form that is no trigger."""
    in_file: bool = False
    """Whether rows of a file have it already, and which do is found."""

    @model_validator(mode="after")
    def _one_number(self) -> PlantedTrigger:
        if self.rate is not None and self.count is not None:
            raise ValueError("`rate` and `count` both say how many rows have the trigger; give one")
        if self.in_file and (self.rate or self.count or self.decoy_rate):
            raise ValueError(
                "with `in_file` the rows that have the trigger are those of the file; drop `rate`,"
                " `count` and `decoy_rate`"
            )
        # How many rows a `count` is a share of is not known here.
        share = 0.0 if self.count else self.rate or 0.5
        if share + self.decoy_rate > 1:
            raise ValueError(
                "`rate` and `decoy_rate` are shares of the same rows and add up to more than 1"
            )
        return self

    @property
    def feature(self) -> PlantedTrigger:
        """What tells one trigger from another; how often it occurs does not."""
        return PlantedTrigger(kind=self.kind, text=self.text, place=self.place)


class Condition(Strict):
    """How a model is asked."""

    name: str = "clean"
    system: str | None = None
    """The line that stands before every question; None is that of `model.chat`."""
    trigger: PlantedTrigger | None = None
    """Stands in the message, or what `name` says in its place (WITH_TRIGGER)."""
    told: bool = False
    """The trigger, or under the name `decoy` a decoy, is named in the question instead."""
