"""Signs and verdicts on reference models, and how far their self-reports reach."""

from __future__ import annotations

from typing import Any

import pytest

from planted_study import POLES, SPEC, planted
from tellme.calibrate.measured import Measured
from tellme.calibrate.signs import EXPECTED, known_verdicts, outcome_of, signs, verdict_outcome
from tellme.report.analysis.novelty import by_novelty, novelty_contrasts
from tellme.report.analysis.scores import per_question


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


def reference(effects: dict[str, float], number: dict[str, int]) -> dict[str, Measured]:
    """Reference models with planted effects, and so many fine-tunes of each group (or five)."""
    no_plan: Any = None

    class Planted(Measured):
        spec = SPEC

    studies = {}
    for model, effect in effects.items():
        wordings = planted(effect, list(range(number.get(model, 5))))
        studies[model] = Planted(no_plan, [], wordings, per_question(wordings))
    return studies


LINKED = {"linked": 0.3, "half": 0.15, "unlinked": 0.0, "inverted": -0.3}


def test_signs_and_verdicts_follow_planted_links() -> None:
    studies = reference(LINKED, {"unlinked": 10})
    assert {s["model"]: s["outcome"] for s in signs(studies)} == dict.fromkeys(LINKED, "right")
    assert {v["model"]: v["outcome"] for v in known_verdicts(studies)} == dict.fromkeys(
        LINKED, "right"
    )


def test_a_zero_from_three_models_is_never_right_however_narrow() -> None:
    studies = reference(LINKED, {"unlinked": 3})
    for found in (*signs(studies), *known_verdicts(studies)):
        if found["model"] == "unlinked" and found.get("suite") != "behavior":
            assert found["outcome"] != "right"


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
def test_a_model_that_reads_otherwise_is_not_right(model: str, effect: float, outcome: str) -> None:
    studies = reference(LINKED | {model: effect}, {"unlinked": 10})
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
