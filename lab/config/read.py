"""Read a study from its YAML: overrides, sweep, and one clear line for every mistake in it."""

import copy
import math
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from lab.config.fields import check_fields
from lab.config.schema import WITH_TRIGGER, Data, Model, Strict, Study
from lab.discover import ROOT, find_path
from lab.errors import UserError, unknown


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-4 as a string and keeps the last of two equal keys; both have spoiled runs."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = True) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = {str(k) for k in keys if keys.count(k) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(
            None, None, f"key {sorted(twice)[0]!r} stands twice", node.start_mark
        )
    return {
        loader.construct_object(k, deep=True): loader.construct_object(v, deep=True)
        for k, v in node.value
    }


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{where}{line} is not valid YAML: {getattr(error, 'problem', None) or error}"
        ) from None


def load_study(path: str, sets: list[str] | None = None) -> Study:
    """Read, override (`KEY=YAML`, last wins), expand the sweep and validate; raises UserError with
    one line."""
    found = find_path(path)
    if found is None or not found.is_file():
        near = ", ".join(sorted(p.name for p in (ROOT / "configs").glob("*.yaml")))
        raise UserError(
            f"config {path!r} was not found in {Path.cwd()} or {ROOT}; configs/ has: {near}"
        )
    try:
        raw = parse_yaml(found.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise UserError(
            f"config {path!r} is not UTF-8 text ({error.reason} at byte {error.start}); save it as"
            " UTF-8"
        ) from None
    if not isinstance(raw, dict):
        raise UserError(
            f"config {path!r} must be a mapping with the keys {', '.join(Study.model_fields)}"
        )
    for assignment in sets or []:
        raw = override(raw, assignment)
    return validate(raw, path)


def override(raw: dict[str, Any], assignment: str) -> dict[str, Any]:
    """`--set a.b=YAML`: replace the value at a.b, a mapping too."""
    key, equals, value = assignment.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(
            f"--set {assignment!r} must look like KEY=YAML, for example --set"
            " model.base=reference/unlinked"
        )
    result = copy.deepcopy(raw)
    place = result
    *parents, last = key.split(".")
    for part in parents:
        if not isinstance(place.setdefault(part, {}), dict):
            raise UserError(
                f"--set {assignment!r}: {part!r} is a value, not a mapping, so {last!r} cannot be"
                " set below it"
            )
        place = place[part]
    place[last] = parse_yaml(value, f"--set {key}")
    return result


def validate(raw: dict[str, Any], where: str) -> Study:
    _refuse_endless(raw, where)
    try:
        written = Study.model_validate(raw)
        study = _expand_sweep(copy.deepcopy(raw), written) if written.sweep else written
    except ValidationError as error:
        raise one_line(error, where) from None
    check_fields("lora", study.lora, f"{where}: lora")
    check_fields("sft", study.sft, f"{where}: sft")
    for name, group in study.groups.items():
        check_fields("lora", group.lora, f"{where}: groups.{name}.lora")
        check_fields("sft", group.sft, f"{where}: groups.{name}.sft")
        try:
            Data.model_validate(study.data.model_dump() | group.data)
            if isinstance(group.model, dict):
                Model.model_validate(study.model.model_dump() | group.model)
        except ValidationError as error:
            raise one_line(error, f"{where}: groups.{name}") from None
        if group.of is not None and group.of not in study.groups:
            raise unknown(f"{where}: groups.{name}.of", group.of, study.groups)
        if group.of is not None and not (
            study.groups[group.of].trained and study.groups[group.of].control is None
        ):
            raise UserError(
                f"{where}: groups.{name}.of is {group.of!r}, which has no rows of its own to make a"
                " control from; name a trained group"
            )
    for side in study.sides():
        name, _, condition = side.partition("@")
        if name not in study.groups and name != "base":
            raise unknown(f"{where}: contrast names group", name, [*study.groups, "base"])
        triggered = WITH_TRIGGER if any(group.trigger for group in study.groups.values()) else ()
        conditions = ["clean", *study.eval.systems, *triggered]
        if condition and condition not in conditions:
            raise unknown(
                f"{where}: contrast side {side!r} names condition",
                condition,
                conditions,
                "see eval.systems and `trigger`",
            )
    for pair in study.primary.pairs if study.primary else ():
        if pair not in study.contrasts:
            raise UserError(
                f"{where}: primary.contrast {list(pair)!r} is not among the contrasts as written"
                " there; add it to `contrasts`"
            )
    return study


def _refuse_endless(value: Any, where: str, key: str = "") -> None:
    """A configuration is written as JSON into all that it makes, and JSON has no such number."""
    if isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in parts:
            _refuse_endless(inner, where, f"{key}.{name}" if key else f"{name}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(
            f"{where}: {key} is {value}, which no JSON file can hold; give a finite number"
        )


def _expand_sweep(raw: dict[str, Any], written: Study) -> Study:
    """One group per trained group and point, named `group.key=value`; contrasts compare sides at
    the same point.

    A mapping of several keys is swept as a grid; a list of mappings one after the other."""
    points: dict[str, dict[str, Any]] = {}
    for sweep in [written.sweep] if isinstance(written.sweep, dict) else written.sweep:
        for key, values in sweep.items():
            section, _, field = key.partition(".")
            if section not in ("model", "data", "lora", "sft") or not field or not values:
                raise UserError(
                    f"sweep key {key!r} must be model.KEY, data.KEY, lora.KEY or sft.KEY with a"
                    " list of values"
                )
        for combination in product(*sweep.values()):
            point = dict(zip(sweep, combination, strict=True))
            points[".".join(f"{k.partition('.')[2]}={_label(v)}" for k, v in point.items())] = point
    swept = {name for name, group in written.groups.items() if group.trained}

    def at(side: Any, label: str) -> Any:
        if not isinstance(side, str):
            return [at(s, label) for s in side]
        name, mark, condition = side.partition("@")
        return f"{name}.{label}{mark}{condition}" if name in swept else side

    groups: dict[str, Any] = {name: g for name, g in raw["groups"].items() if name not in swept}
    for name in written.groups:
        for label, point in points.items():
            if name not in swept:
                continue
            group = copy.deepcopy(raw["groups"][name])
            for key, value in point.items():
                section, _, field = key.partition(".")
                group.setdefault(section, {})[field] = value
            if "of" in group:
                group["of"] = at(group["of"], label)
            groups[f"{name}.{label}"] = group

    def at_every_point(pairs: Iterable[Any]) -> list[Any]:
        renamed = [at(pair, label) for pair in pairs for label in points]
        return [pair for i, pair in enumerate(renamed) if pair not in renamed[:i]]

    expanded = {k: v for k, v in raw.items() if k != "sweep"}
    expanded |= {"groups": groups, "contrasts": at_every_point(raw.get("contrasts", []))}
    if written.primary:
        pairs = at_every_point(written.primary.pairs)
        expanded["primary"] = {"contrasts": pairs, "suite": written.primary.suite}
    study = Study.model_validate(expanded)
    study.points.update(points)
    return study


def _label(value: Any) -> str:
    """A value as part of a group's name: a list is joined by +, a path loses its slashes."""
    return "+".join(map(str, value)) if isinstance(value, list) else str(value).replace("/", "-")


def one_line(error: ValidationError, where: str, model: type[Strict] = Study) -> UserError:
    """The first mistake as one line; an unknown key with the nearest valid one."""
    first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
    place = [str(p) for p in first["loc"]]
    if first["type"] == "extra_forbidden":
        return unknown(
            f"{where}: key", ".".join(place), _keys_beside(place, model), "see `tellme run --help`"
        )
    value = "" if first["type"] == "missing" else f" is {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    return UserError(
        f"{where}: {'.'.join(place) or 'config'}{value if len(value) < 120 else ''}: {message}"
    )


def _keys_beside(place: list[str], model: type[Strict]) -> list[str]:
    prefix = ".".join(place[:-1])
    for part in place[:-1]:
        if part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return [f"{prefix}.{name}" if prefix else name for name in model.model_fields]


def _models(annotation: Any) -> Iterator[type[Strict]]:
    """The models in a type such as `dict[str, Group]`."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
