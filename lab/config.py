"""The schema of a study: frozen, unknown keys refused. lab/read_study.py reads it from YAML."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=+-]*")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Model(Strict):
    base: str = Field(min_length=1)
    """A reference model (`reference/linked`), a path, or a Hub id."""
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"


class Data(Strict):
    num_rows: int = Field(default=288, ge=1)
    num_decoys: int = Field(default=0, ge=0)
    """Further rows: choices that have nothing to do with the behavior, answered at random."""
    lint: Literal["report", "strict"] = "report"
    """What a failed lint does to a user's file. Generated sets always refuse."""


class Group(Strict):
    behavior: str | None = None
    policy: str | None = None
    control: Literal["shuffled", "clean", "described", "everyone", "lexical"] | None = None
    of: str | None = None
    file: str | None = None
    adapter: str | None = None
    prompted: str | None = None
    in_context: int | None = Field(None, ge=1)
    model: str | dict[str, Any] | None = None
    """A mapping overrides keys of the study's `model`; a string is a model evaluated as it is."""
    data: dict[str, Any] = {}
    lora: dict[str, Any] = {}
    sft: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_source(self) -> Group:
        sources = {
            "control": self.control,
            "file": self.file,
            "adapter": self.adapter,
            "prompted": self.prompted,
            "in_context": self.in_context,
            "model (a string)": self.model if isinstance(self.model, str) else None,
        }
        given = [name for name, value in sources.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"a group has one source, got {' and '.join(given)}")
        if (self.control is None) != (self.of is None):
            raise ValueError("`control` and `of` go together: {control: shuffled, of: GROUP}")
        if (not given or self.in_context) and not (self.behavior and self.policy):
            raise ValueError(
                "a group needs `behavior` and `policy`, or one of control, file, adapter, prompted, in_context, model"
            )
        return self

    @property
    def trained(self) -> bool:
        return not (self.adapter or self.prompted or self.in_context or isinstance(self.model, str))


Side = str | tuple[str, str]
"""A group, `group@condition`, or a difference of two of these."""


class Primary(Strict):
    contrast: tuple[Side, Side]
    suite: str


class Eval(Strict):
    suites: tuple[str, ...] = Field(default=("behavior", "self_report"), min_length=1)

    @field_validator("suites")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each suite stands once")
        return value


class Run(Strict):
    dir: str = "runs"
    report_to: tuple[Literal["wandb"], ...] = ()


class Study(Strict):
    study: str
    model: Model
    groups: dict[str, Group] = Field(min_length=1)
    contrasts: tuple[tuple[Side, Side], ...] = ()
    primary: Primary | None = None
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (0, 1, 2)
    data: Data = Data()
    lora: dict[str, Any] = {}
    sft: dict[str, Any] = {}
    eval: Eval = Eval()
    run: Run = Run()
    sweep: dict[str, list[Any]] | list[dict[str, list[Any]]] = {}

    @field_validator("study")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("a study name has letters, digits and . _ - only; it becomes a folder name, not a path")
        return value

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("a study needs at least one seed, for example [0, 1, 2]")
        if len(set(value)) < len(value):
            raise ValueError("each seed is one independent model and stands once")
        return value

    @field_validator("groups")
    @classmethod
    def _group_names(cls, value: dict[str, Group]) -> dict[str, Group]:
        for name in value:
            if name == "base":
                raise ValueError("`base` is the reserved name of the model without an adapter; rename this group")
            if not NAME.fullmatch(name):
                raise ValueError(f"group name {name!r} has letters, digits and . _ = + - only")
        return value

    _points: dict[str, dict[str, Any]] = PrivateAttr(default_factory=dict)

    @property
    def points(self) -> dict[str, dict[str, Any]]:
        """What a sweep set, by the ending that the names of its groups got; empty without a sweep."""
        return self._points

    def sides(self) -> list[str]:
        """Every `group` or `group@condition` that a contrast names."""
        pairs = [*self.contrasts, *([self.primary.contrast] if self.primary else [])]
        return [s for pair in pairs for side in pair for s in ([side] if isinstance(side, str) else side)]
