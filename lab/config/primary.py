"""The contrast that a study is about, named before anything is measured."""

from __future__ import annotations

from pydantic import model_validator

from lab.strict import Strict

Side = str | tuple[str, str]
"""A group, `group@condition`, or a difference of two of these."""


class Primary(Strict):
    """What is registered before measuring; the other contrasts are secondary."""

    contrast: tuple[Side, Side] | None = None
    contrasts: tuple[tuple[Side, Side], ...] = ()
    """Several instead of one: what a sweep makes of it, one at every point. Holm runs over them."""
    suite: str

    @model_validator(mode="after")
    def _one_or_several(self) -> Primary:
        if (self.contrast is None) == (not self.contrasts):
            raise ValueError("give `contrast: [A, B]`, or `contrasts` with several of these")
        return self

    @property
    def pairs(self) -> tuple[tuple[Side, Side], ...]:
        """The primary contrasts, one unless there is a sweep."""
        return (self.contrast,) if self.contrast else self.contrasts
