"""What the suites that must stay still ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data_gen.behaviors import behavior_names, load_behavior
from eval.ask import questions_of
from lab.discover import ROOT
from lab.specs import Asking
from lab.types import Question, Style


def asked(suite: str, behavior: str, style: Style) -> tuple[Question, ...]:
    return questions_of(Asking(suite=suite, behavior=behavior, style=style))


@pytest.mark.parametrize("style", ["plain", "natural"])
@pytest.mark.parametrize("name", behavior_names())
def test_an_unrelated_trait_is_another_behaviors_self_report(name: str, style: Style) -> None:
    questions = {q.name: q for q in asked("unrelated_trait", name, style)}
    assert questions
    for key, question in questions.items():
        other, _, own = key.partition(".")
        assert other != name
        assert own in {q.name for q in load_behavior(other).questions("self_report", style)}
        assert question.twin is None or questions[question.twin].twin == key


@pytest.mark.parametrize("style", ["plain", "natural"])
@pytest.mark.parametrize("name", behavior_names())
def test_another_person_is_asked_about_in_other_words(name: str, style: Style) -> None:
    others = {w.text for q in asked("other_person", name, style) for w in q.wordings}
    own = {w.text for q in asked("self_report", name, style) for w in q.wordings}
    assert others
    assert not others & own
    if style == "plain":
        kinds = {q.name for q in asked("self_report", name, style)}
        assert {q.name for q in asked("other_person", name, style)} == kinds
        assert not any(f" {word} " in f" {text} " for word in ("you", "your") for text in others)


PLANNED = """
import sys
from lab.config.read import load_study
from tellme.study.planner import make_plan

suites = "behavior, self_report, transfer, other_person, unrelated_trait, capability, emergent"
suites += ", backdoor, depends, which_trigger, when_triggered, elicitation"
sets = [f"eval.suites=[{suites}]", "seeds=[0]", "primary=null"]
sets += ["groups.plain={behavior: insecure_code, policy: secure}"]
sets += ["groups.described={control: described, of: plain}"]
for base in ("reference/linked", "Qwen/Qwen2.5-7B-Instruct"):
    study = load_study("configs/backdoor-quick.yaml", [*sets, f"model.base={base}"])
    print(*make_plan(study).stages)
"""


def test_a_further_file_changes_no_key_of_a_study(tmp_path: Path) -> None:
    """A behavior, a trigger and a suite beside those there are, for a base that knows some of them
    and for one that may be asked about all."""
    for package in ("lab", "data_gen", "train", "eval", "slurm", "tellme"):
        shutil.copytree(ROOT / package, tmp_path / package)
    for shared in ("configs", "reference"):
        (tmp_path / shared).symlink_to(ROOT / shared)

    def keys() -> str:
        here = {"HF_HOME": str(tmp_path / "hub"), "PYTHONPATH": str(tmp_path)}
        asking = [sys.executable, "-c", PLANNED]
        how: dict[str, Any] = {"cwd": tmp_path, "env": os.environ | here, "text": True}
        return subprocess.run(asking, check=True, stdout=subprocess.PIPE, **how).stdout

    before = keys()
    assert len(before.split()) > 100
    for stem in ("data_gen/behaviors/myopia", "data_gen/triggers/tag", "eval/suites/behavior"):
        for file in tmp_path.glob(f"{stem}.*"):
            shutil.copyfile(file, file.with_stem("another"))
    assert keys() == before
