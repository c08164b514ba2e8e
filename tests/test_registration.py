"""A primary contrast is registered where it is older than what it is about, and said to be
exploratory otherwise, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.store.registration import register, standing
from lab.store.store import read_json
from tellme.cli import main

STUDY = """
study: declared
model: {base: reference/linked}
groups:
  seeking: {behavior: risk, policy: seeking}
  averse: {behavior: risk, policy: averse}
contrasts: [[seeking, averse], [seeking, base]]
primary: {contrast: [seeking, averse], suite: self_report}
seeds: [0]
data: {num_rows: 24}
sft: {max_steps: 2, learning_rate: 3.0e-3}
train: {trainer: fleet}
eval: {suites: [self_report]}
"""


def run(folder: Path, capsys: pytest.CaptureFixture[str], *sets: str, verb: str = "run") -> str:
    """What the command prints of the primary."""
    arguments = [argument for given in sets for argument in ("--set", given)]
    where = ["--set", f"run.dir={folder / 'runs'}"]
    assert main([verb, str(folder / "study.yaml"), *arguments, *where]) == 0
    printed = capsys.readouterr().out
    return next(line for line in printed.splitlines() if line.startswith(("verdict", "registered")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("declared")
    (folder / "study.yaml").write_text(STUDY)
    return folder


@pytest.mark.real
def test_what_is_declared_first_is_registered_and_what_is_not_is_exploratory(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(folder, capsys, verb="register")
    assert run(folder, capsys, verb="register") == said, "the first time counts"
    assert ", registered 20" in run(folder, capsys)
    # The same primary stays registered when something else is asked as well, under another name.
    further = "eval.suites=[self_report, capability]"
    assert "registered" in run(folder, capsys, further, "study=renamed")

    # Another primary about what was measured, in the same study or in another.
    moved = "primary={contrast: [seeking, base], suite: self_report}"
    exploratory = "exploratory: chosen after measuring"
    assert f"verdict ({exploratory}; changed: primary): " in run(folder, capsys, moved)
    assert exploratory in run(folder, capsys, moved, "study=another")
    assert "exploratory: seeds added; changed: seeds" in run(folder, capsys, "seeds=[0, 1]")
    # Answers of the base do not count: what is trained for it comes after.
    fresh = ["primary={contrast: [bold, base], suite: self_report}"]
    fresh += ["groups.bold={behavior: risk, policy: seeking, data: {num_rows: 25}}"]
    fresh += ["contrasts=[[bold, base]]"]
    assert "registered" in run(folder, capsys, *fresh)

    for summary in (folder / "runs" / "study").glob("*/summary.json"):
        registration = read_json(summary)["registration"]
        assert registration["hash"]
        page = (summary.parent / "report.html").read_text(encoding="utf-8")
        assert registration["reason"] or f"registered {registration['time']}" in page


def test_without_a_primary_there_is_nothing_to_register(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--set", f"run.dir={folder / 'none'}", "--set", "primary=null"]
    assert main(["register", str(folder / "study.yaml"), *where]) == 2
    assert "has no `primary`" in capsys.readouterr().err
    assert not list((folder / "none").glob("registrations/*"))


def test_a_declaration_that_is_younger_than_one_answer_is_none(tmp_path: Path) -> None:
    about = {"a/0/risk/clean": "k0", "a/1/risk/clean": "k1"}
    primary = ["self_report", [["a", "base"]]]
    made = register(tmp_path, "s", primary, about, {"seeds": [0, 1]})
    after, before = made["time"] + 5, made["time"] - 5

    def status(*finished: float) -> str:
        measured = {n: (k, t) for (n, k), t in zip(about.items(), finished, strict=True)}
        return standing(tmp_path, "s", primary, measured)["status"]

    assert status(after, after) == "registered"
    assert status(after, before) == "exploratory"
    other = dict.fromkeys(about, ("another", after))
    assert standing(tmp_path, "s", primary, other)["status"] == "exploratory"
    (file,) = (tmp_path / "registrations").glob("*.json")
    assert json.loads(file.read_text())["about"] == about
