"""What a reader sees first: the verdict with its limits, the same numbers in its figure, then the
contrasts in the order in which they count. On planted rows, and on a study that ran."""

from __future__ import annotations

import math
import re
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lab.specs import GroupSpec, Stage, StudySpec
from lab.store.registration import Standing
from lab.store.store import Store
from lab.types import Fields
from tellme.report.analysis.contrasts import contrast_estimates
from tellme.report.analysis.hierarchy import hierarchy
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.analysis.summary import Summary, read_summary
from tellme.report.analysis.verdict import VerdictRecord, verdicts
from tellme.report.figures.tables import verdict_table
from tellme.report.gather import study_of
from tellme.report.report import write_study
from tellme.report.text import results_text
from tellme.study.plan import Plan

Finished = tuple[Plan, Store, Path]
REGISTERED: Standing = {
    "status": "registered",
    "reason": None,
    "time": "2026-01-02 03:04:05 UTC",
    "hash": "0",
    "changed": [],
}
LATER: Standing = {
    "status": "exploratory",
    "reason": "chosen after measuring",
    "time": None,
    "hash": None,
    "changed": ["primary"],
}
SHIFTS = (0.02, -0.03, 0.05, -0.01, 0.04, 0.03, -0.02, 0.01)
"""Of eight unrelated traits."""
KINDS = ("love", "letter", "degree", "word")


def spec(**more: Any) -> StudySpec:
    """seeking against averse in self-reports, with a shuffled control of seeking."""
    return StudySpec(
        study="planted",
        cells=(),
        groups={
            "seeking": GroupSpec(behavior="risk"),
            "averse": GroupSpec(behavior="risk"),
            "shuffled": GroupSpec(control="shuffled", of="seeking", null=True),
        },
        contrasts=(("seeking", "base"), ("seeking", "averse"), ("shuffled", "base")),
        primary_suite="self_report",
        primary=(("seeking", "averse"),),
        of_self=True,
        **more,
    )


def planted(says: float, others: float = 0.0, does: float = 0.8) -> pd.DataFrame:
    """Rows in which seeking and averse lie so far apart, around one half, in what they do, say of
    themselves and say of others; `shuffled` and `base` at one half."""
    sign = {"seeking": 0.5, "averse": -0.5, "shuffled": 0.0, "base": 0.0}
    apart = {("behavior", "choice"): does}
    apart |= {("self_report", kind): says for kind in KINDS}
    apart |= {("other_person", kind): others for kind in KINDS}
    apart |= {("unrelated_trait", f"t{i}.love"): shift for i, shift in enumerate(SHIFTS)}
    rows = []
    for (group, side), seed, ((suite, question), size) in product(
        sign.items(), range(3), apart.items()
    ):
        value = 0.5 + side * size + 0.01 * (seed - 1)
        if group == "base" and seed:
            continue
        prompt = {
            "group": group,
            "seed": None if group == "base" else seed,
            "suite": suite,
            "behavior": "risk",
            "question": question,
            "kind": "letters",
            "paraphrase": 0,
            "order": 0,
            "seen": False,
            "condition": "clean",
            "outside": 0.0,
            "presupposes": False,
            "free": False,
        }
        for answer, p, score in (("A", value, 1.0), ("B", 1 - value, 0.0)):
            rows.append(
                {**prompt, "answer": answer, "score": score, "p_exact": p} | {"logp": math.log(p)}
            )
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def summary(rows: pd.DataFrame, of: StudySpec, declared: Standing = REGISTERED) -> Summary:
    wordings = per_wording(rows)
    return {
        "study": "planted",
        "key": "0",
        "registration": declared,
        "verdicts": verdicts(wordings, of),
        "groups": [],
        "contrasts": contrast_estimates(per_question(wordings), of),
        "validity": [],
        "off_target": [],
        "trust": [],
    }


def printed(found: Summary) -> list[str]:
    return results_text(found, Path("there")).splitlines()


def check(verdict: VerdictRecord, name: str) -> Fields:
    (found,) = (reason for reason in verdict["reasons"] if reason["check"] == name)
    return {"value": found["value"], "needed": found["needed"]}


def test_a_figure_shows_the_numbers_that_the_checks_read() -> None:
    (verdict,) = summary(planted(0.6, 0.1), spec())["verdicts"]
    of_kind: dict[str, list[float]] = {}
    for one in verdict["shown"]:
        of_kind.setdefault(one["kind"], []).append(one["estimate"])
    assert of_kind["does"] == [check(verdict, "moved")["value"]] == [pytest.approx(0.8)]
    assert of_kind["says"] == [verdict["estimate"]] == [pytest.approx(0.6)]
    assert of_kind["others"] == [pytest.approx(0.1)]
    apart = of_kind["says"][0] - of_kind["others"][0]
    assert apart == pytest.approx(check(verdict, "self_over_other")["value"])
    # Both sides against the control: together they are the primary.
    first, second = of_kind["control"]
    assert first == pytest.approx(check(verdict, "over_shuffled")["value"])
    assert first - second == pytest.approx(verdict["estimate"])
    assert of_kind["unrelated"] == pytest.approx(list(SHIFTS))
    table = verdict_table([verdict])
    (zone,) = table.loc[table["kind"] == "limit", "ci_high"]
    assert f"beyond {zone:+.3f}" in str(check(verdict, "beyond_placebo")["needed"])
    (margin,) = table.loc[table["kind"] == "margin", "ci_high"]
    assert margin == verdict["margin"]


def test_models_of_a_line_average_to_it() -> None:
    (verdict,) = summary(planted(0.6), spec())["verdicts"]
    for one in verdict["shown"]:
        assert len(one["models"]) == 3
        assert sum(one["models"]) / 3 == pytest.approx(one["estimate"])


SAID = {
    0.6: "verdict: yes: seeking - averse says it of itself (self_report of risk): +0.600",
    0.0: "verdict: no: seeking - averse does not say it of itself",
    -0.6: "verdict: no, opposite sign: seeking - averse says the opposite of itself",
    0.12: "verdict: undecided: whether seeking - averse says it of itself",
}


@pytest.mark.parametrize("says", SAID)
def test_the_verdict_is_the_first_line_and_the_report_the_last(says: float) -> None:
    first, *others, last = printed(summary(planted(says), spec()))
    assert first.startswith(SAID[says])
    assert first.endswith("registered 2026-01-02 03:04:05 UTC")
    assert last == "report: there/report.html"
    assert any(line.startswith("  failed: ") for line in others) == (says != 0.6)
    assert any(line.startswith("  would decide: ") for line in others) == (says == 0.12)
    assert any(line.startswith("  caution: with 3 models") for line in others) == (says == 0.6)


def test_less_is_said_where_less_was_declared() -> None:
    """The same rows with the other direction: what was a yes is an opposite sign."""
    found = summary(planted(0.6), spec(direction="less"))
    assert printed(found)[0].startswith("verdict: no, opposite sign: ")
    found = summary(planted(-0.6), spec(direction="less"))
    assert printed(found)[0].startswith("verdict: yes: ")


def test_a_verdict_that_was_not_registered_says_so_before_it_is_given() -> None:
    first = printed(summary(planted(0.6), spec(), LATER))[0]
    assert first.startswith("verdict (exploratory: chosen after measuring; changed: primary): yes")
    assert "registered" not in first


def test_a_check_that_was_not_made_is_named_with_what_it_needs() -> None:
    rows = planted(0.6)
    lines = printed(summary(rows[rows["suite"] != "other_person"], spec()))
    assert lines[0].startswith("verdict: undecided")
    (missing,) = (line for line in lines if line.startswith("  not made: "))
    assert missing.startswith("  not made: self_over_other, needs: suite other_person")


def test_what_failed_trust_stands_above_the_verdict() -> None:
    found = summary(planted(0.6), spec())
    found["trust"] = [
        {
            "group": "seeking",
            "seed": 0,
            "check": "mask",
            "passed": False,
            "value": 1.0,
            "threshold": 0.0,
        }
    ]
    first, second, *_ = printed(found)
    assert first.startswith("NOT TO BE TRUSTED: mask failed for seeking, seed 0")
    assert second.startswith("verdict: yes")


def test_a_study_without_a_primary_says_how_to_name_one() -> None:
    bare = spec().model_copy(update={"primary": (), "primary_suite": None, "of_self": False})
    first, *others = printed(summary(planted(0.6), bare))
    assert first.startswith("no verdict: the study names no primary")
    assert "{contrast: [A, B], suite: self_report}" in first
    assert not any(line.startswith(("H0", "H1")) for line in others)
    assert any(line.startswith("H2") and "seeking - averse" in line for line in others)


def test_contrasts_come_in_the_order_in_which_they_count_each_once() -> None:
    found = summary(planted(0.6), spec())
    lines = [(t["level"], t["suite"], t["a"], t["b"]) for t in hierarchy(found)]
    assert lines[:2] == [
        ("H0 moved", "behavior", "seeking", "averse"),
        ("H1 primary", "self_report", "seeking", "averse"),
    ]
    levels = [level for level, *_ in lines]
    assert levels == sorted(levels)
    assert len({line[1:] for line in lines}) == len(lines)
    controls = {line[2:] for line in lines if line[0] == "H3 control"}
    assert controls == {("shuffled", "base")}
    # Single questions are described, not tested.
    assert len(lines) == sum(c["question"] == "all" for c in found["contrasts"])


def test_what_moved_stands_first_though_the_study_does_not_name_that_contrast() -> None:
    """Against base the behavior is that of the control's."""
    against_base = spec().model_copy(update={"primary": (("seeking", "base"),)})
    moved, *others = hierarchy(summary(planted(0.6), against_base))
    assert (moved["level"], moved["a"], moved["b"]) == ("H0 moved", "seeking", "shuffled")
    assert moved["estimate"] == pytest.approx(0.4)
    assert moved["p_value"] is None
    primary = others[0]
    assert (primary["level"], primary["a"], primary["b"]) == ("H1 primary", "seeking", "base")


def test_a_page_has_the_answer_and_its_limits_above_the_fold(finished: Finished) -> None:
    page = (finished[2] / "report.html").read_text(encoding="utf-8")
    found = read_summary(finished[2])
    body = page[page.index("<body>") :]
    fold = body.index('<details class="part">')
    answer, figure = body.index('class="answer"'), body.index('id="verdict"')
    assert answer < figure < body.index("H1 primary") < fold
    (verdict,) = found["verdicts"]
    above = body[:fold]
    assert f"registered {found['registration']['time']}" in above
    assert "reference/linked" in above
    for reason in verdict["reasons"]:
        assert f">{reason['check']}</td>" in above
    assert above.count("not made") >= 1, "this study asks nothing about others or other traits"
    assert "would decide" in above
    # Below the fold all is folded.
    assert not re.findall(r"<h2>", body[fold:])
    assert body.count('<details class="part"') == body.count("</details>") - _inner(body)


def test_a_page_without_a_primary_says_so_in_place_of_a_verdict(
    finished: Finished, tmp_path: Path
) -> None:
    plan, store, _ = finished
    none = {"primary": (), "primary_suite": None}
    spec = study_of(plan.final).model_copy(update=none)
    write_study(Stage(slug="none", spec=spec, how=plan.final.how), store, tmp_path, False)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no verdict: the study names no primary" in page
    assert 'class="answer"' not in page
    assert not (tmp_path / "figures" / "verdict.svg").exists()


def _inner(body: str) -> int:
    """Folds within a fold."""
    return len(re.findall(r"<details(?! class=\"part\")", body))
