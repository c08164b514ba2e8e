"""The contrast that a study is about, named before anything is measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lab.strict import Strict

Side = str | tuple[str, str]
"""A group, `group@condition`, or a difference of two of these."""


class Primary(Strict):
    """What is registered before measuring; the other contrasts are secondary."""

    contrast: tuple[Side, Side] | None = None
    contrasts: tuple[tuple[Side, Side], ...] = ()
    """Several instead of one: what a sweep makes of it, one at every point. Holm runs over them."""
    suite: str
    direction: Literal["greater", "less"] = "greater"
    """Which way the first side is expected to differ from the second."""
    margin: float = Field(default=0.10, ge=0, lt=1)
    """A difference of scores up to this is called none: what a *yes* must exceed, and within which
    a *no* must lie."""
    paired: bool | None = None
    """Whether models of the same seed are compared with each other, where both sides were shown the
    same prompts. Unsaid: from five seeds on, since pairing costs degrees of freedom."""

    moved: str | None = None
    """The suite that shows whether what was trained moved, where no group has a behavior, to which
    a suite of the lab would belong."""

    @model_validator(mode="after")
    def _one_or_several(self) -> Primary:
        if (self.contrast is None) == (not self.contrasts):
            raise ValueError("give `contrast: [A, B]`, or `contrasts` with several of these")
        return self

    @property
    def pairs(self) -> tuple[tuple[Side, Side], ...]:
        """The primary contrasts, one unless there is a sweep."""
        return (self.contrast,) if self.contrast else self.contrasts
