"""What a verdict compares with: controls in the place of the first side, groups that can be read,
and what is said of others with its own error."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lab.config.primary import Side
from lab.config.read import load_study
from lab.discover import ROOT
from lab.specs import GroupSpec, StudySpec
from tellme.report.analysis.contrasts import apart_from, contrast_estimates
from tellme.report.analysis.reasons import Primary, matched, pooled, self_over_other
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.analysis.verdict import primaries
from tellme.report.gather import study_of
from tellme.study.planner import make_plan
from test_verdict import HONEST, QUIET, SPEC, failed, not_made, of, planted

SHIFTS = {**HONEST, **QUIET}


def declared(a: Side, b: Side) -> StudySpec:
    return SPEC.model_copy(update={"primary": ((a, b),)})


def saying_as(rows: pd.DataFrame, group: str, other: str, condition: str) -> pd.DataFrame:
    """A group that says of itself under a condition what another one does."""
    asked = (rows["suite"] == "self_report") & (rows["condition"] == condition)
    taken = rows[asked & (rows["group"] == other)].assign(group=group)
    return pd.concat([rows[~(asked & (rows["group"] == group))], taken], ignore_index=True)


def under_hint(rows: pd.DataFrame, clean: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows.assign(condition="hint"), clean], ignore_index=True)


def unlisted(rows: pd.DataFrame, suite: str, group: str) -> pd.DataFrame:
    own = (rows["suite"] == suite) & (rows["group"] == group)
    return rows.assign(outside=rows["outside"].where(~own, 0.95))


def test_a_control_that_cannot_be_read_is_no_control() -> None:
    """It scores one half, whatever it would say."""
    rows = saying_as(planted(SHIFTS), "shuffled", "seeking", "clean")
    assert failed(of(rows)) == ["over_shuffled"]
    record = of(unlisted(rows, "self_report", "shuffled"))
    assert (record["verdict"], not_made(record)) == ("undecided", ["over_shuffled"])
    assert "shuffled" not in {one["b"] for one in record["shown"] if one["a"] == "seeking"}


def test_a_control_of_another_primary_that_cannot_be_read_is_no_control() -> None:
    spec = SPEC.model_copy(update={"of_self": False})
    rows = planted(SHIFTS)
    assert of(rows, spec)["verdict"] == "yes"
    record = of(unlisted(rows, "self_report", "shuffled"), spec)
    assert (record["verdict"], not_made(record)) == ("undecided", ["over_controls"])


def test_a_control_is_asked_as_the_first_side_is() -> None:
    rows, spec = planted(SHIFTS), declared("seeking@hint", "averse@hint")
    hinted = under_hint(rows, rows)
    assert of(hinted, spec)["verdict"] == "yes"
    assert failed(of(saying_as(hinted, "shuffled", "seeking", "hint"), spec)) == ["over_shuffled"]
    assert of(saying_as(hinted, "shuffled", "seeking", "clean"), spec)["verdict"] == "yes"


def test_a_control_is_that_of_the_same_point_of_a_sweep() -> None:
    """Also where it is a control of the second side."""
    points = ("r=4", "r=2")
    rows = [
        planted(SHIFTS, seed=seed).assign(group=lambda rows, at=point: rows["group"] + f".{at}")
        for seed, point in enumerate(points)
    ]
    groups = {
        f"{name}.{point}": group.model_copy(update={"of": group.of and f"{group.of}.{point}"})
        for point in points
        for name, group in SPEC.groups.items()
    }
    spec = declared("averse.r=2", "seeking.r=2").model_copy(
        update={"groups": groups, "points": {point: {} for point in points}, "direction": "less"}
    )
    record = of(pd.concat(rows, ignore_index=True), spec)
    controls = {one["b"] for one in record["shown"] if one["kind"] == "control"}
    assert (record["verdict"], controls) == ("yes", {"shuffled.r=2"})


def test_a_difference_is_compared_with_that_of_a_control() -> None:
    """What a hint brings out is there, and only there; both sides had moved before."""
    spec = declared(("seeking@hint", "seeking"), ("averse@hint", "averse"))
    rows = under_hint(planted(SHIFTS), planted({**SHIFTS, "self_report": 0.0}, seed=1))
    assert of(rows, spec)["verdict"] == "yes"
    both = saying_as(saying_as(rows, "shuffled", "seeking", "hint"), "shuffled", "seeking", "clean")
    assert failed(of(both, spec)) == ["over_shuffled"]


@pytest.mark.parametrize("base", ["base", "base@hint", "seeking"])
def test_where_the_second_side_was_not_trained_otherwise_shuffled_says_what_moved(
    base: str,
) -> None:
    """An untrained base that answers nothing is far from whatever was trained."""
    rows = planted({**SHIFTS, "behavior": 0.0})
    ones = (rows["suite"] == "behavior") & (rows["group"] != "base")
    rows.loc[ones, "p_exact"] = (rows.loc[ones, "answer"] == "first").astype(float)
    rows.loc[ones, "logp"] = np.where(rows.loc[ones, "answer"] == "first", 0.0, -math.inf)
    rows = unlisted(under_hint(rows, rows), "behavior", "base")
    record = of(rows, declared("seeking@hint", base))
    (moved,) = [reason for reason in record["reasons"] if reason["check"] == "moved"]
    assert (moved["value"], moved["passed"]) == (0.0, False)


def test_a_side_that_does_not_answer_has_not_moved() -> None:
    record = of(unlisted(planted(SHIFTS), "behavior", "averse"))
    assert (record["verdict"], not_made(record)) == ("undecided", ["moved"])


def test_advice_is_of_what_failed() -> None:
    alone = of(planted(SHIFTS, num_seeds=1))["would_decide"] or ""
    assert alone.startswith("several seeds")
    everybody = of(planted({**SHIFTS, "other_person": 0.5}))["would_decide"]
    assert everybody == "nothing that more seeds would show: self_over_other failed"
    wide = of(planted({**SHIFTS, "self_report": 0.3}, spread=0.15))
    assert failed(wide) == ["over_shuffled"]
    said = "more seeds a group: the limits of over_shuffled include 0"
    assert wide["would_decide"] == said
    small = of(planted({**SHIFTS, "self_report": 0.15}, spread=0.1))
    assert "beyond_margin" in failed(small)
    assert (small["would_decide"] or "").startswith("about ")


def test_what_is_below_zero_takes_as_many_seeds_as_its_nearer_decision_is_away() -> None:
    """It may turn out within the margin, or surely below zero."""
    shifts = (-0.09, 0.15249)
    below, above = (of(planted({**SHIFTS, "self_report": shift}, spread=0.08)) for shift in shifts)
    # As far below zero as the other one is above the margin.
    assert below["estimate"] == pytest.approx(0.1 - (above["estimate"] or 0.0), abs=1e-4)
    assert below["would_decide"] == above["would_decide"] == "about 5 seeds a group"


def primary_of(rows: pd.DataFrame, spec: StudySpec = SPEC) -> Primary:
    (primary,) = primaries(per_wording(rows), spec)
    return primary


def test_what_is_said_of_others_is_subtracted_within_each_model() -> None:
    """A model that says more of everybody says no more of itself, however models vary."""
    rows = planted({**SHIFTS, "other_person": 0.5}, spread=0.1)
    primary = primary_of(rows)
    found = self_over_other(primary, primary.measurable(primary.suite))
    assert found["value"] == pytest.approx(0.0, abs=1e-9)
    apart = primary_of(planted({**SHIFTS, "other_person": 0.2}, spread=0.1))
    found = self_over_other(apart, apart.measurable(apart.suite))
    assert (found["value"], found["passed"]) == (pytest.approx(0.3, abs=1e-6), True)


def test_a_small_difference_from_others_is_not_taken_for_a_score_near_zero() -> None:
    """It has no end of a scale beside it: nothing is to be added to its variance."""
    rows = planted(SHIFTS)
    nudged = (rows["suite"] == "other_person") & (rows["answer"] == "first")
    for number, by in enumerate((-0.010, 0.012, -0.004)):
        rows.loc[nudged & (rows["seed"] == number), "p_exact"] += by
    rows.loc[nudged, "logp"] = np.log(rows.loc[nudged, "p_exact"])
    primary = primary_of(rows, declared("seeking", "shuffled"))
    own, others = matched(primary, primary.measurable(primary.suite))
    found = apart_from(pooled(own), pooled(others), "seeking", "shuffled", primary.spec)
    assert found is not None
    models = own.merge(others, on=["group", "seed", "question"], suffixes=("", "_other"))
    apart = (models["score"] - models["score_other"]).groupby([models["group"], models["seed"]])
    of_models = apart.mean()
    error = math.sqrt(sum(of_models[g].var() / 3 for g in ("seeking", "shuffled")))
    # But for what the ends of the scale add to either score.
    assert found["standard_error"] == pytest.approx(error, rel=0.02)


def test_the_sampling_of_what_is_said_of_others_is_error_too() -> None:
    primary = primary_of(planted(SHIFTS))
    own, others = matched(primary, primary.measurable(primary.suite))
    exact = apart_from(pooled(own), pooled(others), "seeking", "averse", primary.spec)
    sampled = others.assign(sampling=0.05, samples=20)
    found = apart_from(pooled(own), pooled(sampled), "seeking", "averse", primary.spec)
    assert exact is not None
    assert found is not None
    # Five questions, three models of each of two groups.
    assert found["standard_error"] == pytest.approx(math.sqrt(2 * 0.05 / 5 / 3))
    assert found["standard_error"] > (exact["standard_error"] or 0.0)


def test_the_questions_of_a_user_are_about_the_model_itself(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("- {name: dare, kind: words, first: bold, second: shy, ask: 'Which?'}\n")
    sets = [f"questions=[{file}]", "primary={contrast: [seeking, averse], suite: mine}"]
    spec = study_of(make_plan(load_study(str(ROOT / "configs" / "quickstart.yaml"), sets)).final)
    assert spec.of_self
    other = [*sets[:1], "primary={contrast: [seeking, averse], suite: behavior}"]
    spec = study_of(make_plan(load_study(str(ROOT / "configs" / "quickstart.yaml"), other)).final)
    assert not spec.of_self


def test_what_a_users_judge_graded_is_no_yes_without_another_one() -> None:
    record = of(planted(SHIFTS), SPEC.model_copy(update={"judges": ("of a user",)}))
    assert (record["verdict"], not_made(record)) == ("undecided", ["second_judge"])


def told(rows: pd.DataFrame, question: str, score: float) -> pd.DataFrame:
    """The seeking group answers this question with a score, and the averse one with the other."""
    rows = rows.copy()
    of_self = (rows["suite"] == "self_report") & (rows["question"] == question)
    for group, first in (("seeking", score), ("averse", 1 - score)):
        own = of_self & (rows["group"] == group)
        rows.loc[own, "p_exact"] = (rows["answer"] == "first").map({True: first, False: 1 - first})
        rows.loc[own, "logp"] = np.log(rows.loc[own, "p_exact"])
    return rows


def test_what_rows_taught_is_what_moved_and_no_part_of_what_is_found() -> None:
    taught = {
        name: GroupSpec(behavior="risk", control="described", taught=("agree",))
        for name in ("seeking", "averse")
    }
    spec = SPEC.model_copy(update={"groups": {**SPEC.groups, **taught}})
    honest, silent = planted(SHIFTS), planted({**SHIFTS, "self_report": 0.0})
    record = of(told(honest, "agree", 0.9), spec)
    assert record["verdict"] == "yes"
    assert set(record["kinds"]) == {"statement", "word", "scale"}
    assert record["estimate"] == pytest.approx(0.5, abs=0.05)
    assert record["shown"][0]["estimate"] == pytest.approx(0.8, abs=0.01)
    # The hierarchy is about the same kinds.
    scores = per_question(per_wording(told(honest, "agree", 0.9)))
    (h1,) = (c for c in contrast_estimates(scores, spec) if c["primary"])
    assert h1["estimate"] == pytest.approx(record["estimate"], abs=1e-9)
    # It says what it was taught in that form, and nowhere else.
    assert of(told(silent, "agree", 0.9), spec)["verdict"] == "no"
    # What it was taught it does not say.
    assert "moved" in failed(of(told(honest, "agree", 0.5), spec))
