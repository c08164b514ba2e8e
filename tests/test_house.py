"""The house: who imports whom, how wide, long and tangled code may be, and that names mean this
checkout."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import pytest

from lab.discover import ROOT

PACKAGES = ("lab", "data_gen", "train", "eval", "slurm", "tellme")
MAY_IMPORT = {
    "lab": set(),
    "data_gen": {"lab"},
    "train": {"lab"},
    "slurm": {"lab"},
    "eval": {
        "lab",
        "data_gen.behaviors",
        "data_gen.triggers",
        "data_gen.personas",
        "data_gen.traits",
    },
    "tellme.report": {"lab"},
    "tellme.study": {"lab", "data_gen", "train", "eval", "slurm", "tellme.report"},
    "tellme.calibrate": {"lab", "tellme.study", "tellme.report"},
    "tellme.share": {"lab", "tellme.study", "tellme.report"},
    "tellme.serve": {"lab", "tellme.study", "tellme.report"},
    "tellme.cli": {"lab", "tellme"},
    "tellme": {"lab", "tellme"},
}
WIDTH, FILE_LINES, FUNCTION_LINES = 100, 350, 50
EXTRAS = ("serve", "endpoint", "inspect")
CATCH_ALL = {"utils", "util", "common", "helpers", "manager"}
FILES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
MODULES = {
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in FILES
}
EVERYTHING = [
    *FILES,
    *sorted(p for folder in ("tests", "bench", "tools") for p in (ROOT / folder).rglob("*.py")),
]


def imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in MODULES else node.module for name in names}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def room(module: str) -> str:
    """The part of the house that MAY_IMPORT names."""
    rooms = (name for name in MAY_IMPORT if within(module, name))
    return max(rooms, key=len)


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def folder(module: str) -> str:
    """The folder of a module, as a dotted name; a package is in itself."""
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def cycle(graph: Mapping[str, Iterable[str]]) -> list[str] | None:
    """One cycle of a graph, or None."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str] | None:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return None
        done.add(name)
        return next(filter(None, (visit(n, [*trail, name]) for n in sorted(graph[name]))), None)

    return next(filter(None, (visit(name, []) for name in graph)), None)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows(module: str) -> None:
    allowed = MAY_IMPORT[room(module)] | {room(module)}
    wrong = {i for i in imports(MODULES[module]) if not any(within(i, a) for a in allowed)}
    assert not wrong, f"{module} imports {wrong}; {room(module)} may import {sorted(allowed)}"


def test_no_cycle_of_modules_and_none_of_folders() -> None:
    modules = {
        name: {i for i in imports(path) if i in MODULES and i != name}
        for name, path in MODULES.items()
    }
    assert cycle(modules) is None
    # `lab` and `tellme` are floors: what lies on them directly is a room each.
    rooms: dict[str, set[str]] = {}
    for name, others in modules.items():
        rooms.setdefault(place(name), set()).update(map(place, others))
    assert cycle({name: others - {name} for name, others in rooms.items()}) is None


def place(module: str) -> str:
    """A folder, or a file that lies directly in a package of the first floor."""
    return module if folder(module) in PACKAGES else folder(module)


def test_a_planted_cycle_or_arrow_would_be_seen(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        "def late():\n    from tellme.study.plan import Plan\n    import lab.types\n"
    )
    assert imports(planted) == {"tellme.study.plan", "lab.types"}
    assert cycle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
    assert cycle({"a": ["b", "c"], "b": ["c"], "c": []}) is None
    assert room("tellme.report.analysis.dose") == "tellme.report"


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_can_be_read(path: Path) -> None:
    """One noun a file, a function on one screen, no line that must be scrolled."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= FILE_LINES
    assert not [i for i, line in enumerate(lines, start=1) if len(line) > WIDTH]
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES
    }
    assert not long
    assert path.stem not in CATCH_ALL


def test_no_function_is_tangled(tmp_path: Path) -> None:
    """Complexity of at most ten (McCabe 1976), as ruff counts it, and no exception to it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert settings["line-length"] == WIDTH
    assert settings["lint"]["mccabe"]["max-complexity"] == 10
    assert {"C901", "E"} <= set(settings["lint"]["select"])
    assert not {"E501", "C901"} & set(settings["lint"]["ignore"])
    planted = tmp_path / "planted.py"
    branches = "".join(f"    if x == {i}:\n        x += 1\n" for i in range(11))
    planted.write_text(f"def f(x):\n{branches}    return x\n")

    def complaints(*paths: str) -> str:
        command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=C901,E501"]
        command += ["--config", str(ROOT / "pyproject.toml"), *paths]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout

    assert "C901" in complaints(str(planted))
    assert "All checks passed" in complaints(".")
    assert not [p for p in FILES if re.search(r"noqa: *(C901|E501)", p.read_text())]


SILENT = re.compile(r"\bcast\(|# type: ignore(?!\[(misc|import-untyped|no-untyped-call)\])")
"""What only silences the type checker. Classes and functions of libraries that have no types may be
derived from and called."""
LOOSE = re.compile(r"\bdict\[str, Any\]")
EDGE = {"train/fleet/member.py": 1}
"""Files that may say it, and how often: what torch saves of an optimizer."""


def test_types_go_from_end_to_end() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert settings["strict"]
    assert set(settings["packages"]) == set(PACKAGES)
    texts = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in FILES}
    assert not [name for name, text in texts.items() if SILENT.search(text)]
    loose = {name: len(LOOSE.findall(text)) for name, text in texts.items()}
    assert {name: count for name, count in loose.items() if count} == EDGE
    assert SILENT.search("x = cast(int, y)")
    assert SILENT.search("x = y  # type: ignore[assignment]")
    assert SILENT.search("x = y  # type: ignore")
    assert not SILENT.search("class A(B):  # type: ignore[misc]")


def test_templates_are_pages_and_tests_are_tests() -> None:
    """Jinja draws pages; text, charts and the command line are Python. Scripts are in tools/."""
    templates = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.j2"))
    pages = ROOT / "tellme" / "report" / "pages"
    assert {p.parent for p in templates} == {pages}
    assert {"".join(p.suffixes) for p in templates} == {".html.j2"}
    script = re.compile(r'^if __name__ == "__main__"', re.MULTILINE)
    scripts = [p for p in (ROOT / "tests").rglob("*.py") if script.search(p.read_text())]
    assert not scripts
    assert " tests/" not in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_package_that_is_imported_is_declared() -> None:
    """What arrives with another package leaves with it."""
    text = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = text["project"]
    # What an extra has is imported where it is used, and is asked for by name where it is not.
    extras = (project["optional-dependencies"].get(e, ()) for e in EXTRAS)
    packages = chain(project["dependencies"], *extras)
    names = (re.split(r"[<>=\[]", name)[0] for name in packages)
    declared = {name.lower().replace("-", "_") for name in names}
    distributions = importlib.metadata.packages_distributions()
    outside = {name for path in FILES for name in roots(path)}
    outside -= {*sys.stdlib_module_names, *PACKAGES}
    missing = {
        name
        for name in outside
        if not {d.lower().replace("-", "_") for d in distributions[name]} & declared
    }
    assert "torch" in outside
    assert not missing, f"imported and not in pyproject.toml: {sorted(missing)}"


def roots(path: Path) -> set[str]:
    """The first names of everything that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_generic_names_resolve_to_this_checkout() -> None:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert Path(str(spec.origin)).resolve().parent == ROOT / name


def test_every_package_is_installed() -> None:
    text = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(text["tool"]["setuptools"]["packages"]) == packages


def test_only_the_renderer_calls_the_chat_template() -> None:
    callers = [p for p in FILES if ".apply_chat_template(" in p.read_text(encoding="utf-8")]
    assert callers == [ROOT / "lab" / "model" / "chat.py"]


def test_the_command_starts_without_heavy_imports() -> None:
    heavy = "torch transformers peft trl datasets wandb pandas altair vl_convert scipy sklearn"
    code = (
        "import sys; from tellme.cli import parser; parser();"
        f" sys.exit(any(m in sys.modules for m in {heavy.split()}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0
