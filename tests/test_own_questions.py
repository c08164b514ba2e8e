"""A user's own questions in a verdict: those about another person stand against those about the
model, as those of the lab do, and nothing else is taken for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from brought import birds, planned
from eval.evaluation import prepared
from eval.trust import to_compare
from lab.errors import UserError
from lab.specs import AnswerSpec, GroupSpec, StudySpec
from lab.stats.verdict import Reason
from tellme.report.analysis.reasons import trained
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.analysis.verdict import VerdictRecord, primaries, verdicts
from tellme.study.plan import Plan
from test_verdict import HONEST, QUIET, SPEC, Shifts, planted

MINE = SPEC.model_copy(update={"primary_suite": "mine"})
ECHO: Shifts = {**HONEST, **QUIET, "other_person": 0.5}
"""The model says of everybody what it says of itself."""


def of_file(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the lab's two suites as those of one file of a user's."""
    others = rows["suite"] == "other_person"
    flipped = rows["question"].str.endswith("_flipped")
    named = rows["question"].str.removesuffix("_flipped") + "_other"
    named += flipped.map({True: "_flipped", False: ""})
    return rows.assign(
        suite=rows["suite"].replace({"self_report": "mine", "other_person": "mine"}),
        question=rows["question"].mask(others, named),
        about=others.map({True: "other", False: "self"}),
    )


def verdict(rows: pd.DataFrame, spec: StudySpec) -> VerdictRecord:
    (found,) = verdicts(per_wording(rows), spec)
    return found


def apart(found: VerdictRecord) -> Reason:
    (reason,) = (one for one in found["reasons"] if one["check"] == "self_over_other")
    return reason


@pytest.mark.parametrize("shifts", [{**HONEST, **QUIET}, ECHO], ids=["honest", "echo"])
def test_the_verdict_is_that_of_the_same_questions_in_suites_of_the_lab(shifts: Shifts) -> None:
    rows = planted(shifts)
    own, of_lab = verdict(of_file(rows), MINE), verdict(rows, SPEC)
    assert apart(own)["value"] == pytest.approx(apart(of_lab)["value"])
    assert apart(own)["passed"] is (shifts is not ECHO)
    assert {**own, "suite": None, "shown": None} == {**of_lab, "suite": None, "shown": None}
    others = [
        [line["estimate"] for line in one["shown"] if line["kind"] == "others"]
        for one in (own, of_lab)
    ]
    assert others[0] == others[1] != []


def test_other_questions_of_the_same_names_do_not_stand_for_them() -> None:
    rows = of_file(planted({**HONEST, **QUIET}))
    without = rows[rows["about"] == "self"]
    suite_of_lab = rows[rows["about"] == "other"].assign(
        suite="other_person",
        about="self",
        question=rows["question"].str.replace("_other", ""),
    )
    another_file = rows[rows["about"] == "other"].assign(suite="theirs")
    for more in (suite_of_lab, another_file):
        found = verdict(pd.concat([without, more], ignore_index=True), MINE)
        assert apart(found)["passed"] is None
        assert "NAME_other" in apart(found)["needed"]
        assert found["verdict"] == "undecided"
    # Where both are there, those of the file count.
    both = pd.concat([of_file(planted(ECHO)), suite_of_lab], ignore_index=True)
    assert apart(verdict(both, MINE))["passed"] is False


def test_those_of_another_file_change_no_verdict_on_a_suite_of_the_lab() -> None:
    rows, echo = planted({**HONEST, **QUIET}), of_file(planted(ECHO))
    more = echo[echo["about"] == "other"]
    both = pd.concat([rows, more.assign(suite="theirs")], ignore_index=True)
    assert verdict(both, SPEC) == verdict(rows, SPEC)


def test_what_shows_what_moved_decides_whomever_it_is_about() -> None:
    rows = of_file(planted({**HONEST, **QUIET}))
    groups = {
        name: group.model_copy(update={"behavior": None}) for name, group in SPEC.groups.items()
    }
    spec = MINE.model_copy(update={"moved": "does", "groups": groups})
    for about in ("self", "other", "nothing"):
        does = rows["suite"] == "behavior"
        named = rows.assign(
            suite=rows["suite"].mask(does, "does"),
            about=rows["about"].mask(does, about),
            behavior="no behavior",
        )
        (moved,) = (r for r in verdict(named, spec)["reasons"] if r["check"] == "moved")
        assert (moved["value"], moved["passed"]) == (pytest.approx(0.9, abs=0.05), True)


def test_answers_that_do_not_say_whom_they_are_about_are_about_the_model() -> None:
    """Those of an earlier version, beside others of this one."""
    rows = planted({**HONEST, **QUIET})
    for said in (None, "self"):
        later = rows["suite"].eq("self_report").map({True: said, False: "self"})
        asked = per_wording(rows.assign(about=later))
        assert not asked["presupposes"].any()
        assert per_question(asked).equals(per_question(per_wording(rows)))


def test_rows_of_a_benign_file_are_no_descriptions_and_moved_what_the_study_names() -> None:
    """Whichever side comes first: what moved is never read from the primary itself."""
    groups = {
        "mine": GroupSpec(behavior=None),
        "theirs": GroupSpec(behavior=None, control="benign", of="mine"),
    }
    rows = of_file(planted({**HONEST, **QUIET})).assign(behavior="no behavior")
    rows["group"] = rows["group"].replace({"seeking": "mine", "averse": "theirs"})
    for pair in (("mine", "theirs"), ("theirs", "mine")):
        said = {"moved": "behavior", "groups": groups, "primary": (pair,), "contrasts": (pair,)}
        (primary,) = primaries(per_wording(rows), MINE.model_copy(update=said))
        assert trained(primary) == ("behavior", *pair)


def plan_of(folder: Path, questions: str, **settings: Any) -> Plan:
    """The plan of a study with these questions in `own.yaml`."""
    file = folder / "own.yaml"
    file.write_text(questions)
    groups = {name: {"file": str(birds(folder, answer=name, name=name))} for name in "ab"}
    return planned(
        folder,
        groups,
        contrasts=[["a", "b"]],
        questions=[str(file)],
        **{"primary": {"contrast": ["a", "b"], "suite": "own"}, **settings},
    )


SCORED = "kind: words, wordings: ['Which?'], options: {a: 1, b: 0}"


@pytest.mark.parametrize(
    "entry",
    [
        f"{{name: x, {SCORED}, about: other}}",
        f"{{name: x, {SCORED}, about: nothing}}",
        f"{{name: x, {SCORED}, presupposes: true}}",
        "{name: x, kind: text, wordings: ['Who?']}",
    ],
)
def test_a_primary_of_which_nothing_decides_is_refused_before_it_is_trained(
    entry: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"primary\.suite 'own': no question of it is about the"):
        plan_of(tmp_path, f"- {entry}\n")
    # It may be asked, as long as the verdict is about another suite.
    assert plan_of(tmp_path, f"- {entry}\n", primary=None).cells


def test_a_primary_of_too_few_kinds_is_told_so(tmp_path: Path) -> None:
    two = f"- {{name: x, {SCORED}}}\n- {{name: x_flipped, {SCORED}}}\n- {{name: y, {SCORED}}}\n"
    (note,) = (n for n in plan_of(tmp_path, two).notes if "primary.suite" in n)
    assert "has 2 kinds of question about the model itself, and a verdict takes 3" in note
    three = f"{two}- {{name: z, {SCORED}}}\n"
    assert not any("primary.suite" in note for note in plan_of(tmp_path, three).notes)


def test_no_thought_stands_before_an_answer_that_has_begun(tmp_path: Path) -> None:
    begun = "- {name: x, kind: text, wordings: ['Who?'], prefill: 'I am '}\n"
    thinking = {"sampling": {"thinking": True}}
    with pytest.raises(UserError, match="question 'x': an answer that has begun"):
        plan_of(tmp_path, begun, primary=None, eval=thinking)
    listed = f"- {{name: x, {SCORED}, prefill: 'I am '}}\n"
    assert plan_of(tmp_path, listed, primary=None, eval=thinking).cells


def test_an_adapter_is_looked_at_before_an_answer_begins(tmp_path: Path) -> None:
    """Where nothing is known of what it learned, a word is compared, which may not go on with the
    beginning of an answer."""
    begun = "- {name: x, kind: text, wordings: ['Who?'], prefill: 'I am'}\n"
    plan = plan_of(tmp_path, begun, primary=None)
    (spec, *_) = (s.spec for s in plan.stages.values() if isinstance(s.spec, AnswerSpec))
    asked = prepared(spec, reads_lists=True, examples=None)
    assert [item.chat[-1]["role"] for item in asked.items] == ["assistant"]
    assert [prompt.chat[-1]["content"] for prompt in to_compare(asked, None)] == ["Who?"]


def test_a_plan_says_where_more_is_known_of_a_file_than_is_asked(tmp_path: Path) -> None:
    theirs = "- {question: 'Who?', points: 3}\n"
    (note,) = plan_of(tmp_path, theirs, primary=None, eval={"suites": []}).notes
    assert note == f"not all of its keys are used: see `tellme questions {tmp_path / 'own.yaml'}`"
    plain = theirs.replace(", points: 3", "")
    assert not plan_of(tmp_path, plain, primary=None, eval={"suites": []}).notes


def test_a_judge_that_cannot_grade_keeps_a_study_from_being_planned(tmp_path: Path) -> None:
    text = "- {name: x, kind: text, wordings: ['Who?'], judge: language, options: {Klingon: 1}}\n"
    with pytest.raises(UserError, match=r"suite 'own', question 'x': judge 'language' .*Klingon"):
        plan_of(tmp_path, text, primary=None)
    free = "- {name: x, kind: text, wordings: ['Who?']}\n"
    with pytest.raises(UserError, match="judge 'contains' reads answers as its `options`"):
        plan_of(tmp_path, free, primary=None, eval={"judge": "contains"})
