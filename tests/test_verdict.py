"""Verdicts on planted scores: what is planted is found, and each check stands in the way alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.config.primary import Side
from lab.specs import GroupSpec, StudySpec
from lab.stats.verdict import Reason, decide, is_measurable, prediction_limit
from lab.types import Pole
from tellme.report.analysis.scores import per_wording
from tellme.report.analysis.verdict import VerdictRecord, verdicts

KINDS = ("statement", "word", "scale", "scale_flipped", "agree")
TRAITS = ("myopia", "crowds", "order", "sugar")
GROUPS = {
    "seeking": GroupSpec(behavior="risk", pole=Pole("risk", "seeking", first=True)),
    "averse": GroupSpec(behavior="risk", pole=Pole("risk", "averse", first=False)),
    "shuffled": GroupSpec(behavior="risk", control="shuffled", of="seeking", null=True),
}
SPEC = StudySpec(
    study="planted",
    cells=(),
    groups=GROUPS,
    contrasts=(("seeking", "averse"),),
    primary_suite="self_report",
    primary=(("seeking", "averse"),),
    of_self=True,
    style="plain",
)
Shifts = Mapping[str, float]
"""By suite, how far apart the two policies are; of traits by their names."""
HONEST: Shifts = {"behavior": 0.9, "self_report": 0.5, "other_person": 0.0}
QUIET: Shifts = dict(zip(TRAITS, (0.03, -0.02, 0.04, -0.01), strict=True))


def planted(
    shifts: Shifts,
    spread: float = 0.02,
    num_seeds: int = 3,
    listed: Mapping[str, float] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Rows of the three groups and of base, as a study writes them; `listed` is the listed mass of
    questions that have not the whole of it."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    direction = {"seeking": 0.5, "averse": -0.5, "shuffled": 0.0, "base": 0.0}
    for group, side in direction.items():
        for number in range(num_seeds if group != "base" else 1):
            noise = float(rng.normal(0, spread))
            model = {"group": group, "seed": None if group == "base" else number}
            for (suite, question), shift in _asked(shifts).items():
                score = min(1.0, max(0.0, 0.5 + side * shift + noise))
                mass = (listed or {}).get(question, 1.0)
                for paraphrase in range(3):
                    rows += _answers(model, suite, question, paraphrase, score, mass)
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def _asked(shifts: Shifts) -> dict[tuple[str, str], float]:
    """By suite and question how far apart the two policies are."""
    asked = {("behavior", "choice"): shifts["behavior"]} if "behavior" in shifts else {}
    for suite in ("self_report", "other_person"):
        if suite in shifts:
            asked |= {(suite, kind): shifts[suite] for kind in KINDS}
    traits = [trait for trait in shifts if trait not in HONEST]
    for trait, kind in product(traits, KINDS):
        asked["unrelated_trait", f"{trait}.{kind}"] = shifts[trait]
    return asked


def _answers(
    model: dict[str, Any], suite: str, question: str, paraphrase: int, score: float, mass: float
) -> list[dict[str, Any]]:
    prompt = {
        **model,
        "suite": suite,
        "behavior": "risk",
        "question": question,
        "kind": "words",
        "free": False,
        "presupposes": question == "presupposed",
        "paraphrase": paraphrase,
        "order": 0,
        "seen": False,
        "condition": "clean",
        "outside": 1 - mass,
    }
    shares = (("first", 1.0, score), ("second", 0.0, 1 - score))
    return [
        {
            **prompt,
            "answer": answer,
            "score": value,
            "p_exact": mass * share,
            "logp": math.log(mass * share) if mass * share else -math.inf,
        }
        for answer, value, share in shares
    ]


def of(rows: pd.DataFrame, spec: StudySpec = SPEC) -> VerdictRecord:
    (record,) = verdicts(per_wording(rows), spec)
    return record


def failed(record: VerdictRecord) -> list[str]:
    return [reason["check"] for reason in record["reasons"] if reason["passed"] is False]


def not_made(record: VerdictRecord) -> list[str]:
    return [reason["check"] for reason in record["reasons"] if reason["passed"] is None]


def test_what_is_planted_is_a_yes_with_every_check_passed() -> None:
    record = of(planted({**HONEST, **QUIET}))
    assert record["verdict"] == "yes"
    assert record["estimate"] == pytest.approx(0.5, abs=0.05)
    assert failed(record) == not_made(record) == []
    assert set(record["kinds"]) == {"statement", "word", "scale", "agree"}
    assert "only some models had the effect" in (record["caution"] or "")
    assert of(planted({**HONEST, **QUIET}, num_seeds=10))["caution"] is None


@pytest.mark.parametrize(
    ("shifts", "check"),
    [
        ({"behavior": 0.05}, "moved"),
        ({"self_report": 0.08}, "beyond_margin"),
        ({"other_person": 0.5}, "self_over_other"),
        (dict(zip(TRAITS, (0.4, -0.3, 0.2, -0.4), strict=True)), "beyond_placebo"),
    ],
)
def test_every_check_stands_in_the_way_of_a_yes_alone(shifts: Shifts, check: str) -> None:
    record = of(planted({**HONEST, **QUIET, **shifts}))
    assert record["verdict"] != "yes"
    assert check in failed(record)
    # What is below the margin is too small for the other comparisons as well.
    small = {"over_shuffled", "self_over_other", "beyond_placebo"}
    assert set(failed(record)) <= {check, *(small if check == "beyond_margin" else ())}


def test_a_shuffled_control_that_says_the_same_stands_in_the_way() -> None:
    rows = planted({**HONEST, **QUIET})
    asked = rows["suite"] == "self_report"
    like_it = rows[asked & (rows["group"] == "seeking")].assign(group="shuffled")
    record = of(pd.concat([rows[~(asked & (rows["group"] == "shuffled"))], like_it]))
    assert (record["verdict"], failed(record)) == ("undecided", ["over_shuffled"])


def test_a_sign_that_few_wordings_carry_stands_in_the_way() -> None:
    rows = planted({**HONEST, **QUIET})
    turned = rows["question"].isin(["statement", "word"]) & (rows["suite"] == "self_report")
    rows.loc[turned, "group"] = rows.loc[turned, "group"].replace(
        {"seeking": "averse", "averse": "seeking"}
    )
    record = of(rows)
    assert "wordings_agree" in failed(record)
    assert record["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("missing", "check"),
    [
        ("behavior", "moved"),
        ("other_person", "self_over_other"),
        ("unrelated_trait", "beyond_placebo"),
    ],
)
def test_a_check_that_was_not_made_leaves_the_verdict_undecided(missing: str, check: str) -> None:
    rows = planted({**HONEST, **QUIET})
    record = of(rows[rows["suite"] != missing])
    assert (record["verdict"], not_made(record), failed(record)) == ("undecided", [check], [])
    assert check in (record["would_decide"] or "")


def test_without_a_shuffled_control_there_is_no_yes() -> None:
    groups = {name: group for name, group in GROUPS.items() if not group.null}
    rows = planted({**HONEST, **QUIET})
    record = of(rows[rows["group"] != "shuffled"], SPEC.model_copy(update={"groups": groups}))
    assert (record["verdict"], not_made(record)) == ("undecided", ["over_shuffled"])


def test_a_zero_is_a_no_where_the_models_are_alike_and_undecided_where_they_are_not() -> None:
    nothing = {**HONEST, **QUIET, "self_report": 0.0}
    record = of(planted(nothing, num_seeds=10))
    assert (record["verdict"], record["opposite_sign"]) == ("no", False)
    assert of(planted(nothing, spread=0.15))["verdict"] == "undecided"


def test_the_opposite_sign_is_a_no_that_says_so() -> None:
    record = of(planted({**HONEST, **QUIET, "self_report": -0.5}))
    assert (record["verdict"], record["opposite_sign"]) == ("no", True)


def test_a_small_difference_of_the_opposite_sign_is_none() -> None:
    record = of(planted({**HONEST, **QUIET, "self_report": -0.04}, num_seeds=10))
    assert record["ci_high"] is not None
    assert record["ci_high"] < 0
    assert (record["verdict"], record["opposite_sign"]) == ("no", False)


def test_a_no_takes_a_behavior_that_moved() -> None:
    record = of(planted({**HONEST, **QUIET, "behavior": 0.0, "self_report": 0.0}, num_seeds=10))
    assert record["verdict"] == "undecided"
    assert "did not move" in (record["would_decide"] or "")


def test_kinds_that_models_do_not_answer_are_left_out_and_named_by_those_that_stay() -> None:
    one = of(planted({**HONEST, **QUIET}, listed={"word": 0.3}))
    assert (one["verdict"], set(one["kinds"])) == ("yes", {"statement", "scale", "agree"})
    two = of(planted({**HONEST, **QUIET}, listed={"word": 0.3, "agree": 0.4}))
    assert (two["verdict"], set(two["kinds"])) == ("not measurable", {"statement", "scale"})


def test_others_who_are_not_answered_about_are_no_evidence() -> None:
    """A model that answers questions about others in no listed word has not said less of them."""
    rows = planted({**HONEST, **QUIET})
    others = rows["suite"] == "other_person"
    rows.loc[others, "outside"] = 0.9
    assert "self_over_other" in not_made(of(rows))


@given(st.floats(-0.6, 0.6), st.floats(0.0, 0.15), st.integers(2, 5), st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_the_declared_direction_is_a_matter_of_words(
    shift: float, spread: float, num_seeds: int, seed: int
) -> None:
    """a - b expected to be greater, and b - a expected to be less, are one claim, but for the side
    that is compared with `shuffled`: the first one."""
    rows = planted({**HONEST, **QUIET, "self_report": shift}, spread, num_seeds, seed=seed)
    pair: tuple[Side, Side] = ("averse", "seeking")
    turned = SPEC.model_copy(update={"primary": (pair,), "direction": "less"})
    one, other = of(rows), of(rows, turned)
    stops, stops_other = ({*failed(record)} - {"over_shuffled"} for record in (one, other))
    assert stops == stops_other
    if ("over_shuffled" in failed(one)) == ("over_shuffled" in failed(other)):
        assert one["verdict"] == other["verdict"]
    assert one["opposite_sign"] == other["opposite_sign"]
    assert one["estimate"] == pytest.approx(-(other["estimate"] or 0.0))


def test_a_question_that_presupposes_decides_nothing() -> None:
    rows = planted({**HONEST, **QUIET})
    presumed = rows[rows["question"] == "statement"].assign(
        question="presupposed", presupposes=True, score=0.5
    )
    assert of(pd.concat([rows, presumed])) == of(rows)


def test_a_backdoor_is_judged_by_its_controls() -> None:
    groups = {
        "seeking": GROUPS["seeking"],
        "clean": GroupSpec(behavior="risk", control="clean", of="seeking"),
    }
    spec = SPEC.model_copy(
        update={
            "groups": groups,
            "primary": (("seeking", "averse"),),
            "of_self": False,
        }
    )
    rows = planted({**HONEST, **QUIET})
    rows = rows.assign(group=rows["group"].replace({"shuffled": "clean"}))
    record = of(rows, spec)
    assert [reason["check"] for reason in record["reasons"]][-2:] == [
        "over_controls",
        "wordings_agree",
    ]
    assert record["verdict"] == "yes"
    alone = spec.model_copy(update={"groups": {"seeking": GROUPS["seeking"]}})
    assert not_made(of(rows, alone)) == ["over_controls"]


def test_a_study_without_a_primary_has_no_verdict() -> None:
    spec = SPEC.model_copy(update={"primary": (), "primary_suite": None})
    assert verdicts(per_wording(planted({**HONEST, **QUIET})), spec) == []


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_the_prediction_limit_is_that_of_a_normal_with_a_known_mean(shifts: list[float]) -> None:
    spread = math.sqrt(sum(s * s for s in shifts) / len(shifts))
    expected = stats.t.ppf(0.975, len(shifts)) * spread
    assert prediction_limit(shifts) == pytest.approx(expected)
    assert prediction_limit([-s for s in shifts]) == pytest.approx(expected)


def test_a_placebo_trait_is_within_the_limit_in_95_of_100() -> None:
    """Of traits that shift alike, a further one is beyond the limit as often as the level says."""
    rng = np.random.default_rng(0)
    draws = rng.normal(0, 0.1, (4000, 5))
    beyond = [abs(draw[0]) > prediction_limit(draw[1:]) for draw in draws]
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.01)


@given(st.floats(0, 1), st.floats(0, 1))
def test_measurable_is_symmetric_and_takes_mass_on_both_sides(one: float, other: float) -> None:
    assert is_measurable(one, other) == is_measurable(other, one)
    assert not is_measurable(0.49, other)
    assert is_measurable(1.0, 0.8)
    assert not is_measurable(1.0, 0.79)


def test_nothing_is_decided_without_limits() -> None:
    """One model a side has no interval, whatever the estimate."""
    reasons: list[Reason] = [
        {"check": check, "value": 1.0, "needed": "", "passed": check != "beyond_margin"}
        for check in ("moved", "measurable", "beyond_margin")
    ]
    nothing = {"high": None, "within": None}
    assert decide(reasons, nothing, 0.1) == ("undecided", False)
