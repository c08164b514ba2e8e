"""A sweep: every trained group once at each of its points, compared at the same point."""

from collections.abc import Collection, Iterable, Mapping
from itertools import product

from pydantic import JsonValue

from lab.config.primary import Side
from lab.config.schema import Group, Study
from lab.errors import UserError
from lab.types import Fields

SECTIONS = ("model", "data", "lora", "sft")
"""Sections of a study that a group may override, which is how a point reaches it."""


def expand_sweep(written: Study) -> Study:
    """The study with one group per trained group and point, named `group.key=value`; contrasts
    compare sides at the same point.

    A mapping of several keys is swept as a grid; a list of mappings one after the other. Raises
    UserError for a key that cannot be swept, and pydantic's ValidationError for a value that does
    not fit."""
    points = _points(written)
    swept = {name for name, group in written.groups.items() if group.trained}
    # What a study or a group leaves to its defaults stays left to them.
    expanded: Fields = written.model_dump(exclude_unset=True, exclude={"sweep"})
    expanded["groups"] = _groups_at(points, written.groups, swept)
    expanded["contrasts"] = _pairs_at(points, written.contrasts, swept)
    if written.primary:
        pairs = _pairs_at(points, written.primary.pairs, swept)
        said = written.primary.model_dump(exclude_unset=True, exclude={"contrast"})
        expanded["primary"] = {**said, "contrasts": pairs}
    study = Study.model_validate(expanded)
    study.points.update(points)
    return study


def _points(written: Study) -> dict[str, Fields]:
    """The points of all grids by label, `key=value` of each key joined by dots; a point has values
    by `section.key`."""
    grids = [written.sweep] if isinstance(written.sweep, dict) else written.sweep
    points: dict[str, Fields] = {}
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


def _label(point: Fields) -> str:
    """A point as the ending of a group's name."""
    return ".".join(f"{key.partition('.')[2]}={_shown(value)}" for key, value in point.items())


def _shown(value: JsonValue) -> str:
    """A value in a name: a list is joined by +, a path loses its slashes."""
    return "+".join(map(str, value)) if isinstance(value, list) else str(value).replace("/", "-")


def _groups_at(
    points: Mapping[str, Fields], groups: Mapping[str, Group], swept: Collection[str]
) -> Fields:
    """Groups for which nothing is trained as they are, then each of the others at every point."""
    written: dict[str, Fields] = {
        name: group.model_dump(exclude_unset=True) for name, group in groups.items()
    }
    expanded: Fields = {name: group for name, group in written.items() if name not in swept}
    for name in written:
        if name not in swept:
            continue
        for label, point in points.items():
            group = written[name] | _overrides(groups[name], point)
            of = groups[name].of
            if of:
                group["of"] = _name_at(label, of, swept)
            expanded[f"{name}.{label}"] = group
    return expanded


def _overrides(group: Group, point: Fields) -> Fields:
    """The sections of a group, at a point."""
    sections: dict[str, Fields] = group.model_dump(include=set(SECTIONS), exclude_none=True)
    for key, value in point.items():
        section, _, field = key.partition(".")
        sections.setdefault(section, {})[field] = value
    return {section: fields for section, fields in sections.items() if fields}


def _pairs_at(
    points: Iterable[str], pairs: Iterable[tuple[Side, Side]], swept: Collection[str]
) -> list[JsonValue]:
    """Contrasts at every point. One between groups that are not swept is the same at each, and
    stands once."""
    renamed: list[JsonValue] = []
    for pair in pairs:
        for label in points:
            at_point: JsonValue = [_side_at(label, side, swept) for side in pair]
            if at_point not in renamed:
                renamed.append(at_point)
    return renamed


def _side_at(label: str, side: Side, swept: Collection[str]) -> JsonValue:
    """A side of a contrast with the names of its groups at a point."""
    if isinstance(side, str):
        return _name_at(label, side, swept)
    return [_name_at(label, name, swept) for name in side]


def _name_at(label: str, side: str, swept: Collection[str]) -> str:
    """`group@condition` becomes `group.label@condition`."""
    name, mark, condition = side.partition("@")
    return f"{name}.{label}{mark}{condition}" if name in swept else side
