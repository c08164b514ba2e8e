"""Every file that is no rows, or that says something of learning which the lab does not do, is
refused in one line with file and line, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_gen.files import read_rows
from lab.errors import UserError
from malformed import MALFORMED
from tellme.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("malformed")
    for name, bad in MALFORMED.items():
        (folder / name.partition("#")[0]).write_bytes(bad.content)
    return folder


def test_no_file_stands_for_another() -> None:
    assert len({name.partition("#")[0] for name in MALFORMED}) == len(MALFORMED) > 60


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_gets_one_line(name: str, folder: Path) -> None:
    with pytest.raises(UserError) as refused:
        read_rows(f"{folder}/{name}")
    said, bad = str(refused.value), MALFORMED[name]
    assert f"file {f'{folder}/{name}'!r}{bad.place}" in said
    assert bad.said in said
    assert (", line " in said or ", row " in said) == bool(bad.place)
    assert len(said.splitlines()) == 1
    assert len(said) < 400 + len(str(folder))
    said.encode()


SOME = list(MALFORMED)[::12]
"""The command takes a quarter of a second for each."""


@pytest.mark.parametrize(
    "name",
    [name if name in SOME else pytest.param(name, marks=pytest.mark.real) for name in MALFORMED],
)
def test_the_command_writes_nothing(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [f"groups={{mine: {{file: '{folder}/{name}', behavior: risk}}}}", "contrasts=[]"]
    sets += ["primary=null", f"run.dir={tmp_path / 'runs'}"]
    assert main(["run", *(f"--set={one}" for one in sets)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tellme: ")
    assert MALFORMED[name].said in line
    assert not list(tmp_path.iterdir())
