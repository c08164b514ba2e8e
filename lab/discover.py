"""Find what is named: an instance by its file (a behavior is `data_gen/behaviors/NAME.py`, a suite
`eval/suites/NAME.py`), the YAML beside a module, and a path that a user gives."""

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from lab.errors import unknown

ROOT = Path(__file__).resolve().parents[1]
"""The checkout that is running."""


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
    """The value `attribute` of module `name`; raises UserError with the nearest name where there is
    none."""
    if name not in names(package):
        raise unknown(what, name, names(package), "see `tellme list`")
    return getattr(importlib.import_module(f"{package.__name__}.{name}"), attribute)


def find_path(given: str) -> Path | None:
    """A path that exists: against the working folder first, then against the checkout. None where
    neither has it."""
    for candidate in (Path(given).expanduser(), ROOT / given):
        if candidate.exists():
            return candidate.resolve()
    return None
