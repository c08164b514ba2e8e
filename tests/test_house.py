"""The house: who imports whom, how long files are, and that names mean this checkout."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lab.discover import ROOT

PACKAGES = ("lab", "data_gen", "train", "eval", "study", "slurm")
MAY_IMPORT = {
    "lab": set(),
    "data_gen": {"lab"},
    "train": {"lab"},
    "slurm": {"lab"},
    "eval": {"lab", "data_gen.behaviors", "data_gen.triggers", "data_gen.personas"},
    "study": {"lab", "data_gen", "train", "eval", "slurm"},
}
FILES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
MODULES = {
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in FILES
}


def imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                (
                    f"{node.module}.{alias.name}"
                    if f"{node.module}.{alias.name}" in MODULES
                    else node.module
                )
                for alias in node.names
            }
    return {name for name in found if name.split(".")[0] in PACKAGES}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows(module: str) -> None:
    package = module.split(".")[0]
    allowed = MAY_IMPORT[package] | {package}
    wrong = {
        i
        for i in imports(MODULES[module])
        if not any(i == a or i.startswith(f"{a}.") for a in allowed)
    }
    assert not wrong, f"{module} imports {wrong}; {package} may import {sorted(allowed)}"


def test_no_cycles() -> None:
    graph = {
        name: {i for i in imports(path) if i in MODULES and i != name}
        for name, path in MODULES.items()
    }
    state: dict[str, int] = {}

    def visit(name: str, trail: list[str]) -> None:
        assert state.get(name) != 1, f"cycle: {' -> '.join([*trail[trail.index(name) :], name])}"
        if name not in state:
            state[name] = 1
            for other in graph[name]:
                visit(other, [*trail, name])
            state[name] = 2

    for name in graph:
        visit(name, [])


def test_a_planted_cycle_or_arrow_would_be_seen(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("def late():\n    from study.plan import Plan\n    import data_gen.build\n")
    assert imports(planted) == {"study.plan", "data_gen.build"}


def test_lengths_and_names() -> None:
    lengths = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in FILES}
    assert not {str(p): n for p, n in lengths.items() if n > 350}
    assert not {p.stem for p in FILES} & {"utils", "util", "common", "helpers", "manager"}


def test_generic_names_resolve_to_this_checkout() -> None:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert Path(str(spec.origin)).resolve().parent == ROOT / name


def test_every_package_that_is_imported_is_declared() -> None:
    """What arrives with another package leaves with it."""
    text = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {
        re.split(r"[<>=\[]", name)[0].lower().replace("-", "_")
        for name in text["project"]["dependencies"]
    }
    distributions = importlib.metadata.packages_distributions()
    used = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += (
                [node.module]
                if isinstance(node, ast.ImportFrom) and node.module and not node.level
                else []
            )
            used |= {name.split(".")[0] for name in names}
    outside = used - set(sys.stdlib_module_names) - set(PACKAGES)
    missing = {
        n for n in outside if not {d.lower().replace("-", "_") for d in distributions[n]} & declared
    }
    assert "torch" in outside
    assert not missing, f"imported and not in pyproject.toml: {sorted(missing)}"


def test_only_the_renderer_calls_the_chat_template() -> None:
    callers = [
        str(p.relative_to(ROOT))
        for p in FILES
        if ".apply_chat_template(" in p.read_text(encoding="utf-8")
    ]
    assert callers == ["lab/chat.py"]


def test_the_command_starts_without_heavy_imports() -> None:
    heavy = "torch transformers peft trl datasets wandb pandas vl_convert scipy sklearn".split()
    code = (
        "import sys; from study.cli import main; from study import commands; sys.exit(any(m in"
        f" sys.modules for m in {heavy}))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
