"""What `tellme calibrate` prints: signs, false positives, faults and doses, a table each."""

from pathlib import Path
from typing import Any

from lab.table import aligned, between_text, plain, signed

SIGNS = ("model", "behavior", "suite", "estimate", "95 % interval", "expected", "right")
NULLS = ("null contrasts of", "rate", "95 % interval", "nulls", "adapters", "80 % power at")
FAULTS = ("fault", "caught", "by", "healthy twin passes")
DOSES = ("dose", "self-report per behavior", "95 % interval", "F")


def calibration_text(found: dict[str, Any], folder: Path) -> str:
    """The four tables of a calibration that have lines, and where its page is."""
    signs = [
        (
            *(s["model"], s["behavior"], s["suite"]),
            *(signed(s["estimate"]), between_text(s), s["expected"], _yes(s["right"])),
        )
        for s in found["signs"]
    ]
    nulls = [
        (
            *(f["suite"], plain(f["rate"]), between_text(f, ".3f")),
            *(str(f["num_nulls"]), str(f["num_adapters"]), plain(f["detectable"])),
        )
        for f in found["false_positives"]
    ]
    faults = [
        (f["name"], _yes(f["caught"]), f["by"], _yes(f["healthy_twin_passes"]))
        for f in found["faults"]
    ]
    doses = [
        (d["key"], signed(d["slope"]), between_text(d), f"{d['first_stage']:.1f}")
        for d in found["dose"]
    ]
    tables = ((SIGNS, signs), (NULLS, nulls), (FAULTS, faults), (DOSES, doses))
    parts = ["\n".join(aligned([head, *lines])) for head, lines in tables if lines]
    return "\n\n".join(parts) + f"\nreport: {folder}/report.html"


def _yes(right: bool) -> str:
    """A wrong one must be seen among right ones."""
    return "yes" if right else "NO"
