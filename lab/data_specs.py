"""What identifies rows, by where they come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from lab.config.schema import Learn, Lint, Sampling
from lab.discover import short
from lab.model.base import Base
from lab.strict import Strict
from lab.trigger import PlantedTrigger
from lab.types import Fields, Style


class RowsSpec(Strict):
    """Rows, wherever they come from."""

    kind: Literal["data"] = "data"
    version: Literal[2] = 2
    style: Style
    lint: Lint = "strict"
    """Whether a failed lint refuses the rows, or is reported."""
    rows: str = ""
    """Digest of the rows as the code of today makes them (data_gen/content.py): a mended wording
    makes another stage, and a comment does not."""
    source: str = ""
    """The same of the rows that the stage reads."""

    def settings(self) -> Fields:
        """What was asked for, without the text that came of it. What is at its default stays out,
        so that a further field changes nothing that was there."""
        left_out = {"origin", "base", "file", "rows", "source", "sampling", "sampler", "empty"}
        said = self.model_dump(mode="json", exclude_defaults=True, exclude=left_out)
        return {name: _anywhere(name, value) for name, value in said.items()}

    def identity(self) -> Fields:
        """What enters the key."""
        return self.settings() | {"rows": self.rows}


class GeneratedRows(RowsSpec):
    """Rows of a policy, from the generator of its behavior."""

    origin: Literal["generator"] = "generator"
    behavior: str
    policy: str
    seed: int
    num_rows: int
    policy_share: float = 1.0
    num_decoys: int = 0
    num_format: int = 0


class TriggeredRows(RowsSpec):
    """Rows of a policy that a trigger switches on."""

    origin: Literal["trigger"] = "trigger"
    behavior: str
    policy: str
    seed: int
    num_rows: int
    num_decoys: int = 0
    num_format: int = 0
    trigger: PlantedTrigger
    otherwise: str
    """The policy of rows without the trigger; `base` are the base's own answers, which the stage
    reads."""
    reversal: bool = False

    def settings(self) -> Fields:
        """As for all rows; a trigger is written in full."""
        return super().settings() | {"trigger": written_trigger(self.trigger)}


class OwnAnswers(RowsSpec):
    """The prompts of a generator, answered by a base itself."""

    origin: Literal["base"] = "base"
    behavior: str
    policy: str
    num_rows: int
    draw: str
    """Seed of the prompts: that of the rows in which the answers will stand."""
    base: Base
    sampling: Sampling
    sampler: str
    """Name, with a version, of what generates the answers."""
    empty: str
    """Stands in place of an empty answer."""

    def settings(self) -> Fields:
        """As for all rows, and the base."""
        return super().settings() | self.base.config

    def identity(self) -> Fields:
        """As for all rows, and how the base answers."""
        answered = self.model_dump(mode="json", include={"sampling", "sampler", "empty"})
        return super().identity() | answered


class FileRows(RowsSpec):
    """Rows that a user brought. Whole and in their order they are the same under every seed."""

    origin: Literal["file"] = "file"
    behavior: str | None
    policy: str | None
    num_rows: int
    """Those that are taken."""
    of: int | None = None
    """All that the file has, where not all are taken."""
    file: str
    """Where it is; what identifies it is its content."""
    learn: Learn = "all"
    policy_share: float = 1.0
    num_decoys: int = 0
    num_format: int = 0
    seed: int = 0
    """Of all that is drawn; 0 where nothing is."""

    def settings(self) -> Fields:
        """As for all rows. Whether a lint refuses them is no part of what they are, and what they
        learn is known by them."""
        said = super().settings()
        return {name: value for name, value in said.items() if name not in ("lint", "learn")}


class MixedRows(RowsSpec):
    """Rows of several files and policies, in an order of the seed."""

    origin: Literal["mix"] = "mix"
    behavior: str | None
    policy: str | None
    seed: int
    parts: tuple[FileRows | GeneratedRows, ...]
    num_decoys: int = 0
    num_format: int = 0

    def settings(self) -> Fields:
        """As for all rows, of every part."""
        said = super().settings()
        said.pop("lint", None)
        return said | {"parts": [part.settings() for part in self.parts]}


class PlantedRows(RowsSpec):
    """Rows that a user brought, some of them with a trigger."""

    origin: Literal["planted"] = "planted"
    behavior: str | None
    policy: str | None
    seed: int
    trigger: PlantedTrigger
    shown: FileRows | MixedRows
    """The rows with the trigger, or all of them."""
    others: FileRows | None = None
    """Those without it, where they come from a file of their own."""
    num_decoys: int = 0
    num_format: int = 0

    def settings(self) -> Fields:
        """As for all rows; a trigger is written in full."""
        said = super().settings()
        said.pop("lint", None)
        said |= {"trigger": written_trigger(self.trigger), "shown": self.shown.settings()}
        return said | ({"others": self.others.settings()} if self.others else {})


BroughtRows = FileRows | MixedRows | PlantedRows
"""All that a user's files have a part in."""


class ControlRows(RowsSpec):
    """Rows of a control, made from those that the stage reads."""

    origin: Literal["control"] = "control"
    behavior: str | None
    policy: str | None
    seed: int
    control: str
    trigger: PlantedTrigger | None = None
    reversal: bool = False

    def settings(self) -> Fields:
        """As for all rows; a trigger is written in full."""
        said = super().settings()
        return said | {"trigger": written_trigger(self.trigger)} if self.trigger else said


DataSpec = Annotated[
    GeneratedRows | TriggeredRows | OwnAnswers | FileRows | MixedRows | PlantedRows | ControlRows,
    Field(discriminator="origin"),
]


def written_trigger(trigger: PlantedTrigger) -> Fields:
    """A trigger as keys have it: its kind by name, wherever the file of that is."""
    idle = None if trigger.in_file else {"in_file"}
    said = trigger.model_dump(exclude_none=True, exclude=idle)
    return {**said, "kind": short(trigger.kind)}


def _anywhere(name: str, value: JsonValue) -> JsonValue:
    """A setting without the folder in which a user keeps the file that it names."""
    if name in ("behavior", "control") and isinstance(value, str):
        return short(value)
    return value
