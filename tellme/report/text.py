"""What `tellme run` and `tellme report` print: the verdict with its limits, the contrasts in the
order in which they count, and where the report is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.store.trust import means
from lab.table import aligned, between_text, p_text, side_text, signed
from tellme.report.analysis.formats import KindRecord
from tellme.report.analysis.hierarchy import Line, hierarchy, interval_text
from tellme.report.analysis.sentences import NO_PRIMARY, limits_text, verdict_text
from tellme.report.analysis.shared import Comparison, SharedContrast
from tellme.report.analysis.summary import Summary
from tellme.report.analysis.validity import ValidityRecord
from tellme.report.analysis.verdict import VerdictRecord

RESULTS = ("", "suite", "contrast", "estimate", "95 % interval", "p", "p adj.", "seeds")
LONGEST = 46
"""Characters of a contrast on one line."""
COMPARISON = ("suite", "behavior", "contrast", "study", "base", "estimate", "95 % interval")


def results_text(summary: Summary, folder: Path) -> str:
    """A finished study: what failed, the verdict and its limits, its tested contrasts."""
    lines = [
        f"NOT TO BE TRUSTED: {check['check']} failed for {check['group']}, seed {check['seed']}:"
        f" it must hold that {means(check)}"
        for check in summary["trust"]
        if not check["passed"]
    ]
    lines += [*_verdict_lines(summary), *check_lines(summary.get("check", []))]
    lines += _uncompared(summary)
    tested = hierarchy(summary)
    if tested:
        lines += aligned([RESULTS, *(cells for line in tested for cells in _cells(line))])
    lines += _notes(summary["verdicts"], tested)
    lines += _validity_lines(summary["validity"])
    return "\n".join([*lines, f"report: {folder}/report.html"])


def _uncompared(summary: Summary) -> Iterable[str]:
    """The groups whose answers nothing here could be compared with."""
    trust = summary["trust"]
    groups = [t["group"] for t in trust if t["check"].startswith("not_compared")]
    if groups:
        yield f"not compared with exact scores: {', '.join(dict.fromkeys(groups))}"


def _verdict_lines(summary: Summary) -> list[str]:
    """Every verdict, and below it what it leaves open."""
    lines = []
    for verdict in summary["verdicts"]:
        lines.append(verdict_text(verdict, summary["registration"]))
        lines += [f"  {kind}: {what}" for kind, what in limits_text(verdict)]
    return lines or [NO_PRIMARY]


def check_lines(kinds: Sequence[KindRecord]) -> Iterable[str]:
    """What is known of the base in the formats of the primary suite: those that it follows, and
    each that it does not, with the kinds of question that are asked in it."""
    followed = [kind["format"] for kind in kinds if kind["followed"] == "followed"]
    if followed:
        yield f"the base follows: {', '.join(dict.fromkeys(followed))}"
    of_format: dict[str, list[KindRecord]] = {}
    for kind in kinds:
        if kind["followed"] != "followed":
            of_format.setdefault(kind["format"], []).append(kind)
    for name, records in of_format.items():
        asked = ", ".join(record["kind"] for record in records)
        yield f"the base does not follow: {name} ({records[0]['said']}), which asks {asked}"


def _notes(verdicts: Iterable[VerdictRecord], tested: Sequence[Line]) -> Iterable[str]:
    """What cannot be seen of the table: what its p-values are of, and what its means are over."""
    if any(line["level"] == "H3 control" for line in tested):
        yield "p of H3: of a difference as large as the margin; a small one says that there is none"
    for verdict in verdicts:
        if verdict["kinds"]:
            kinds = ", ".join(verdict["kinds"])
            yield f"H1 is over the kinds of question that can be read in every group: {kinds}"


def _cells(line: Line) -> list[tuple[str, ...]]:
    """Cells of a contrast; its sides stand on two lines where they are long."""
    a, b = f"{side_text(line['a'])} -", side_text(line["b"])
    first, *more = [f"{a} {b}"] if len(f"{a} {b}") <= LONGEST else [a, b]
    cells = (
        signed(line["estimate"]),
        interval_text(line),
        p_text(line["p_value"]),
        p_text(line["p_adjusted"]),
        str(line["num_seeds"]),
    )
    table: list[tuple[str, ...]] = [
        (line["level"], f"{line['suite']} of {line['behavior']}", first, *cells)
    ]
    return table + [("", "", side, *("" for _ in cells)) for side in more]


def _validity_lines(records: Iterable[ValidityRecord]) -> Iterable[str]:
    """A line for every group and behavior of which a check failed."""
    failed: dict[tuple[str, str], list[str]] = {}
    for check in records:
        if check["passed"] is False:
            said = f"{check['check']} ({signed(check['value'])})"
            failed.setdefault((check["group"], check["behavior"]), []).append(said)
    for (group, behavior), checks in failed.items():
        yield f"validity of {group}, {behavior}: failed {', '.join(checks)}"


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
