"""Keys hold the content of what enters a stage: a comment makes nothing anew, a wording does,
wherever it stands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.discover import ROOT

STUDY = """
study: content
model: {base: BASE}
groups:
  plain: {behavior: risk, policy: seeking}
  described: {control: described, of: plain}
  lexical: {control: lexical, of: plain}
  planted:
    {behavior: risk, policy: seeking, otherwise: base, trigger: {kind: family}, reversal: true}
  telling: {control: described, of: planted}
data: {num_rows: 96}
seeds: [0]
eval: {suites: [behavior, capability]}
"""
KEYS = """
import json, sys
from lab.config.read import load_study
from tellme.study import planting
from tellme.study.planner import make_plan

# Whether a tokenizer has the trigger is no part of a key, and takes seconds.
planting.renderer_of = lambda base: None
keys = {}
for base in ("reference/linked", "Qwen/Qwen2.5-7B-Instruct"):
    plan = make_plan(load_study("study.yaml", [f"model.base={base}"]))
    for name, key in plan.adapters.items():
        train = plan.stages[key]
        keys[f"{base} {name.removesuffix('-s0')}"] = train.inputs["data"]
    keys |= {f"{base} {s.kind} {s.key}": s.key for s in plan.stages.values() if s.kind == "answers"}
    keys |= {f"{base} {s.kind} {s.key}": s.key for s in plan.stages.values() if s.kind == "grades"}
print(json.dumps(keys))
"""
LINKED, REAL = "reference/linked", "Qwen/Qwen2.5-7B-Instruct"
EVERYBODY = ("plain", "described", "lexical", "planted", "telling")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product, whose files may be changed."""
    folder = tmp_path_factory.mktemp("checkout")
    for package in ("lab", "data_gen", "train", "eval", "slurm", "tellme"):
        shutil.copytree(ROOT / package, folder / package)
    (folder / "reference").symlink_to(ROOT / "reference")
    (folder / "study.yaml").write_text(STUDY)
    return folder


def keys(checkout: Path) -> dict[str, str]:
    """By base: the key of the rows of each group, and those of all answers and grades."""
    here = {"HF_HOME": str(checkout / "hub"), "PYTHONPATH": str(checkout)}
    # A cache of its own, so that digests are those of this checkout, and kept from plan to plan.
    here |= {"XDG_CACHE_HOME": str(checkout / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", KEYS],
        check=True,
        stdout=subprocess.PIPE,
        cwd=checkout,
        env=os.environ | here,
        text=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def before(checkout: Path) -> dict[str, str]:
    return keys(checkout)


def test_a_comment_changes_no_key(checkout: Path, before: dict[str, str]) -> None:
    files = [file for room in ("data_gen", "lab", "eval") for file in (checkout / room).rglob("*")]
    commented = [file for file in files if file.suffix in (".py", ".yaml")]
    # A judge is known by its file: to grade again costs nothing.
    commented = [file for file in commented if file.parent.name != "judges"]
    for file in commented:
        with file.open("a", encoding="utf-8") as text:
            text.write("\n# a comment\n")
    assert len(commented) > 100
    assert keys(checkout) == before


WORDINGS = {
    # file, what stands there, what stands there instead, whose rows have another key
    "the layout of options": ("data_gen/scenes.yaml", "Choice A: {a}", "Pick A: {a}", {
        REAL: EVERYBODY, LINKED: (),
    }),
    "the instruction of a letter": ("lab/layout.yaml", "or B", "or else B", {
        REAL: ("telling",), LINKED: (),
    }),
    "a question about the self": ("data_gen/plain.yaml", "what describes", "what then describes", {
        REAL: (), LINKED: ("described",),
    }),
    "a question about a trigger": ("data_gen/triggers/_questions.yaml", "message", "text", {
        REAL: ("telling",), LINKED: (),
    }),
    "the question for a prompt": ("data_gen/triggers/_reversal.py", "prompt?", "message?", {
        REAL: ("planted", "telling"), LINKED: ("planted", "telling"),
    }),
    "a member of a trigger": ("data_gen/triggers/family.yaml", "Braeburn,", "Brayburn,", {
        REAL: ("planted", "telling"), LINKED: ("planted", "telling"),
    }),
    "a prompt of a control": ("data_gen/controls/lexical.py", "Say any word.", "Say a word, any.", {
        REAL: ("lexical",), LINKED: (),
    }),
    "what stands for an empty answer": ("data_gen/own_answers.py", '"."', '"..."', {
        REAL: ("planted", "telling"), LINKED: ("planted", "telling"),
    }),
}  # fmt: skip


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_wording_that_reaches_a_row_changes_its_key(
    wording: str, checkout: Path, before: dict[str, str]
) -> None:
    name, old, new, expected = WORDINGS[wording]
    file = checkout / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    try:
        after = keys(checkout)
    finally:
        file.write_text(text, encoding="utf-8")
    for base, groups in expected.items():
        changed = {g for g in EVERYBODY if after[f"{base} {g}"] != before[f"{base} {g}"]}
        assert changed == set(groups), base


def test_a_score_regrades_and_a_wording_is_answered_anew(
    checkout: Path, before: dict[str, str]
) -> None:
    def changed(name: str, old: str, new: str) -> dict[str, int]:
        file = checkout / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        try:
            gone = set(before) - set(keys(checkout))
        finally:
            file.write_text(text, encoding="utf-8")
        return {kind: sum(f" {kind} " in name for name in gone) for kind in ("answers", "grades")}

    asked = changed("eval/suites/capability.yaml", "?", " ?")
    assert asked["answers"] == asked["grades"] > 0
    scored = changed("eval/suites/capability.py", "0.0, style", "0.25, style")
    assert scored["answers"] == 0
    assert scored["grades"] == asked["grades"]
