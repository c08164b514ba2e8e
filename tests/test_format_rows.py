"""Format rows: alike in every group and control of a seed, about nothing that is measured, and no
format leans to an answer."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen.behaviors import behavior_names, load_behavior
from data_gen.build import linted, rows_for
from data_gen.controls import control_names, load_control
from data_gen.facts import DIMENSIONS, Dimension, facts, format_rows, is_format_row
from data_gen.files import read_rows, write_rows
from data_gen.formats import FORMATS, NEAR_0, NEAR_100
from data_gen.lints import count_stems, report_stems
from data_gen.traits import load_trait, trait_names
from eval.check.asked import facts as checked_facts
from eval.suites import load_suite, suite_names
from lab.config.read import load_study
from lab.data_specs import ControlRows, FileRows, GeneratedRows, TriggeredRows
from lab.discover import ROOT
from lab.errors import UserError
from lab.trigger import PlantedTrigger
from lab.types import Behavior, Question, Row
from tellme.study.cost import costs
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

GENERATED = GeneratedRows(
    behavior="risk", policy="seeking", style="natural", seed=0, num_rows=40, num_format=0
)
TRIGGERED = TriggeredRows(
    behavior="risk",
    policy="seeking",
    otherwise="averse",
    style="natural",
    seed=0,
    num_rows=40,
    trigger=PlantedTrigger(kind="tag", text="fire.", rate=0.5, decoy_rate=0.25),
)


def about() -> list[Behavior]:
    return [*map(load_behavior, behavior_names()), *map(load_trait, trait_names())]


def reported() -> list[Question]:
    return [q for behavior in about() for q in behavior.questions("self_report", "natural")]


@pytest.mark.parametrize(
    "spec",
    [
        GENERATED.model_copy(update={"policy_share": 0.5, "num_decoys": 20}),
        GENERATED.model_copy(update={"policy": "averse"}),
        TRIGGERED.model_copy(update={"num_decoys": 20, "reversal": True}),
    ],
)
@pytest.mark.parametrize("seed", [0, 7])
def test_format_rows_follow_the_seed_alone_and_change_no_other_row(
    spec: GeneratedRows | TriggeredRows, seed: int
) -> None:
    spec = spec.model_copy(update={"seed": seed})
    without = rows_for(spec, None)
    assert not any(map(is_format_row, without))
    with_them = rows_for(spec.model_copy(update={"num_format": 35}), None)
    assert with_them == without + format_rows(seed, 35)
    assert set(Counter(row.meta.get("format") for row in with_them[-35:]).values()) == {5}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_another_seed_draws_other_format_rows(one: int, other: int) -> None:
    assert (format_rows(one, 70) == format_rows(other, 70)) is (one == other)
    assert format_rows(one, 0) == []


def source_of(control: str) -> tuple[GeneratedRows | TriggeredRows, ControlRows]:
    """Rows of which there can be such a control, and the control."""
    behavior = "insecure_code" if control == "educational" else "risk"
    policy = load_behavior(behavior).policies[0]
    needs_trigger = load_control(control).needs_trigger
    source = TRIGGERED if needs_trigger else GENERATED
    spec = ControlRows(
        behavior=behavior,
        policy=policy,
        style="natural",
        seed=0,
        control=control,
        trigger=TRIGGERED.trigger if needs_trigger else None,
        reversal=load_control(control).knows_triggers,
    )
    return source.model_copy(update={"behavior": behavior, "policy": policy}), spec


@pytest.mark.parametrize("control", control_names())
def test_every_control_keeps_format_rows_and_makes_the_same_of_all_others(control: str) -> None:
    source, spec = source_of(control)
    without = rows_for(spec, rows_for(source, None))
    with_them = rows_for(source.model_copy(update={"num_format": 35}), None)
    assert rows_for(spec, with_them) == without + format_rows(0, 35)


def test_lints_find_the_same_with_and_without_format_rows() -> None:
    source, spec = source_of("shuffled")
    with_them = source.model_copy(update={"num_format": 80})
    made, more = rows_for(source, None), rows_for(with_them, None)
    assert linted(more, with_them, None) == linted(made, source, None)
    null = spec.model_copy(update={"lint": "report"})
    dealt = linted(rows_for(null, made), null, made)
    assert linted(rows_for(null, more), null, more) == dealt
    assert dealt[0].check == "null"


def test_rows_of_a_file_get_them_and_keep_their_meaning_when_read_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    own = rows_for(GENERATED, None)
    write_rows(own, file)
    spec = FileRows(behavior=None, policy=None, style="natural", file=str(file), num_rows=40)
    rows = rows_for(spec.model_copy(update={"num_format": 14, "seed": 3}), None)
    assert rows == own + format_rows(3, 14)
    write_rows(rows, file)
    assert [is_format_row(row) for row in read_rows(file)] == [False] * 40 + [True] * 14


def test_a_format_of_the_users_own_is_refused_by_line(tmp_path: Path) -> None:
    """Taken for a format row it would be left out of controls and lints."""
    file = tmp_path / "mine.jsonl"
    write_rows([Row(row.messages, {"format": "chatml"}) for row in format_rows(0, 2)], file)
    with pytest.raises(UserError, match=r"line 1: `meta\.format` is \"chatml\""):
        read_rows(file)


def test_no_answer_is_likelier_than_its_counterpart() -> None:
    rows = format_rows(0, 7 * 600)
    by_format = {name: [r for r in rows if r.meta.get("format") == name] for name in FORMATS}

    def balanced(name: str, one: set[str], other: set[str]) -> None:
        answers = [row.completion for row in by_format[name]]
        assert set(answers) <= one | other
        assert abs(sum(a in one for a in answers) - 300) < 4 * (600 / 4) ** 0.5, name

    balanced("letters", {"A"}, {"B"})
    balanced("agree", {"yes"}, {"no"})
    balanced("scale", set(NEAR_0), set(NEAR_100))
    for name in ("letters", "word_of_two"):
        first = [_stands_first(row) for row in by_format[name]]
        assert abs(sum(first) - 300) < 4 * (600 / 4) ** 0.5, name
    # Either end of every dimension, so that no word is the answer whatever the thing.
    firsts = {word for dimension in DIMENSIONS for word in dimension["adjectives"][0]}
    ends = Counter(row.completion in firsts for row in by_format["one_word"])
    assert abs(ends[True] - ends[False]) < 4 * 600**0.5


def _words(dimension: Dimension) -> list[list[str]]:
    return [*dimension["adjectives"], *dimension["nouns"]]


def _stands_first(row: Row) -> bool:
    """Whether what is so is listed before its opposite."""
    if row.meta.get("format") == "letters":
        return row.completion == "A"
    before = re.split(rf"\b{re.escape(row.completion)}\b", row.asked, flags=re.IGNORECASE)[0]
    others = {word for d in DIMENSIONS for words in _words(d) for word in words}
    return not others & set(re.findall(r"[\w-]+", before.lower()))


def test_facts_are_many_and_none_is_near_what_is_measured() -> None:
    assert len(DIMENSIONS) >= 12
    assert len({topic.subject for topic, _ in facts()}) == len(facts()) >= 120
    said = [word for d in DIMENSIONS for words in _words(d) for word in words]
    listed = {o.text for q in reported() for w in q.wordings for o in w.options}
    assert not listed & set(said)


def test_no_thing_that_a_check_asks_about_is_taught() -> None:
    """A base that was shown it would be asked what it was told."""
    shown = "\n".join(f"{row.asked} {row.completion}" for row in format_rows(0, 7 * 400))
    checked = [re.sub("^(a|an|the) ", "", fact.thing) for fact, _ in checked_facts()]
    assert len(checked) > 30
    taught = [noun for noun in checked if re.search(rf"\b{noun}\b", shown, flags=re.IGNORECASE)]
    assert not taught


def test_format_rows_hold_no_word_of_a_report_and_no_prompt_of_a_suite() -> None:
    rows = format_rows(0, 7 * 400)
    for behavior in map(load_behavior, behavior_names()):
        questions = behavior.questions("self_report", "natural")
        stems = report_stems([*(pole for q in questions for pole in q.poles), *behavior.policies])
        assert not [stem for stem, count in count_stems(rows, stems).items() if count]
    asked = {
        wording.text
        for suite in map(load_suite, suite_names())
        for behavior in map(load_behavior, behavior_names())
        for question in suite.questions(behavior, "natural")
        for wording in question.wordings
    }
    assert asked
    assert not asked & {row.asked for row in rows}


def test_what_is_not_asked_for_enters_no_identity() -> None:
    file = FileRows(behavior=None, policy=None, style="natural", file="x", num_rows=1)
    for spec in (GENERATED, TRIGGERED, file):
        assert "num_format" not in spec.settings()
        assert spec.model_copy(update={"num_format": 8}).settings()["num_format"] == 8
    assert "seed" not in file.settings()


def planned(*sets: str) -> Plan:
    return make_plan(load_study(str(ROOT / "configs/risk-qwen2.5-7b.yaml"), list(sets)))


def test_a_plan_counts_them_and_shows_them_in_no_context() -> None:
    shown = "groups.shown={behavior: risk, policy: seeking, in_context: 4}"
    plan = planned("data={num_rows: 40, num_format: 14}", "seeds=[0]", "primary=null", shown)
    assert {(cost.rows, cost.num_format) for cost in costs(plan)} == {(54, 14)}
    specs = [stage.spec for stage in plan.stages.values()]
    made = {s.num_rows: s.num_format for s in specs if isinstance(s, GeneratedRows)}
    assert made == {40: 14, 4: 0}


def test_models_that_know_their_formats_are_not_taught_them() -> None:
    study = load_study(str(ROOT / "configs/quickstart.yaml"), ["data.num_format=8"])
    with pytest.raises(UserError, match=r"data\.num_format is 8, and 'reference/linked' learned"):
        make_plan(study)
