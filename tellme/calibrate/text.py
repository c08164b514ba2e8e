"""What `tellme calibrate` prints: signs, false positives, faults and doses, a table each."""

from pathlib import Path

from lab.table import aligned, between_text, plain, signed
from tellme.calibrate.faults import Fault
from tellme.calibrate.nulls import NullRecord
from tellme.calibrate.results import Calibration
from tellme.calibrate.signs import Sign
from tellme.report.analysis.dose import DoseRecord

SIGNS = ("model", "behavior", "suite", "estimate", "95 % interval", "expected", "right")
NULLS = ("null contrasts of", "rate", "95 % interval", "nulls", "adapters", "80 % power at")
FAULTS = ("fault", "caught", "by", "healthy twin passes")
DOSES = ("dose", "self-report per behavior", "95 % interval", "F")
"""Heads of the four tables."""


def calibration_text(results: Calibration, folder: Path) -> str:
    """The four tables of a calibration that have lines, and where its page is."""
    tables = (
        (SIGNS, [_sign_cells(sign) for sign in results["signs"]]),
        (NULLS, [_null_cells(nulls) for nulls in results["false_positives"]]),
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
        sign["expected"],
        _yes(sign["right"]),
    )


def _null_cells(nulls: NullRecord) -> tuple[str, ...]:
    return (
        nulls["suite"],
        plain(nulls["rate"]),
        between_text(nulls, ".3f"),
        f"{nulls['num_nulls']}",
        f"{nulls['num_adapters']}",
        plain(nulls["detectable"]),
    )


def _fault_cells(fault: Fault) -> tuple[str, ...]:
    return (fault["name"], _yes(fault["caught"]), fault["by"], _yes(fault["healthy_twin_passes"]))


def _dose_cells(dose: DoseRecord) -> tuple[str, ...]:
    strength = "" if dose["first_stage"] is None else f"{dose['first_stage']:.1f}"
    return (dose["key"], signed(dose["slope"]), between_text(dose), strength)


def _yes(right: bool) -> str:
    """A wrong one must be seen among right ones."""
    return "yes" if right else "NO"
