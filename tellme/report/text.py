"""What `tellme run` and `tellme report` print: contrasts, validity, and where the report is."""

from collections.abc import Iterable
from pathlib import Path

from lab.store.registration import Standing
from lab.store.trust import means
from lab.table import aligned, between_text, p_text, side_text, signed
from tellme.report.analysis.contrasts import ContrastRecord
from tellme.report.analysis.shared import Comparison, SharedContrast
from tellme.report.analysis.summary import Summary
from tellme.report.analysis.validity import ValidityRecord

RESULTS = ("suite", "behavior", "questions", "contrast", "estimate", "95 % interval")
COMPARISON = ("suite", "behavior", "contrast", "study", "base", "estimate", "95 % interval")


def results_text(summary: Summary, folder: Path) -> str:
    """A finished study: what failed, its contrasts, how its self-reports stood the checks."""
    lines = [
        f"NOT TO BE TRUSTED: {check['check']} failed for {check['group']}, seed {check['seed']}:"
        f" it must hold that {means(check)}"
        for check in summary["trust"]
        if not check["passed"]
    ]
    contrasts = [contrast for contrast in summary["contrasts"] if _is_printed(contrast)]
    lines += aligned([(*RESULTS, "p", "p adjusted", "seeds"), *map(_contrast_cells, contrasts)])
    if any(contrast["primary"] for contrast in contrasts):
        said = standing_text(summary["registration"])
        lines.append(f"* primary, {said}")
    lines += _validity_lines(summary["validity"])
    return "\n".join([*lines, f"report: {folder}/report.html"])


def standing_text(standing: Standing) -> str:
    """Whether a primary was declared before what it is about was measured."""
    if standing["status"] == "registered":
        return f"registered {standing['time']}"
    changed = f" (changed: {', '.join(standing['changed'])})" if standing["changed"] else ""
    return f"exploratory: {standing['reason']}{changed}"


def _is_printed(contrast: ContrastRecord) -> bool:
    """Seen and unseen questions of self-reports only; the report has them all."""
    if contrast["question"] == "all":
        return True
    return contrast["question"] in ("seen", "unseen") and contrast["suite"] == "self_report"


def _contrast_cells(contrast: ContrastRecord) -> tuple[str, ...]:
    return (
        contrast["suite"],
        contrast["behavior"],
        f"{contrast['question']} *" if contrast["primary"] else contrast["question"],
        f"{side_text(contrast['a'])} - {side_text(contrast['b'])}",
        signed(contrast["estimate"]),
        _interval_text(contrast),
        p_text(contrast["p_value"]),
        p_text(contrast["p_adjusted"]),
        str(contrast["num_seeds"]),
    )


def _interval_text(contrast: ContrastRecord) -> str:
    """The interval, or why there is none: `at ceiling, 3 of 3`."""
    if contrast["at_ceiling"]:
        return f"at ceiling, {contrast['num_seeds']} of {contrast['num_seeds']}"
    return between_text(contrast)


def _validity_lines(records: Iterable[ValidityRecord]) -> Iterable[str]:
    """A line a group and behavior: checks passed, failed, not measured."""
    of_groups: dict[tuple[str, str], list[ValidityRecord]] = {}
    for record in records:
        of_groups.setdefault((record["group"], record["behavior"]), []).append(record)
    for (group, behavior), checks in of_groups.items():
        passed = sum(check["passed"] is True for check in checks)
        line = f"validity of {group}, {behavior}: {passed} passed"
        for check in checks:
            if check["passed"] is False:
                line += f", {check['check']} failed ({signed(check['value'])})"
        missing = sum(check["value"] is None for check in checks)
        yield line + (f", {missing} not measured" if missing else "")


def comparison_text(comparison: Comparison, folder: Path) -> str:
    """Finished studies side by side: behavior, self-report and what is primary; the page has every
    contrast."""
    table: list[tuple[str, ...]] = [(*COMPARISON, "seeds")]
    for contrast in comparison["contrasts"]:
        primary = any(study["primary"] for study in contrast["studies"])
        if primary or contrast["suite"] in ("behavior", "self_report"):
            table += _compared_cells(contrast)
    return "\n".join([*aligned(table), *comparison["warnings"], f"report: {folder}/compare.html"])


def _compared_cells(contrast: SharedContrast) -> list[tuple[str, ...]]:
    sides = f"{side_text(contrast['a'])} - {side_text(contrast['b'])}"
    named = (contrast["suite"], contrast["behavior"], sides)
    lines: list[tuple[str, ...]] = [
        (
            *named,
            study["label"],
            study["base"],
            signed(study["estimate"]),
            between_text(study),
            str(study["num_seeds"]),
        )
        for study in contrast["studies"]
    ]
    pooled = contrast["pooled"]
    bases = f"{pooled['num_bases']} bases"
    few = f"{bases}: too few for an interval over bases"
    interval = few if pooled["ci_low"] is None else between_text(pooled)
    return [*lines, (*named, "all", bases, signed(pooled["estimate"]), interval, "")]
