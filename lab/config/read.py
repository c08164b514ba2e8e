"""Read a study from its YAML, with overrides; every mistake in it gets one clear line."""

import copy
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from lab.config.consistency import refuse_inconsistent
from lab.config.mistakes import one_line, refuse_endless, refuse_renamed
from lab.config.schema import Model, Run, Study
from lab.config.sweep import expand_sweep
from lab.discover import ROOT, find_path
from lab.errors import UserError
from lab.strict import Strict


def load_study(
    path: str, sets: Sequence[str] = (), replaced: Mapping[str, object] | None = None
) -> Study:
    """The study in a file, after the overrides (`KEY=YAML`, the last of a key wins), with values
    `replaced` by their keys, and with its sweep expanded.

    Raises UserError with one line for whatever is wrong with the path, the YAML or the study."""
    raw = parse_yaml(read_text(_found(path), f"config {path!r}"), path)
    if not isinstance(raw, dict):
        raise UserError(
            f"config {path!r} must be a mapping with the keys {', '.join(Study.model_fields)}"
        )
    values = [(key, value, f"key {key!r}") for key, value in (replaced or {}).items()]
    for key, value, where in (*map(_assigned, sets), *values):
        raw = override(raw, key, value, where)
    return validate(raw, path)


class _OfModel(Strict):
    """What of a study is said of a base alone."""

    model: Model
    run: Run = Run()


def load_model(base: str, sets: Sequence[str]) -> tuple[Model, str]:
    """A base with the overrides of `model`, and the run folder: `run.dir` may be set as well.

    Raises UserError with one line for whatever else is set, or is wrong."""
    raw: dict[str, object] = {}
    for key, value, where in (("model.base", base, "BASE"), *map(_assigned, sets)):
        if not (key.startswith("model.") or key == "run.dir"):
            raise UserError(
                f"{where}: a check reads `model` and `run.dir` alone, not {key!r}; drop it"
            )
        raw = override(raw, key, value, where)
    refuse_endless(raw, "--set")
    try:
        said = _OfModel.model_validate(raw)
    except ValidationError as error:
        raise one_line(error, "--set", _OfModel, "see `tellme check --help`") from None
    return said.model, said.run.dir


def validate(raw: Mapping[str, object], where: str) -> Study:
    """The study that a mapping describes, with its sweep expanded.

    Raises UserError with one line that begins with `where`, the name of what was read."""
    refuse_endless(raw, where)
    refuse_renamed(raw, where)
    try:
        study = Study.model_validate(raw)
        if study.sweep:
            study = expand_sweep(study)
    except ValidationError as error:
        raise one_line(error, where) from None
    refuse_inconsistent(study, where)
    return study


def _assigned(assignment: str) -> tuple[str, object, str]:
    """Key and value of `a.b=YAML`, and how a refusal names it. Raises UserError where it has no
    such form."""
    key, equals, value = assignment.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(
            f"--set {assignment!r} must look like KEY=YAML, for example --set"
            " model.base=reference/unlinked"
        )
    return key, parse_yaml(value, f"--set {key}"), f"--set {assignment!r}"


def override(raw: dict[str, object], key: str, value: object, where: str) -> dict[str, object]:
    """A copy of `raw` in which the value at the key a.b is replaced, a mapping too.

    Raises UserError, beginning with `where`, where a.b would lie below a plain value."""
    result = copy.deepcopy(raw)
    *parents, last = key.split(".")
    place = result
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UserError(
                f"{where}: {parent!r} is a value, not a mapping, so {last!r} cannot be set below it"
            )
        place = inner
    place[last] = value
    return result


def _found(path: str) -> Path:
    found = find_path(path)
    if found is None or not found.is_file():
        shipped = ", ".join(sorted(p.name for p in (ROOT / "configs").glob("*.yaml")))
        raise UserError(
            f"config {path!r} was not found in {Path.cwd()} or {ROOT}; configs/ has: {shipped}"
        )
    return found


def read_text(path: Path, where: str) -> str:
    """The text of a file. Raises UserError, beginning with `where`, for one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}") from None


class _Loader(yaml.SafeLoader):
    """PyYAML reads 1e-4 as a string, as YAML 1.1 says, and keeps the last of two equal keys; both
    have spoiled runs."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    # A number with an exponent, whether or not there is a point in it or a sign in its exponent.
    re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, object]:
    mapping: dict[Hashable, object] = {}
    twice: set[str] = set()
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in mapping:
            twice.add(str(key))
        mapping[key] = loader.construct_object(value_node, deep=True)
    if twice:
        raise yaml.constructor.ConstructorError(
            None, None, f"key {min(twice)!r} stands twice", node.start_mark
        )
    return mapping


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str, where: str) -> object:
    """The value of a YAML text, numbers as people mean them (1e-4 is one).

    Raises UserError with `where` and the line for a text that is no YAML or has a key twice."""
    return parse_nodes(text, where)[1]


def parse_nodes(text: str, where: str) -> tuple[yaml.Node | None, object]:
    """The nodes of a YAML text, which know their lines, and its value; raises as `parse_yaml`."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or error)
        # PyYAML takes it for the sign of a key.
        hint = "; put a text with ? in quotes" if problem.endswith("got '?'") else ""
        raise UserError(f"{where}{line} is not valid YAML: {problem}{hint}") from None
    finally:
        loader.dispose()
