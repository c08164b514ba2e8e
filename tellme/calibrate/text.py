"""What `tellme calibrate` prints: signs, verdicts, how far reports reach, verdicts counted over
studies, spreads, faults and doses, a table each."""

from pathlib import Path

from lab.table import MINUS, aligned, between_text, plain, signed
from tellme.calibrate.faults import Fault
from tellme.calibrate.results import Calibration, Reach
from tellme.calibrate.signs import KnownVerdict, Outcome, Sign, verdict_text
from tellme.calibrate.spread import Spread
from tellme.calibrate.studies import Tally, counts_of
from tellme.report.analysis.dose import DoseRecord

SIGNS = ("model", "behavior", "suite", "estimate", "95 % interval", "models", "expected", "outcome")
VERDICTS = (
    "verdict on",
    "behavior",
    "is",
    "estimate",
    "models",
    "expected",
    "outcome",
    "a yes fails",
)
REACH = ("reach of", "behavior", "questions", "estimate", "95 % interval")
TALLIES = (
    *("studies of", "contrast", "studies", "yes", "no", "opposite", "undecided", "not measurable"),
    *("rate of yes", "excludes 0", "beyond margin", "placebo RMS"),
)
SPREADS = ("spread of", "suite", "models", "SD", "80 % power at")
FAULTS = ("fault", "caught", "by", "healthy twin passes")
DOSES = ("dose", "self-report per behavior", "95 % interval", "F")
"""Heads of the tables."""


def calibration_text(results: Calibration, folder: Path) -> str:
    """The tables of a calibration that have lines, and where its page is."""
    tables = (
        (SIGNS, [_sign_cells(sign) for sign in results["signs"]]),
        (VERDICTS, [_verdict_cells(verdict) for verdict in results["verdicts"]]),
        (REACH, [_reach_cells(reach) for reach in results["reach"]]),
        (TALLIES, [_tally_cells(tally) for tally in results["tallies"]]),
        (SPREADS, [_spread_cells(spread) for spread in results["spreads"]]),
        (FAULTS, [_fault_cells(fault) for fault in results["faults"]]),
        (DOSES, [_dose_cells(dose) for dose in results["dose"]]),
    )
    parts = ["\n".join(aligned([head, *lines])) for head, lines in tables if lines]
    return "\n\n".join(parts) + f"\nreport: {folder}/report.html"


def _sign_cells(sign: Sign) -> tuple[str, ...]:
    return (
        sign["model"],
        sign["behavior"],
        sign["suite"],
        signed(sign["estimate"]),
        between_text(sign),
        f"{sign['num_seeds']}",
        sign["expected"],
        _seen(sign["outcome"]),
    )


def _verdict_cells(found: KnownVerdict) -> tuple[str, ...]:
    return (
        found["model"],
        found["behavior"],
        verdict_text(found["verdict"], found["opposite_sign"]),
        signed(found["estimate"]),
        f"{found['num_seeds']}",
        found["expected"],
        _seen(found["outcome"]),
        ", ".join(found["stopped_by"]),
    )


def _reach_cells(reach: Reach) -> tuple[str, ...]:
    return (
        reach["model"],
        reach["behavior"],
        reach["novelty"],
        signed(reach["estimate"]),
        between_text(reach),
    )


def _tally_cells(tally: Tally) -> tuple[str, ...]:
    total = tally["num_studies"]
    return (
        tally["part"],
        f"{tally['a']} {MINUS} {tally['b']}",
        f"{total}",
        *(f"{count}" for count in counts_of(tally).values()),
        f"{tally['yes_at_least']:.3f} to {tally['yes_at_most']:.3f}",
        plain(tally["excludes_zero"] / total),
        plain(tally["beyond_margin"] / total),
        plain(tally["placebo_rms"]),
    )


def _spread_cells(spread: Spread) -> tuple[str, ...]:
    return (
        spread["group"],
        spread["suite"],
        f"{spread['num_models']}",
        plain(spread["deviation"]),
        plain(spread["detectable"]),
    )


def _fault_cells(fault: Fault) -> tuple[str, ...]:
    return (fault["name"], _yes(fault["caught"]), fault["by"], _yes(fault["healthy_twin_passes"]))


def _dose_cells(dose: DoseRecord) -> tuple[str, ...]:
    strength = "" if dose["first_stage"] is None else f"{dose['first_stage']:.1f}"
    return (dose["key"], signed(dose["slope"]), between_text(dose), strength)


def _seen(outcome: Outcome) -> str:
    """A wrong one must be seen among right ones."""
    return "WRONG" if outcome == "wrong" else outcome


def _yes(right: bool) -> str:
    return "yes" if right else "NO"
