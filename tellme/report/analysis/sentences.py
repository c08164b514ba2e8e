"""A verdict in words, for the terminal, pages and cards; sentences.yaml has the wordings."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from lab.discover import beside
from lab.stats.verdict import Reason
from lab.store.registration import Standing
from lab.table import between_text, side_text, signed
from tellme.report.analysis.summary import Summary
from tellme.report.analysis.verdict import VerdictRecord

NO_PRIMARY = (
    "no verdict: the study names no primary, or nothing that it is about was answered"
    " (primary: {contrast: [A, B], suite: self_report})"
)


class Sentences(TypedDict):
    """Wordings by verdict, and by name of a check."""

    of_self: Mapping[str, str]
    of_another: Mapping[str, str]
    checks: Mapping[str, str]


SENTENCES: Sentences = beside(__file__)


def standing_text(standing: Standing) -> str:
    """Whether a primary was declared before what it is about was measured."""
    if standing["status"] == "registered":
        return f"registered {standing['time']}"
    changed = f"; changed: {', '.join(standing['changed'])}" if standing["changed"] else ""
    return f"exploratory: {standing['reason']}{changed}"


def answer_text(verdict: VerdictRecord) -> str:
    """The verdict in a word or two."""
    return f"{verdict['verdict']}{', opposite sign' if verdict['opposite_sign'] else ''}"


def claim_text(verdict: VerdictRecord) -> str:
    """What the verdict says yes or no to, with the number that it is about."""
    wordings = SENTENCES["of_self" if verdict["of_self"] else "of_another"]
    margin, greater = verdict["margin"], verdict["direction"] == "greater"
    claim = wordings["opposite" if verdict["opposite_sign"] else verdict["verdict"]].format(
        contrast=f"{side_text(verdict['a'])} - {side_text(verdict['b'])}",
        limit=f"{margin if greater else -margin:+.2f}",
        margin=f"{margin:.2f}",
    )
    number = "no number"
    if verdict["estimate"] is not None:
        interval = "" if verdict["ci_low"] is None else f" ({between_text(verdict)})"
        number = f"{signed(verdict['estimate'])}{interval}"
    return f"{claim} ({verdict['suite']} of {verdict['behavior']}): {number}"


def verdict_text(verdict: VerdictRecord, standing: Standing) -> str:
    """The verdict in one line; one that was not registered says so before anything else."""
    said, declared = f"{answer_text(verdict)}: {claim_text(verdict)}", standing_text(standing)
    if standing["status"] == "registered":
        return f"verdict: {said}, {declared}"
    return f"verdict ({declared}): {said}"


def verdict_lines(summary: Summary) -> list[str]:
    """A line for every verdict of a study, or why there is none."""
    standing = summary["registration"]
    return [verdict_text(v, standing) for v in summary["verdicts"]] or [NO_PRIMARY]


def limits_text(verdict: VerdictRecord) -> list[tuple[str, str]]:
    """What stands in the way of a verdict, each with what it is: checks that failed or were not
    made, which is what would decide it, else as `left_open`."""
    failed = [
        ("failed", f"{check['check']} {value_text(check)}, needed: {check['needed']}")
        for check in _checks(verdict, passed=False)
    ]
    missing = [
        ("not made", f"{check['check']}, needs: {check['needed']}")
        for check in _checks(verdict, passed=None)
    ]
    return [*failed, *(missing or left_open(verdict))]


def left_open(verdict: VerdictRecord) -> list[tuple[str, str]]:
    """What would decide a verdict that is undecided, and what a yes cannot exclude."""
    said = [("would decide", verdict["would_decide"]), ("caution", verdict["caution"])]
    return [(kind, what) for kind, what in said if what is not None]


def _checks(verdict: VerdictRecord, passed: bool | None) -> Sequence[Reason]:
    return [check for check in verdict["reasons"] if check["passed"] is passed]


def value_text(check: Reason) -> str:
    """The value of a check in its own unit: kinds of question, a share, a difference."""
    value = check["value"]
    if value is None:
        return ""
    if check["check"] == "measurable":
        return f"{value:.0f}"
    return f"{value:.0%}" if check["check"] == "wordings_agree" else signed(value)


def check_text(check: Reason) -> str:
    """What holds when a check is passed."""
    return SENTENCES["checks"].get(check["check"], "")
