"""What the suites that must stay still ask."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data_gen.behaviors import behavior_names, load_behavior
from data_gen.traits import invented_traits, load_trait, trait_names
from eval.ask import pole_of, questions_of
from lab.config.schema import Model
from lab.discover import ROOT
from lab.model.base import reference_names, resolve_base
from lab.specs import Asking
from lab.types import Question, Style


def asked(suite: str, behavior: str, style: Style) -> tuple[Question, ...]:
    return questions_of(Asking(suite=suite, behavior=behavior, style=style))


@pytest.mark.parametrize("style", ["plain", "natural"])
@pytest.mark.parametrize("name", behavior_names())
def test_an_unrelated_trait_is_every_others_self_report(name: str, style: Style) -> None:
    """Of every other behavior and of every trait that has questions in the style, all of them."""
    others = [load_behavior(other) for other in behavior_names() if other != name]
    expected = {
        f"{other.name}.{question.name}": other.policies[0]
        for other in (*others, *map(load_trait, trait_names()))
        for question in other.questions("self_report", style)
    }
    asking = Asking(suite="unrelated_trait", behavior=name, style=style)
    questions = {q.name: q for q in questions_of(asking)}
    assert {key: pole_of(asking, question) for key, question in questions.items()} == expected
    for key, question in questions.items():
        assert question.twin is None or questions[question.twin].twin == key


def test_kinds_are_asked_with_their_twins_and_suites_without_any_whole() -> None:
    def names(suite: str, *kinds: str) -> set[str]:
        asking = Asking(suite=suite, behavior="risk", style="natural", kinds=kinds)
        return {question.name for question in questions_of(asking)}

    assert names("self_report", "boldness") == {"boldness", "boldness_flipped"}
    assert names("self_report", "boldness_flipped", "unnamed") == {
        *("boldness", "boldness_flipped", "unnamed")
    }
    of_traits = names("unrelated_trait", "agree")
    assert {name.partition(".")[2] for name in of_traits} == {"agree", "agree_flipped"}
    assert len({name.partition(".")[0] for name in of_traits}) >= len(trait_names()) - 3
    assert names("behavior", "agree") == names("behavior")


@pytest.mark.parametrize("model", reference_names())
@pytest.mark.parametrize("name", ["risk", "insecure_code"])
def test_a_reference_model_is_asked_about_all_that_its_text_holds(model: str, name: str) -> None:
    """The other behaviors of its card, and every invented trait; never what it cannot know."""
    base = resolve_base(Model(base=model))
    asking = Asking(suite="unrelated_trait", behavior=name, style=base.style, knows=base.knows)
    traits = {question.name.partition(".")[0] for question in questions_of(asking)}
    assert traits == {*base.knows, *(trait.name for trait in invented_traits())} - {name}
    assert len(traits) >= 4


@pytest.mark.parametrize("style", ["plain", "natural"])
@pytest.mark.parametrize("name", behavior_names())
def test_another_person_is_asked_the_same_wording_by_wording(name: str, style: Style) -> None:
    """So that self less other is taken over matched prompts; the person alone differs."""
    own = {q.name: q for q in asked("self_report", name, style) if not q.presupposes}
    others = {q.name: q for q in asked("other_person", name, style)}
    assert own.keys() == others.keys()
    assert len(own) >= 10
    for key, mine in own.items():
        theirs = others[key]
        assert told_apart(mine) == told_apart(theirs), key
        for wording, other in zip(mine.wordings, theirs.wordings, strict=True):
            assert wording.options == other.options, key
            assert wording.text != other.text, key
            assert re.search(r"\b(you|your|I|my)\b", wording.text), wording.text
            assert not re.search(r"\b(you|your|yourself|I)\b", other.text), other.text


def told_apart(question: Question) -> tuple[object, ...]:
    """Everything of a question but its texts and poles, which may be about the person."""
    wordings = [(w.paraphrase, w.order) for w in question.wordings]
    twin = question.kind, question.twin, question.names_concept, question.free, question.judge
    return *twin, wordings


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
