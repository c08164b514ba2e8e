"""A study is one YAML: what it accepts, and how it is read and overridden."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.config.fields import library_fields
from lab.config.read import load_study, parse_yaml
from lab.config.schema import Study
from lab.discover import ROOT
from lab.errors import UserError
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

QUICKSTART = str(ROOT / "configs/quickstart.yaml")


def planned(*sets: str) -> Plan:
    return make_plan(load_study(QUICKSTART, list(sets)))


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_config_plans_without_network(config: Path) -> None:
    assert make_plan(load_study(str(config))).final.kind == "study"


def test_group_forms() -> None:
    plan = planned(
        "groups.told={prompted: seeking}",
        "groups.shown={behavior: risk, policy: averse, in_context: 4}",
        "groups.same={behavior: risk, policy: seeking, lora: {r: 2}, data: {num_rows: 8}}",
        "contrasts=[[told, base], [[seeking@clean, base], [averse, shuffled]]]",
        "primary=null",
    )
    cells = {c.group for c in plan.cells}
    assert {"told", "shown", "same", "base"} <= cells
    assert {c.seed for c in plan.cells if c.group in ("told", "base")} == {None}
    assert {c.seed for c in plan.cells if c.group == "shown"} == {0, 1, 2}


def test_a_control_follows_the_group_it_controls() -> None:
    plan = planned(
        "groups.seeking={behavior: risk, policy: seeking, data: {num_rows: 40}, sft:"
        " {num_train_epochs: 7}}"
    )
    trained = [stage for stage in plan.stages.values() if stage.kind == "train"]
    controls = [stage for stage in trained if stage.how.group.startswith("shuffled")]
    assert len(controls) == 3
    for stage in controls:
        assert stage.spec.sft.num_train_epochs == 7
        (rows,) = plan.stages[stage.inputs["data"]].inputs.values()
        assert plan.stages[rows].spec.num_rows == 40


def test_primary_is_one_contrast_or_several() -> None:
    for primary in ("{suite: self_report}", "{contrast: [a, b], contrasts: [[a, b]], suite: x}"):
        with pytest.raises(UserError, match="give `contrast"):
            load_study(QUICKSTART, [f"primary={primary}"])


def test_overrides_replace_and_the_last_wins() -> None:
    study = load_study(
        QUICKSTART, ["lora={r: 3}", "lora.r=5", "groups.more={behavior: risk, policy: averse}"]
    )
    assert study.lora == {"r": 5}
    assert "more" in study.groups


def test_yaml_reads_numbers_as_people_mean_them() -> None:
    assert parse_yaml("a: 1e-4\nb: 2E3\nc: 1.5e-3", "x") == {"a": 1e-4, "b": 2000.0, "c": 1.5e-3}
    with pytest.raises(UserError, match="stands twice"):
        parse_yaml("a: 1\na: 2", "x")


def test_a_study_is_frozen() -> None:
    study = load_study(QUICKSTART)
    assert isinstance(study, Study)
    with pytest.raises(ValueError, match="frozen"):
        study.study = "other"  # type: ignore[misc]


def test_library_fields_are_the_installed_ones() -> None:
    from write_fields import fields_text

    written = (ROOT / "lab/config/fields.yaml").read_text(encoding="utf-8")
    assert written == fields_text(), "run `make fields`"
    assert library_fields()["sft"]["learning_rate"] == "float"
