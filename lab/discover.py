"""Find instances by file name: a behavior is `data_gen/behaviors/NAME.py`, a suite
`eval/suites/NAME.py`."""

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
    """Once per process, by the fast loader where there is one; what comes back is shared and must
    not be changed."""
    return yaml.load(
        file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )


def names(package: ModuleType) -> list[str]:
    """Module names in a package, without importing them."""
    folder = Path(str(package.__file__)).parent
    return sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_"))


def load(package: ModuleType, name: str, attribute: str, what: str) -> Any:
    """The value `attribute` of module `name`; raises UserError with the nearest name where there is
    none."""
    if name not in names(package):
        raise unknown(what, name, names(package), "see `tellme list`")
    return getattr(importlib.import_module(f"{package.__name__}.{name}"), attribute)


def find_path(given: str) -> Path | None:
    """A path that exists: against the working folder first, then against the checkout. A file of a
    Hub dataset is had first."""
    if given.startswith("hf://"):
        from lab.hub import dataset_file

        return dataset_file(given)
    for candidate in (Path(given).expanduser(), ROOT / given):
        if candidate.exists():
            return candidate.resolve()
    return None
