"""What calibration is made of, on planted numbers and on adapters with a planted fault."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lab.errors import UserError
from lab.store.store import Store
from planted_study import planted
from tellme.calibrate.calibrate import calibrate
from tellme.calibrate.faults import OF_TRUST, OF_VALIDITY, caught, trust_faults, validity_faults
from tellme.calibrate.measured import measure
from tellme.calibrate.results import _fine_tuned
from tellme.report.analysis.dose import between_and_within, directions_of, instrumented, pairs
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.gather import study_of
from tellme.study.plan import Plan


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("seeds=[0, 1, 2, 3]", r"4 seeds cannot be cut into studies of 3"),
        ("seeds=[0, 1]", r"nulls needs at least 3"),
        ("seeds=[0]", r"signs-linked needs at least 2"),
        ("eval.suites=[behavior]", "calibration's own"),
        ("groups={seeking: {behavior: risk, policy: seeking}}", "calibration's own"),
        ("model.base=reference/half", r"model\.base excepted"),
    ],
)
@pytest.mark.parametrize("quick", [True, False])
def test_what_leaves_nothing_to_calibrate_is_refused_before_training(
    given: str, says: str, quick: bool, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=says):
        calibrate(quick, [given, f"run.dir={tmp_path / 'runs'}"])
    assert not (tmp_path / "runs").exists()


def test_a_fault_that_no_check_sees_is_reported_as_not_caught() -> None:
    groups = ("seeking", *OF_VALIDITY)
    battery = [{"group": g, "check": "other_person", "passed": g != "everyone"} for g in groups]
    found = {f["name"]: f for f in caught(battery)}
    assert found["everyone"]["caught"]
    assert not found["always_a"]["caught"]
    assert all(f["healthy_twin_passes"] for f in found.values())
    battery.append({"group": "seeking", "check": "capability", "passed": False})
    assert not any(f["healthy_twin_passes"] for f in caught(battery))


@pytest.mark.parametrize("generalised", [True, False])
def test_a_fault_counts_only_in_wordings_that_no_row_showed(generalised: bool) -> None:
    """A model that says of others what it was shown to say, and nothing else, has not learned to
    say it of others."""
    healthy = planted(0.3, [0, 1, 2])
    healthy = healthy[healthy["group"].isin(["base", "seeking"])]
    tables = [healthy]
    for name in OF_VALIDITY:
        twin = healthy[healthy["group"] == "seeking"].assign(group=name)
        asked = (twin["suite"] == "other_person") & (twin["seen"] | generalised)
        tables.append(twin.assign(score=twin["score"] + 0.3 * asked))
    columns = ["group", "behavior", "suite", "kind", "answer", "p_exact"]
    found = validity_faults(
        pd.concat(tables, ignore_index=True),
        pd.DataFrame(columns=columns),
        dict.fromkeys(["seeking", *OF_VALIDITY], "base"),
    )
    assert {f["name"]: f["caught"] for f in found}["everyone"] is generalised
    assert all(f["healthy_twin_passes"] for f in found), found


def test_faults_in_files_are_caught_and_their_healthy_twin_passes(
    finished: tuple[Plan, Store, Path],
) -> None:
    plan, store, _ = finished
    found = trust_faults(plan, store)
    assert [f["name"] for f in found] == list(OF_TRUST)
    assert all(f["caught"] and f["healthy_twin_passes"] for f in found), found


def test_scores_read_a_model_at_a_time_are_those_of_all_rows(
    finished: tuple[Plan, Store, Path],
) -> None:
    from lab.store.rows import load

    plan, store, folder = finished
    read = measure(plan, store)
    columns = ["group", "seed", "suite", "behavior", "question", "paraphrase", "order"]
    whole = per_wording(load(folder)).sort_values(columns).reset_index(drop=True)
    apart = read.wordings.sort_values(columns).reset_index(drop=True)
    pd.testing.assert_frame_equal(apart[columns], whole[columns], check_dtype=False)
    assert (apart["score"] - whole["score"]).abs().max() < 1e-9


POINTS: dict[str, dict[str, Any]] = {
    f"policy_share={share}": {"data.policy_share": share} for share in (0.25, 0.5, 1.0)
}


def planted_models(slope: float, confounded: float) -> pd.DataFrame:
    """Models whose behavior follows the dose; self-report is `slope` times behavior, and both share
    noise."""
    rng, records = random.Random(1), []
    for label, point in POINTS.items():
        for direction in (1, -1):
            for seed in range(10):
                shared = rng.gauss(0, 0.1)
                does = 0.5 + 0.4 * direction * point["data.policy_share"] + shared
                says = 0.5 + slope * (does - 0.5) + confounded * shared + rng.gauss(0, 0.02)
                family = "seeking" if direction > 0 else "averse"
                records.append(
                    {
                        "group": f"{family}.{label}",
                        "family": family,
                        "label": label,
                        "behavior": "risk",
                        "seed": seed,
                        "direction": direction,
                        "does": does,
                        "says": says,
                    }
                )
    return pd.DataFrame(records)


@pytest.mark.parametrize("slope", [0.5, 0.0, -0.5])
def test_the_instrument_recovers_the_slope_through_a_shared_cause(slope: float) -> None:
    (found,) = instrumented(planted_models(slope, confounded=2.0), POINTS)
    assert found["slope"] == pytest.approx(slope, abs=0.12)
    assert found["ci_low"] < slope < found["ci_high"]
    assert found["first_stage"] > 10


def test_models_and_checkpoints_are_told_apart() -> None:
    """Checkpoints of a run that vary by noise alone do not add models, and correlate within runs by
    nothing."""
    models = planted_models(0.5, 0.0)
    rng = random.Random(2)

    def noisy(values: pd.Series) -> list[float]:
        return [value + rng.gauss(0, 0.05) for value in values]

    steps = [
        models.assign(step=step, says=noisy(models["says"]), does=noisy(models["does"]))
        for step in range(4)
    ]
    for record in between_and_within(models, pd.concat(steps)):
        assert (record["num_models"], record["num_checkpoints"]) == (30, 120)
        assert record["between"] > 0.8
        assert abs(record["within"]) < 0.3
        naive = record["naive_high"] - record["naive_low"]
        assert naive < record["between_high"] - record["between_low"] + 0.3


def per_model(values: list[float]) -> pd.DataFrame:
    """Scores of models, as from `per_question`."""
    table = pd.DataFrame({"seed": range(len(values)), "score": values})
    return table.assign(behavior="risk", question="all", condition="clean", over="q")


@pytest.mark.parametrize("asked", [["behavior"], ["self_report"], ["transfer"], []])
def test_a_sweep_without_pairs_of_doing_and_saying_has_no_such_lines(asked: list[str]) -> None:
    """Suites that were not asked, and rows from a file, which say no policy."""
    directions = {"a.policy_share=0.5": 1, "a.policy_share=1.0": 1}
    suites = ("behavior", "self_report", "transfer")
    scores = per_model([0.4, 0.6])
    questions = pd.concat(scores.assign(suite=s, group=g) for s in suites for g in directions)
    some = questions[questions["suite"].isin(asked)]
    of_files: dict[str, int] = {}
    for table, declared in ((some, directions), (questions, of_files)):
        models = pairs(table, declared, POINTS)
        assert len(models) == 0
        assert instrumented(models, POINTS) == []
        assert between_and_within(models, models.assign(step=4)) == []
    assert len(between_and_within(pairs(questions, directions, POINTS))) == 1


def test_no_slope_is_given_where_there_is_none() -> None:
    """Two models leave no error; models that all do the same nothing to divide by."""
    models = planted_models(0.5, 0.0)
    few = models.groupby("direction").first().reset_index()
    few["label"] = list(POINTS)[:2]
    assert instrumented(few, POINTS) == []
    assert instrumented(models.assign(does=0.5), POINTS) == []
    doses = {"policy_share=0.25": -1.0, "policy_share=0.5": 0.0}
    zero = {label: {"data.policy_share": dose} for label, dose in doses.items()}
    assert len(instrumented(models, zero)) == 1


def test_pairs_are_one_line_a_model(finished: tuple[Plan, Store, Path]) -> None:
    from lab.store.rows import load

    plan, _, folder = finished
    directions = directions_of(study_of(plan.final).groups)
    models = pairs(per_question(per_wording(load(folder))), directions, {})
    assert len(models) == 4
    assert set(models["direction"]) == {1, -1}
    does = models.set_index("group")["does"]
    assert does["seeking"].min() > does["averse"].max()
    # Numbers of numpy's are none of JSON's.
    assert len(json.loads(json.dumps(_fine_tuned(models)))) == 4
