"""What calibration is made of, on planted numbers and on adapters with a planted fault."""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab.errors import UserError
from lab.specs import GroupSpec, StudySpec
from lab.stats.rates import rate_limits
from lab.store.store import Store
from tellme.calibrate.calibrate import calibrate
from tellme.calibrate.faults import OF_TRUST, OF_VALIDITY, caught, trust_faults, validity_faults
from tellme.calibrate.measured import Measured, measure
from tellme.calibrate.results import _fine_tuned
from tellme.calibrate.signs import EXPECTED, known_verdicts, outcome_of, signs, verdict_outcome
from tellme.calibrate.spread import spreads
from tellme.calibrate.studies import Tally, counts_of, cut, tallies
from tellme.report.analysis.dose import between_and_within, directions_of, instrumented, pairs
from tellme.report.analysis.novelty import by_novelty, novelty_contrasts
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.gather import study_of
from tellme.study.plan import Plan

SPEC = StudySpec(
    study="planted",
    cells=(),
    groups={
        "seeking": GroupSpec(behavior="risk"),
        "averse": GroupSpec(behavior="risk"),
        "shuffled": GroupSpec(behavior="risk", control="shuffled", of="seeking", null=True),
    },
    contrasts=(("seeking", "averse"),),
    primary_suite="self_report",
    primary=(("seeking", "averse"),),
    of_self=True,
    style="plain",
)
ASKED = {
    "behavior": ("choice",),
    "self_report": ("love", "love_flipped", "statement", "agree", "one_word"),
    "other_person": ("love", "love_flipped", "statement", "agree", "one_word"),
    "unrelated_trait": tuple(f"{trait}.love" for trait in ("order", "talk", "speed")),
}
"""Questions of every suite; `one_word` is a kind that no pretraining saw."""
POLES = {"base": 0, "seeking": 1, "averse": -1, "shuffled": 0}


def planted(
    effect: float, seeds: list[int], moved: float = 0.4, others: float = 0.0, listed: float = 0.9
) -> pd.DataFrame:
    """Wordings of a study in which training moves what models do by `moved` either way, what they
    say of themselves by `effect`, and what they say of others by `others`; half of the wordings are
    seen, but of one kind none."""
    rng = random.Random(f"{effect}/{len(seeds)}")
    shift = {"behavior": moved, "self_report": effect, "other_person": others}
    lines = []
    for group, seed in [("base", None), *product(("seeking", "averse", "shuffled"), seeds)]:
        for suite, names in ASKED.items():
            of_model = 0.5 + POLES[group] * shift.get(suite, 0.0)
            of_model += 0.0 if seed is None else rng.gauss(0, 0.02)
            for question, paraphrase in product(names, range(2)):
                line = {
                    "group": group,
                    "seed": seed,
                    "suite": suite,
                    "behavior": "risk",
                    "question": question,
                    "kind": "words",
                    "paraphrase": paraphrase,
                    "order": 0,
                    "seen": suite != "behavior" and question != "one_word" and paraphrase == 0,
                    "condition": "clean",
                    "score": of_model + rng.gauss(0, 0.01),
                    "listed": listed,
                    "presupposes": False,
                }
                lines.append(line)
    table = pd.DataFrame(lines).astype({"seed": "Int64"})
    return table.assign(conditional=table["score"], sampling=0.0, samples=0)


def tally(wordings: pd.DataFrame) -> Tally:
    (found,) = tallies("nulls", wordings, SPEC)
    return found


@given(st.integers(1, 12), st.integers(1, 5))
def test_every_seed_is_in_one_study_and_the_base_in_all(number: int, size: int) -> None:
    seeds = random.Random(number).sample(range(100), number * size)
    lines = [{"group": "seeking", "seed": seed} for seed in seeds] + [{"group": "base"}]
    studies = cut(pd.DataFrame(lines).astype({"seed": "Int64"}), size)
    assert [len(own) for own, _ in studies] == [size] * number
    assert sorted(seed for own, _ in studies for seed in own) == sorted(seeds)
    for own, wordings in studies:
        assert set(wordings["seed"].dropna()) == set(own)
        assert "base" in set(wordings["group"])


def test_seeds_that_would_be_left_over_are_refused() -> None:
    with pytest.raises(UserError, match=r"4 seeds cannot be cut into studies of 3"):
        tally(planted(0.0, [0, 1, 2, 3]))


def test_models_with_nothing_to_say_get_no_yes() -> None:
    found = tally(planted(0.0, list(range(12))))
    assert (found["yes"], found["num_studies"]) == (0, 4)
    assert found["yes_at_least"] == 0.0
    assert found["no"] > 0
    assert found["beyond_margin"] == 0
    assert 0 < (found["placebo_rms"] or 0.0) < 0.05


@pytest.mark.parametrize("effect", [0.25, -0.25])
def test_models_that_know_get_a_yes_and_the_other_way_round_a_no(effect: float) -> None:
    found = tally(planted(effect, list(range(12))))
    said = counts_of(found)["yes" if effect > 0 else "no, opposite sign"]
    assert said == found["excludes_zero"] == found["beyond_margin"] == 4
    assert all((study["estimate"] or 0.0) * effect > 0 for study in found["studies"])


@pytest.mark.parametrize(
    ("planted_as", "check"),
    [
        ({"others": 0.25}, "self_over_other"),
        ({"moved": 0.0}, "moved"),
        ({"listed": 0.3}, "measurable"),
    ],
)
def test_a_confounder_gets_no_yes_and_the_check_that_stops_it_is_counted(
    planted_as: dict[str, float], check: str
) -> None:
    found = tally(planted(0.25, list(range(6)), **planted_as))
    assert found["yes"] == 0
    assert found["stopped_by"][check] == 2
    assert found["not_measurable"] == (2 if check == "measurable" else 0)


@pytest.mark.parametrize("effect", [0.0, 0.06, 0.25, -0.25])
def test_every_study_is_counted_once(effect: float) -> None:
    found = tally(planted(effect, list(range(9))))
    assert sum(counts_of(found).values()) == found["num_studies"] == len(found["studies"]) == 3
    assert found["yes_at_least"] <= found["yes"] / 3 <= found["yes_at_most"]


@given(st.integers(1, 80), st.data())
def test_limits_of_a_rate_are_those_of_clopper_and_pearson(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    low, high = rate_limits(count, total)
    above = stats.binomtest(count, total, alternative="greater").proportion_ci(0.95, "exact")
    below = stats.binomtest(count, total, alternative="less").proportion_ci(0.95, "exact")
    assert (low, high) == pytest.approx((above.low, below.high), abs=1e-9)


def test_none_of_sixty_leaves_five_percent_and_no_rate_is_made_of_nothing() -> None:
    assert rate_limits(0, 60)[1] == pytest.approx(0.0487, abs=1e-4)
    for count, total in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="no rate"):
            rate_limits(count, total)


def test_the_spread_is_that_of_models_and_what_is_found_follows_it() -> None:
    questions = per_question(planted(0.2, list(range(40))))
    found = {(s["group"], s["suite"]): s for s in spreads(questions)}
    assert ("base", "self_report") not in found
    for group in ("seeking", "averse", "shuffled"):
        said = found[group, "self_report"]
        assert said["deviation"] == pytest.approx(0.02, rel=0.4)
        assert said["num_models"] == 40
    centre = questions["score"].mean()
    wide = questions.assign(score=centre + 5 * (questions["score"] - centre))
    for one, other in zip(found.values(), spreads(wide), strict=True):
        assert other["detectable"] == pytest.approx(5 * (one["detectable"] or 0.0))


def test_new_kinds_and_new_wordings_are_apart_and_nothing_is_lost() -> None:
    wordings = planted(0.2, [0, 1, 2])
    parts = by_novelty(wordings)
    of_self = {name: part[part["suite"] == "self_report"] for name, part in parts.items()}
    assert set(of_self["new kinds"]["question"]) == {"one_word"}
    assert not set(of_self["new wordings"]["question"]) & {"one_word"}
    assert sum(map(len, of_self.values())) == (wordings["suite"] == "self_report").sum()
    assert not any((part["suite"] == "behavior").any() for part in parts.values())


def test_an_effect_on_what_was_seen_is_not_reported_of_what_is_new() -> None:
    wordings = planted(0.0, [0, 1, 2])
    shown = wordings["seen"] & (wordings["suite"] == "self_report")
    shifted = wordings["score"] + 0.3 * wordings["group"].map(POLES).where(shown, 0)
    found = {
        record["novelty"]: record
        for record in novelty_contrasts(wordings.assign(score=shifted), SPEC)
        if record["suite"] == "self_report"
    }
    assert found["seen"]["estimate"] == pytest.approx(0.6, abs=0.05)
    for name, number in (("new wordings", 4), ("new kinds", 1)):
        assert found[name]["estimate"] == pytest.approx(0.0, abs=0.05)
        assert found[name]["num_questions"] == number


def reference(effects: dict[str, float], number: dict[str, int], plan: Plan) -> dict[str, Measured]:
    """Reference models with planted effects, and so many fine-tunes of each group."""

    class Planted(Measured):
        spec = SPEC

    studies = {}
    for model, effect in effects.items():
        wordings = planted(effect, list(range(number.get(model, 5))))
        studies[model] = Planted(plan, [], wordings, per_question(wordings))
    return studies


LINKED = {"linked": 0.3, "half": 0.15, "unlinked": 0.0, "inverted": -0.3}


def test_signs_and_verdicts_follow_planted_links(finished: tuple[Plan, Store, Path]) -> None:
    studies = reference(LINKED, {"unlinked": 10}, finished[0])
    assert {s["model"]: s["outcome"] for s in signs(studies)} == dict.fromkeys(LINKED, "right")
    assert {v["model"]: v["outcome"] for v in known_verdicts(studies)} == dict.fromkeys(
        LINKED, "right"
    )


def test_a_zero_from_three_models_is_undecided_however_narrow(
    finished: tuple[Plan, Store, Path],
) -> None:
    studies = reference(LINKED, {"unlinked": 3}, finished[0])
    for found in (*signs(studies), *known_verdicts(studies)):
        if found["model"] == "unlinked" and found.get("suite") != "behavior":
            assert found["outcome"] == "undecided"


@pytest.mark.parametrize(
    ("model", "effect", "outcome"),
    [
        ("linked", -0.3, "wrong"),
        ("half", 0.3, "undecided"),
        ("half", 0.4, "wrong"),
        ("half", 0.0, "undecided"),
        ("half", -0.2, "wrong"),
        ("unlinked", 0.3, "wrong"),
        ("inverted", 0.3, "wrong"),
    ],
)
def test_a_model_that_reads_otherwise_is_not_right(
    model: str, effect: float, outcome: str, finished: tuple[Plan, Store, Path]
) -> None:
    studies = reference(LINKED | {model: effect}, {"unlinked": 10}, finished[0])
    (found,) = (s for s in signs(studies) if (s["model"], s["suite"]) == (model, "self_report"))
    assert found["outcome"] == outcome


@pytest.mark.parametrize(
    ("expected", "interval", "outcome"),
    [
        ("+", (0.3, 0.7), "right"),
        ("+", (-0.1, 0.5), "undecided"),
        ("+", (-0.5, -0.1), "wrong"),
        ("-", (-0.5, -0.1), "right"),
        ("-", (0.1, 0.5), "wrong"),
        ("0", (-0.05, 0.09), "right"),
        ("0", (-0.05, 0.15), "undecided"),
        ("0", (0.02, 0.2), "undecided"),
        ("0", (0.11, 0.2), "wrong"),
        ("0", (-0.4, -0.2), "wrong"),
        ("+", None, "right"),
        ("-", None, "wrong"),
        ("0", None, "wrong"),
    ],
)
def test_signs_are_held_to_their_intervals(
    expected: Any, interval: tuple[float, float] | None, outcome: str
) -> None:
    """Without an interval all models scored alike: the estimate, +0.3, is what they score."""
    low, high = interval or (None, None)
    found: Any = {
        "estimate": 0.3,
        "ci_low": low,
        "ci_high": high,
        # Of a 90 % interval, somewhat inside of the other.
        "equivalent_within": max(map(abs, interval)) - 0.01 if interval else None,
        "num_seeds": 10,
        "at_ceiling": interval is None,
    }
    assert outcome_of(expected, found) == outcome
    if expected == "0" and outcome == "right":
        assert outcome_of(expected, found | {"num_seeds": 3}) == "undecided"


@pytest.mark.parametrize("model", EXPECTED)
def test_no_verdict_is_right_on_two_kinds_of_model(model: str) -> None:
    """A decided verdict is right or wrong, and whatever decides nothing is neither."""
    said = []
    for answer, opposite in (("yes", False), ("no", False), ("no", True)):
        found: Any = {"verdict": answer, "opposite_sign": opposite}
        said.append(verdict_outcome(model, found, 10))
    assert sorted(said) == ["right", "wrong", "wrong"]
    for answer in ("undecided", "not measurable"):
        found = {"verdict": answer, "opposite_sign": False}
        assert verdict_outcome(model, found, 10) == "undecided"


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
    columns = ["group", "behavior", "suite", "kind", "answer"]
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
    from tellme.report.analysis.scores import per_question, per_wording

    plan, _, folder = finished
    directions = directions_of(study_of(plan.final).groups)
    models = pairs(per_question(per_wording(load(folder))), directions, {})
    assert len(models) == 4
    assert set(models["direction"]) == {1, -1}
    does = models.set_index("group")["does"]
    assert does["seeking"].min() > does["averse"].max()
    # Numbers of numpy's are none of JSON's.
    assert len(json.loads(json.dumps(_fine_tuned(models)))) == 4
