"""The contrasts of a study in the order in which they count: what was trained moved, the primary,
the other declared ones, the controls."""

from collections.abc import Iterator
from typing import Literal

from lab.table import Bounds, between_text
from tellme.report.analysis.contrasts import ContrastRecord
from tellme.report.analysis.evidence import Evidence
from tellme.report.analysis.families import CONTROLS, PRIMARY
from tellme.report.analysis.summary import Summary
from tellme.report.analysis.verdict import VerdictRecord

Level = Literal["H0 moved", "H1 primary", "H2 secondary", "H3 control"]


class Line(Bounds):
    """A contrast over all questions of a suite, and where it stands."""

    level: Level
    suite: str
    behavior: str
    a: str
    b: str
    estimate: float
    at_ceiling: bool
    num_seeds: int
    p_value: float | None
    """Of a difference of 0; of a control, of a difference as large as the margin."""
    p_adjusted: float | None
    listed_a: float | None
    """Mean listed mass; None where what moved is no contrast that the study names."""
    listed_b: float | None
    conditional: float | None


def hierarchy(summary: Summary) -> list[Line]:
    """Every tested contrast, the first that counts first. What moved is among them where the study
    names that contrast, and is then not said twice."""
    moved = {_of_trained(verdict, one): one for verdict, one in _moved(summary)}
    tested = {_name(c): c for c in summary["contrasts"] if c["family"] is not None}
    named = [_of_contrast(contrast, name in moved) for name, contrast in tested.items()]
    at_h0 = {_name(line) for line in named if line["level"] == "H0 moved"}
    others = [_of_evidence(*name[:2], one) for name, one in moved.items() if name not in at_h0]
    return sorted([*others, *named], key=lambda line: line["level"])


def _moved(summary: Summary) -> Iterator[tuple[VerdictRecord, Evidence]]:
    for verdict in summary["verdicts"]:
        for one in verdict["shown"]:
            if one["kind"] == "does":
                yield verdict, one


Name = tuple[str, str, str, str]
"""Suite, behavior and sides."""


def _of_trained(verdict: VerdictRecord, one: Evidence) -> Name:
    return one["suite"], verdict["behavior"], _plain(one["a"]), _plain(one["b"])


def _name(contrast: ContrastRecord | Line) -> Name:
    sides = _plain(contrast["a"]), _plain(contrast["b"])
    return contrast["suite"], contrast["behavior"], *sides


def _plain(side: str) -> str:
    """A side as it is named without a condition, which is `clean`."""
    return side.replace("@clean", "")


def _of_contrast(contrast: ContrastRecord, moved: bool) -> Line:
    return {
        "level": _level(contrast["family"], moved),
        "suite": contrast["suite"],
        "behavior": contrast["behavior"],
        "a": contrast["a"],
        "b": contrast["b"],
        "estimate": contrast["estimate"],
        "ci_low": contrast["ci_low"],
        "ci_high": contrast["ci_high"],
        "at_ceiling": contrast["at_ceiling"],
        "num_seeds": contrast["num_seeds"],
        "p_value": contrast["p_value"],
        "p_adjusted": contrast["p_adjusted"],
        "listed_a": contrast["listed_a"],
        "listed_b": contrast["listed_b"],
        "conditional": contrast["conditional"],
    }


def _level(family: str | None, moved: bool) -> Level:
    if family == PRIMARY:
        return "H1 primary"
    if family == CONTROLS:
        return "H3 control"
    return "H0 moved" if moved else "H2 secondary"


def _of_evidence(suite: str, behavior: str, one: Evidence) -> Line:
    return {
        "level": "H0 moved",
        "suite": suite,
        "behavior": behavior,
        "a": one["a"],
        "b": one["b"],
        "estimate": one["estimate"],
        "ci_low": one["ci_low"],
        "ci_high": one["ci_high"],
        "at_ceiling": one["at_ceiling"],
        "num_seeds": one["num_seeds"],
        "p_value": None,
        "p_adjusted": None,
        "listed_a": None,
        "listed_b": None,
        "conditional": None,
    }


def interval_text(line: Line | ContrastRecord | Evidence) -> str:
    """The interval, or why there is none."""
    if line["at_ceiling"]:
        return f"at ceiling, {line['num_seeds']} of {line['num_seeds']}"
    return "one model a side" if line["ci_low"] is None else between_text(line)
