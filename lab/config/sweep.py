"""A sweep: every trained group once at each of its points, compared at the same point."""

import copy
from collections.abc import Iterable
from itertools import product
from typing import Any

from lab.config.schema import Study
from lab.errors import UserError

SECTIONS = ("model", "data", "lora", "sft")
"""Sections of a study that a group may override, which is how a point reaches it."""

Point = dict[str, Any]
"""Values by `section.key`."""


def expand_sweep(raw: dict[str, Any], written: Study) -> Study:
    """The study with one group per trained group and point, named `group.key=value`; contrasts
    compare sides at the same point.

    A mapping of several keys is swept as a grid; a list of mappings one after the other. `raw` is
    what `written` was read from: groups are copied as they were written, so that what a group
    leaves to the study stays left to it. Raises UserError for a key that cannot be swept, and
    pydantic's ValidationError for a value that does not fit."""
    points = _points(written)
    swept = {name for name, group in written.groups.items() if group.trained}
    expanded = {key: value for key, value in raw.items() if key != "sweep"}
    expanded["groups"] = _groups_at(points, raw["groups"], swept)
    expanded["contrasts"] = _pairs_at(points, raw.get("contrasts", []), swept)
    if written.primary:
        expanded["primary"] = {
            "contrasts": _pairs_at(points, written.primary.pairs, swept),
            "suite": written.primary.suite,
        }
    study = Study.model_validate(expanded)
    study.points.update(points)
    return study


def _points(written: Study) -> dict[str, Point]:
    """The points of all grids by label, `key=value` of each key joined by dots."""
    grids = [written.sweep] if isinstance(written.sweep, dict) else written.sweep
    points: dict[str, Point] = {}
    for grid in grids:
        for key, values in grid.items():
            section, _, field = key.partition(".")
            if section not in SECTIONS or not field or not values:
                raise UserError(
                    f"sweep key {key!r} must be model.KEY, data.KEY, lora.KEY or sft.KEY with a"
                    " list of values"
                )
        for combination in product(*grid.values()):
            point = dict(zip(grid, combination, strict=True))
            points[_label(point)] = point
    return points


def _label(point: Point) -> str:
    """A point as the ending of a group's name."""
    return ".".join(f"{key.partition('.')[2]}={_shown(value)}" for key, value in point.items())


def _shown(value: Any) -> str:
    """A value in a name: a list is joined by +, a path loses its slashes."""
    return "+".join(map(str, value)) if isinstance(value, list) else str(value).replace("/", "-")


def _groups_at(
    points: dict[str, Point], raw_groups: dict[str, Any], swept: set[str]
) -> dict[str, Any]:
    """Groups for which nothing is trained as they are, then each of the others at every point."""
    groups = {name: group for name, group in raw_groups.items() if name not in swept}
    for name in raw_groups:
        if name not in swept:
            continue
        for label, point in points.items():
            group = copy.deepcopy(raw_groups[name])
            for key, value in point.items():
                section, _, field = key.partition(".")
                group.setdefault(section, {})[field] = value
            if "of" in group:
                group["of"] = _side_at(label, group["of"], swept)
            groups[f"{name}.{label}"] = group
    return groups


def _pairs_at(points: dict[str, Point], pairs: Iterable[Any], swept: set[str]) -> list[Any]:
    """Contrasts at every point. One between groups that are not swept is the same at each, and
    stands once."""
    renamed: list[Any] = []
    for pair in pairs:
        for label in points:
            at_point = _side_at(label, pair, swept)
            if at_point not in renamed:
                renamed.append(at_point)
    return renamed


def _side_at(label: str, side: Any, swept: set[str]) -> Any:
    """A side of a contrast, or a pair of them at any depth, with the names of its groups at a
    point: `group@condition` becomes `group.label@condition`."""
    if not isinstance(side, str):
        return [_side_at(label, inner, swept) for inner in side]
    name, mark, condition = side.partition("@")
    return f"{name}.{label}{mark}{condition}" if name in swept else side
