"""Find what is named: an instance by its file (a behavior is `data_gen/behaviors/NAME.py`, a suite
`eval/suites/NAME.py`), the YAML beside a module, and a path that a user gives."""

import importlib
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from lab.errors import UserError, first_line, unknown

ROOT = Path(__file__).resolve().parents[1]
"""The checkout that is running."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tellme"
"""What can be made again at any time."""


def beside(module: str, name: str | None = None) -> Any:
    """The YAML beside a module, given as its `__file__`; under the module's own name unless another
    is given."""
    file = Path(module)
    return read_yaml(file.with_name(f"{name or file.stem}.yaml"))


@cache
def read_yaml(file: Path) -> Any:
    """The content of a YAML of ours, read once per process: shared, and never to be changed."""
    # The loader in C is ten times faster, and is missing where PyYAML was built without libyaml.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), Loader=loader)


def names(package: ModuleType) -> list[str]:
    """Module names in a package, without importing them; a leading underscore says that a file is
    no instance."""
    assert package.__file__, f"{package.__name__} has no __init__.py"
    folder = Path(package.__file__).parent
    return sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))


def load(package: ModuleType, name: str, attribute: str, what: str) -> Any:
    """The value `attribute` of the module `name` of a package, or of a file outside the checkout
    where `name` is the path of one; raises UserError, with the nearest name, where there is none.
    """
    if is_path(name):
        return _load_file(package, name, attribute, what)
    if name not in names(package):
        raise unknown(what, name, names(package), "see `tellme list`; a file of yours: ./NAME.py")
    return getattr(importlib.import_module(f"{package.__name__}.{name}"), attribute)


def is_path(name: str) -> bool:
    """Whether an instance is named by the path of its file."""
    return name.endswith((".py", ".yaml"))


def short(name: str) -> str:
    """The name of an instance, wherever its file is: of a path the stem."""
    return Path(name).stem if is_path(name) else name


def located(package: ModuleType, name: str, what: str) -> str:
    """The name as it is; a path in full, so that it means the same file in every folder. Raises
    UserError where there is no such file, or where it is called like one of the package."""
    if not is_path(name):
        return name
    path = find_path(name)
    if path is None or not path.is_file():
        raise UserError(f"{what} {name!r} was not found in {Path.cwd()}; give the path of its file")
    if path.stem in names(package):
        raise UserError(
            f"{what} {name!r} is called like {path.stem!r} of the lab; give the file another name"
        )
    return str(path)


def _load_file(package: ModuleType, name: str, attribute: str, what: str) -> Any:
    path = Path(located(package, name, what))
    module = _module_of(path)
    if not hasattr(module, attribute):
        raise UserError(f"{what} {name!r} defines no {attribute}; see CONTRIBUTING.md")
    return getattr(module, attribute)


@cache
def _module_of(path: Path) -> ModuleType:
    """A file as a module, once per process."""
    spec = importlib.util.spec_from_file_location(f"outside_{path.stem}", path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look up the module in which they stand.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{path} cannot be imported: {first_line(error)}") from error
    return module


def find_path(given: str) -> Path | None:
    """A path that exists: against the working folder first, then against the checkout. None where
    neither has it."""
    for candidate in (Path(given).expanduser(), ROOT / given):
        if candidate.exists():
            return candidate.resolve()
    return None
