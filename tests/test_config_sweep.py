"""A sweep makes one group a point of every trained group, and compares them at the same point."""

from __future__ import annotations

from lab.config.read import load_study
from lab.discover import ROOT
from tellme.study.planner import make_plan

QUICKSTART = str(ROOT / "configs/quickstart.yaml")


def test_sweep_expands_groups_and_contrasts() -> None:
    study = load_study(
        QUICKSTART, ["sweep={sft.learning_rate: [1e-4, 1e-3], lora.r: [2, 4]}", "primary=null"]
    )
    assert len(study.groups) == 12
    control = study.groups["shuffled.learning_rate=0.0001.r=2"]
    assert control.of == "seeking.learning_rate=0.0001.r=2"
    assert ("seeking.learning_rate=0.001.r=4", "averse.learning_rate=0.001.r=4") in study.contrasts
    assert len(study.contrasts) == 5 * 4


def test_a_sweep_expects_of_every_point_what_the_study_does() -> None:
    primary = (
        "primary={contrast: [seeking, averse], suite: self_report, direction: less, margin: 0.2}"
    )
    study = load_study(QUICKSTART, ["sweep={lora.r: [2, 4]}", primary])
    assert study.primary is not None
    assert (study.primary.direction, study.primary.margin) == ("less", 0.2)
    assert len(study.primary.pairs) == 2


def test_a_sweep_renames_the_primary_contrast_too() -> None:
    study = load_study(QUICKSTART, ["sweep={lora.r: [2, 4]}"])
    assert study.primary is not None
    assert study.primary.pairs == (("seeking.r=2", "averse.r=2"), ("seeking.r=4", "averse.r=4"))
    assert set(study.primary.pairs) <= set(study.contrasts)
    plan = make_plan(study)
    assert len(plan.final.spec.primary) == 2


def test_a_list_of_sweeps_is_no_grid() -> None:
    study = load_study(
        QUICKSTART,
        ["sweep=[{lora.r: [2, 4]}, {lora.target_modules: [[q_proj, v_proj]]}]", "primary=null"],
    )
    assert list(study.points) == ["r=2", "r=4", "target_modules=q_proj+v_proj"]
    assert len(study.groups) == 9
    assert study.groups["seeking.target_modules=q_proj+v_proj"].lora == {
        "target_modules": ["q_proj", "v_proj"]
    }


def test_a_contrast_that_is_not_swept_stands_once() -> None:
    study = load_study(
        QUICKSTART,
        [
            "groups.told={prompted: seeking, behavior: risk}",
            "contrasts=[[told, base], [seeking@clean, base]]",
            "primary=null",
            "sweep={lora.r: [2, 4]}",
        ],
    )
    at_points = tuple((f"seeking.r={r}@clean", "base") for r in (2, 4))
    assert study.contrasts == (("told", "base"), *at_points)
    assert "told" in study.groups
