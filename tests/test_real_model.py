"""The lab on the real model, in a few steps: what `make real` does, fetched as a newcomer would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.discover import ROOT
from lab.stats.verdict import LEAST_LISTED
from lab.store.store import read_json

pytestmark = pytest.mark.real

FEW = (
    "seeds=[0]",
    "data={num_rows: 16, num_format: 7}",
    "sft.max_steps=2",
    "sft.warmup_steps=0",
    "sft.logging_steps=1",
    "eval.suites=[self_report]",
    # None that is free: answers would be drawn, which takes longer than all the rest.
    "eval.kinds=[agree, word_of_two, statement]",
)


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    sets = [part for key in (*FEW, f"run.dir={folder}") for part in ("--set", key)]
    command = [str(Path(sys.executable).with_name("tellme")), "run", "configs/real.yaml", *sets]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_real_study_in_a_few_steps(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    (study,) = (tmp_path / "study").iterdir()
    summary = read_json(study / "summary.json")
    (verdict,) = summary["verdicts"]
    # Two steps teach nothing, and no answer can be read.
    assert verdict["verdict"] == "not measurable"
    assert summary["registration"]["status"] == "registered"
    assert all(check["passed"] for check in summary["trust"])
    assert {"packed_rows", "base_kept", "mask"} <= {check["check"] for check in summary["trust"]}
    # What the base can be asked is quoted for every kind that was asked.
    quoted = {one["kind"]: one for one in summary["check"]}
    assert set(quoted) == {"agree", "word_of_two", "statement"}
    assert all(one["listed"] < LEAST_LISTED for one in quoted.values())
    (checked,) = (tmp_path / "check").iterdir()
    formats = {
        (f["format"], f["condition"]): f for f in read_json(checked / "check.json")["formats"]
    }
    assert formats["letters", "clean"]["listed"] < 0.1

    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = run(tmp_path)
    assert again.returncode == 0, again.stderr[-3000:]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == written
    assert again.stdout == done.stdout
