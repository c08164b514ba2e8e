"""Find what is named: an instance by its file (a behavior is `data_gen/behaviors/NAME.py`, a suite
`eval/suites/NAME.py`), the YAML beside a module, and a path that a user gives."""

import hashlib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import yaml

from lab.errors import UserError, first_line, unknown

ROOT = Path(__file__).resolve().parents[1]
"""The checkout that is running."""
_USERS = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
CACHE = Path(os.environ.get("TELLME_CACHE") or f"{_USERS}/tellme").expanduser().absolute()
"""What can be made again at any time; all checkouts of a user share it."""
SOURCES = (".py", ".yaml", ".yml", ".txt", ".json")
"""Endings of a file of code, and of files of its name beside it that it may read."""
QUESTIONS = (".yaml", ".yml", ".json", ".jsonl")
"""Endings of a file of questions."""
PATHS = (".py", *QUESTIONS)
"""Endings of a name that is the path of a file: of code, or of questions."""
MAX_SHOWN = 80
"""Characters of a value that a refusal repeats."""
VARIABLE = re.compile(r"\$(\{)?(?P<name>[A-Za-z_]\w*)(?(1)\})(?=/|$)")
"""What a path may begin with, so that a study can name files that are elsewhere on each machine."""

T = TypeVar("T")
State = tuple[tuple[str, int, int], ...]


def beside(module: str, name: str | None = None) -> Any:
    """The YAML beside a module, given as its `__file__`; under the module's own name unless another
    is given."""
    file = Path(module)
    return read_yaml(file.with_name(f"{name or file.stem}.yaml"))


def read_yaml(file: Path) -> Any:
    """The content of a YAML, shared and never to be changed: one of the checkout as it is when it
    is first read, one outside as it is now."""
    return _yaml(file, () if file.is_relative_to(ROOT) else state(file))


@cache
def _yaml(file: Path, _: State) -> Any:
    # The loader in C is ten times faster, and is missing where PyYAML was built without libyaml.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), Loader=loader)


@cache
def names(package: ModuleType) -> tuple[str, ...]:
    """Module names in a package, without importing them; a leading underscore says that a file is
    no instance."""
    assert package.__file__, f"{package.__name__} has no __init__.py"
    folder = Path(package.__file__).parent
    return tuple(sorted(f.stem for f in folder.glob("*.py") if not f.stem.startswith("_")))


def load(
    package: ModuleType,
    name: str,
    attribute: str,
    what: str,
    kind: type[T],
    *,
    versioned: bool = False,
) -> T:
    """The value `attribute` of `module_of` an instance. If it has a name, that is the name of its
    file, and a version after it where it is `versioned`. Raises UserError where it is no `kind`."""
    module = module_of(package, name, what)
    if not hasattr(module, attribute):
        raise UserError(f"{what} {name!r} defines no {attribute}; see CONTRIBUTING.md")
    value: object = getattr(module, attribute)
    if not isinstance(value, kind):
        raise UserError(
            f"{what} {name!r}: {attribute} is {repr(value)[:MAX_SHOWN]}, which is no"
            f" {kind.__name__}; see CONTRIBUTING.md"
        )
    called: object = getattr(value, "name", None)
    if called is not None:
        _refuse_other_name(called, name, what, versioned)
    return value


def _refuse_other_name(called: object, name: str, what: str, versioned: bool) -> None:
    """Keys and rows name an instance by its file or by what it calls itself; both are one."""
    unversioned = str(called).rpartition("-")[0] if versioned else called
    if unversioned == short(name):
        return
    version = f" with a version, as in {short(name) + '-1'!r}" if versioned else ""
    raise UserError(
        f"{what} {name!r} calls itself {called!r}; it must have the name of its file{version}"
    )


def module_of(package: ModuleType, name: str, what: str) -> ModuleType:
    """The module in which an instance stands: one of a package, or a file outside the checkout
    where `name` is the path of one. A file that was edited is another module.

    Raises UserError, with the nearest name, where there is none or it cannot be imported."""
    if is_path(name):
        path = _found(package, name, what, os.getcwd())
        return _executed(path, state(path))
    if name not in names(package):
        raise unknown(what, name, names(package), "see `tellme list`; a file of yours: ./NAME.py")
    return importlib.import_module(f"{package.__name__}.{name}")


def is_path(name: str) -> bool:
    """Whether an instance is named by the path of its file."""
    return name.endswith(PATHS)


def short(name: str) -> str:
    """The name of an instance, wherever its file is: of a path the stem."""
    return Path(name).stem if is_path(name) else name


def located(package: ModuleType, name: str, what: str, endings: tuple[str, ...] = (".py",)) -> str:
    """The name as it is; a path in full, so that it means the same file in every folder. Raises
    UserError where there is no such file, where it has another ending, or where it is called like
    one of the package."""
    if not is_path(name):
        return name
    if not name.endswith(endings):
        raise UserError(f"{what} {name!r} must be a Python file; see CONTRIBUTING.md")
    path = find_path(name)
    if path is None or not path.is_file():
        raise UserError(f"{what} {name!r} was not found in {Path.cwd()}; give the path of its file")
    if path.stem in names(package):
        raise UserError(
            f"{what} {name!r} is called like {path.stem!r} of the lab; give the file another name"
        )
    return str(path)


@cache
def _found(package: ModuleType, name: str, what: str, folder: str) -> Path:
    """As `located` from a working folder. Kept, because planning asks a million times."""
    return Path(located(package, name, what))


def find_path(given: str) -> Path | None:
    """A path that exists: against the working folder first, then against the checkout. None where
    neither has it. Raises UserError as `expanded` does."""
    path = expanded(given)
    try:
        for candidate in (path.expanduser(), ROOT / path):
            if candidate.exists():
                return candidate.resolve()
    except (OSError, RuntimeError, ValueError):
        # No such user, a name that is too long, or one with a zero byte.
        return None
    return None


def expanded(given: str) -> Path:
    """A path with the value of the environment variable that it begins with, if it does, as in
    `$DATA/rows.jsonl`. Raises UserError where that variable is not set."""
    variable = VARIABLE.match(given)
    if variable is None:
        return Path(given)
    name = variable["name"]
    value = os.environ.get(name)
    if not value:
        raise UserError(
            f"{given!r} begins with the environment variable {name}, which is not set;"
            f" export {name}=FOLDER"
        )
    return Path(value + given[variable.end() :])


def state(file: Path) -> State:
    """What changes when a file, or one of its name beside it, is edited."""
    stem, _ = os.path.splitext(file)
    found = []
    for ending in SOURCES:
        try:
            stat = os.stat(stem + ending)
        except OSError:
            continue
        found.append((ending, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


@cache
def _executed(path: Path, written: State) -> ModuleType:
    """A file outside the checkout as a module, which has a name of its own in each state: functions
    of an earlier one may be in use still, and are known by the name of their module."""
    told = hashlib.sha256(repr((str(path), written)).encode()).hexdigest()
    module = ModuleType(f"outside_{path.stem}_{told[:16]}")
    module.__file__ = str(path)
    # Dataclasses look up the module in which they stand.
    sys.modules[module.__name__] = module
    try:
        _digest_of_module(module.__name__)
        # The import system would take bytecode of a state of the same second and length.
        exec(compile(path.read_bytes(), path, "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        said = "it ends the process" if isinstance(error, SystemExit) else first_line(error)
        raise UserError(f"{path} cannot be imported: {said}") from error
    return module


def digest_of_code(code: ModuleType | Callable[..., object]) -> str:
    """sha256 of the source of a module, or of the one in which a function stands, and of the files
    of its name beside it: as it was when it was executed, for files outside the checkout, and else
    when it is first asked for. Raises UserError for what stands in no file."""
    if isinstance(code, ModuleType):
        return _digest_of_module(code.__name__)
    function = code
    while isinstance(function, partial):
        function = function.func
    # An object that can be called has the module of its class.
    name: object = getattr(inspect.unwrap(function), "__module__", None)
    if not isinstance(name, str) or not getattr(sys.modules.get(name), "__file__", None):
        raise UserError(
            f"{repr(code)[:MAX_SHOWN]} stands in no file, so no key can hold what it does; write it"
            " as a function in a file"
        )
    return _digest_of_module(name)


@cache
def _digest_of_module(name: str) -> str:
    file = Path(str(sys.modules[name].__file__))
    total = hashlib.sha256(file.read_bytes())
    for ending, _, _ in state(file):
        content = hashlib.sha256(file.with_suffix(ending).read_bytes()).hexdigest()
        total.update(f"{ending} {content}".encode())
    return total.hexdigest()
