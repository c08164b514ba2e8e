"""What is wrong with a study as it was written, in one line that begins with where it was read."""

import math
from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import ValidationError

from lab.config.schema import Study
from lab.errors import UserError, unknown
from lab.strict import Strict

RENAMED = {"train.engine": "train.trainer", "data.planted": "data.policy_share"}
"""Keys under the names that they had, and have: `engine` is said of who answers, `planted` of
triggers."""
LONGEST_VALUE = 120
"""Characters up to which a wrong value is shown: a longer one would bury the message."""


def one_line(
    error: ValidationError,
    where: str,
    model: type[Strict] = Study,
    see: str = "see `tellme run --help`",
) -> UserError:
    """The first mistake in a mapping of `model` as one line; an unknown key, if there is one, with
    the nearest valid one and where to `see` more."""
    mistakes = error.errors()
    first = next((e for e in mistakes if e["type"] == "extra_forbidden"), mistakes[0])
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        allowed = _keys_beside(place, model)
        return unknown(f"{where}: key", ".".join(place), allowed, see)
    value = "" if first["type"] == "missing" else f" is {first['input']!r}"
    shown = value if len(value) < LONGEST_VALUE else ""
    message = first["msg"].removeprefix("Value error, ")
    if not place and model is not Study:
        return UserError(f"{where}: {message}")
    return UserError(f"{where}: {'.'.join(place) or 'config'}{shown}: {message}")


def _keys_beside(place: list[str], model: type[Strict]) -> list[str]:
    """Full names of the keys that may stand where an unknown one does."""
    *parents, _ = place
    for parent in parents:
        # Names of groups and indices of lists lie on the way and are no fields.
        if parent in model.model_fields:
            model = next(_models_in(model.model_fields[parent].annotation), model)
    return [".".join([*parents, name]) for name in model.model_fields]


def _models_in(annotation: object) -> Iterator[type[Strict]]:
    """The models in a type such as `dict[str, Group]`."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def refuse_endless(raw: Mapping[str, object], where: str) -> None:
    """Raises UserError for a number that is not finite: a configuration is written as JSON into all
    that it makes, and JSON has no such number."""
    for key, value in _entries(raw):
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(
                f"{where}: {key} is {value}, which no JSON file can hold; give a finite number"
            )


def refuse_renamed(raw: Mapping[str, object], where: str) -> None:
    """Raises UserError for a key under its old name, in the study, in a group or in the sweep: as
    an unknown key it would be refused without a word on what became of it."""
    for key, _ in _entries(raw):
        for old, new in RENAMED.items():
            if key == old or key.endswith(f".{old}"):
                renamed = f"{key.removesuffix(old)}{new}"
                raise UserError(f"{where}: {key} is now {renamed}; write it under that name")


def _entries(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Every value inside a configuration by its dotted key, mappings and lists included."""
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list | tuple):
        inside = list(enumerate(value))
    else:
        return
    for name, inner in inside:
        inner_key = f"{key}.{name}" if key else f"{name}"
        yield inner_key, inner
        yield from _entries(inner, inner_key)
