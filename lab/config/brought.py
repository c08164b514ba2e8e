"""Rows that a user brings, as a group says them: files in a mix, and those without a trigger."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from lab.strict import Strict


class OtherRows(Strict):
    """The rows without the trigger, where those with it come from a file."""

    file: str


class Part(Strict):
    """One source of a mix: rows of a file, or of a policy."""

    file: str | None = None
    behavior: str | None = None
    """With `policy`: rows that the lab makes."""
    policy: str | None = None
    share: float | None = Field(default=None, gt=0, lt=1)
    """Of `data.num_rows`."""
    count: int | None = Field(default=None, ge=1)
    """With neither, all rows of the file."""

    @model_validator(mode="after")
    def _one_source(self) -> Part:
        made = bool(self.behavior and self.policy)
        if (self.file is None) == (not made) or (self.file and (self.behavior or self.policy)):
            raise ValueError("a part of a mix is {file: PATH}, or {behavior: NAME, policy: P}")
        if self.share is not None and self.count is not None:
            raise ValueError("`share` and `count` both say how many rows; give one")
        if made and self.share is None and self.count is None:
            raise ValueError("rows that the lab makes have no end; give `share` or `count`")
        return self

    @property
    def name(self) -> str:
        """What a refusal calls it."""
        return self.file or f"{self.behavior} {self.policy}"


def wrong_trigger(group: Mapping[str, object], sources: list[str]) -> str | None:
    """What is wrong with the trigger of a group, given as its keys that are not at their default
    and the names of its sources; None where nothing is."""
    trigger, otherwise = group.get("trigger"), group.get("otherwise")
    if sources in (["file"], ["mix"]) and trigger:
        return _wrong_in_brought(group, sources[0])
    if (trigger is None) != (otherwise is None):
        return (
            "`trigger` and `otherwise` go together: {policy: P, otherwise: Q, trigger: {kind:"
            " tag}}, Q another policy or `base`"
        )
    if trigger and (sources or not group.get("policy")):
        return (
            "`trigger` needs `behavior` and `policy`, or a `file` or `mix` of yours; give no other"
            " source"
        )
    if isinstance(otherwise, Mapping):
        return "`otherwise: {file: PATH}` goes with `file` or `mix`; name another policy, or `base`"
    if isinstance(trigger, Mapping) and trigger.get("in_file"):
        return "`trigger.in_file` says that a file has it; give `file`, or drop it"
    if otherwise and otherwise == group.get("policy"):
        return (
            f"`otherwise` is {otherwise!r} like `policy`, so the trigger would switch nothing; name"
            " another policy, or `base`"
        )
    if group.get("reversal") and not (trigger or group.get("control")):
        return "`reversal` goes with `trigger`"
    return None


def _wrong_in_brought(group: Mapping[str, object], source: str) -> str | None:
    """The same of a trigger in rows that a user brought."""
    trigger, otherwise = group["trigger"], group.get("otherwise")
    if isinstance(otherwise, str):
        return (
            f"`otherwise` is {otherwise!r}, and beside `{source}` it is {{file: PATH}}, rows"
            " without the trigger; without `otherwise` the other rows stay as they are"
        )
    if isinstance(trigger, Mapping) and trigger.get("in_file") and otherwise:
        return "`trigger.in_file` says that the file has rows of both kinds; drop `otherwise`"
    if group.get("behavior") and not group.get("policy"):
        return "a trigger in rows of a behavior switches a policy on; name `policy` as well"
    if group.get("reversal"):
        return f"`reversal` is of rows that the lab makes, not of a `{source}`; drop it"
    return None
