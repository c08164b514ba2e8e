"""A study's contrasts as text."""

from collections.abc import Sequence
from typing import Any

from lab.types import POOLED


def calibration_text(found: dict[str, Any]) -> str:
    """Signs, false positives, faults and doses of `calibration.json` as text."""
    signs = [("model", "behavior", "suite", "estimate", "95 % interval", "expected", "right")]
    for s in found["signs"]:
        between = f"{s['ci_low']:+.3f} to {s['ci_high']:+.3f}"
        verdict = "yes" if s["right"] else "NO"
        signs.append((s["model"], s["behavior"], s["suite"], f"{s['estimate']:+.3f}", between, s["expected"], verdict))
    nulls = [("null contrasts of", "rate", "95 % interval", "nulls", "adapters", "80 % power at")]
    for f in found["false_positives"]:
        between = f"{f['ci_low']:.3f} to {f['ci_high']:.3f}"
        counts = (str(f["num_nulls"]), str(f["num_adapters"]), f"{f['detectable']:.3f}")
        nulls.append((f["suite"], f"{f['rate']:.3f}", between, *counts))
    faults = [("fault", "caught", "by", "healthy twin passes")]
    for f in found["faults"]:
        caught, passes = ("yes" if f[k] else "NO" for k in ("caught", "healthy_twin_passes"))
        faults.append((f["name"], caught, f["by"], passes))
    dose = [("dose", "self-report per behavior", "95 % interval", "F")]
    for d in found["dose"]:
        between = f"{d['ci_low']:+.3f} to {d['ci_high']:+.3f}"
        dose.append((d["key"], f"{d['slope']:+.3f}", between, f"{d['first_stage']:.1f}"))
    return "\n\n".join(_aligned(lines) for lines in (signs, nulls, faults, dose) if len(lines) > 1)


def comparison_text(found: dict[str, Any]) -> str:
    """The contrasts of behavior and self-report that several studies have, a line a study and one for all; the page has every one."""
    lines = [("suite", "behavior", "contrast", "study", "base", "estimate", "95 % interval", "seeds")]
    for c in found["contrasts"]:
        if c["suite"] not in ("behavior", "self_report") and not any(s["primary"] for s in c["studies"]):
            continue
        named = (c["suite"], c["behavior"], f"{side_text(c['a'])} - {side_text(c['b'])}")
        for s in c["studies"]:
            between = "-" if s["ci_low"] is None else f"{s['ci_low']:+.3f} to {s['ci_high']:+.3f}"
            lines.append((*named, s["label"], s["base"], f"{s['estimate']:+.3f}", between, str(s["num_seeds"])))
        pooled = c["pooled"]
        between = f"{pooled['num_bases']} bases: too few for an interval over bases"
        if pooled["ci_low"] is not None:
            between = f"{pooled['ci_low']:+.3f} to {pooled['ci_high']:+.3f}"
        lines.append((*named, "all", f"{pooled['num_bases']} bases", f"{pooled['estimate']:+.3f}", between, ""))
    return "\n".join([_aligned(lines), *found["warnings"]])


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def contrast_table(summary: dict[str, Any]) -> str:
    """The pooled contrasts as aligned text; seen and unseen questions of self-reports only, the report has them all."""
    lines = [("suite", "behavior", "questions", "contrast", "estimate", "95 % interval", "p", "p Holm", "seeds")]
    for c in summary["contrasts"]:
        if c["question"] == "all" or (c["question"] in POOLED and c["suite"] == "self_report"):
            mark = " *" if c["primary"] else ""
            between = f"{c['ci_low']:+.3f} to {c['ci_high']:+.3f}" if c["ci_low"] is not None else "-"
            p, p_holm = (p_text(c[k]) for k in ("p_value", "p_holm"))
            sides, estimate = f"{side_text(c['a'])} - {side_text(c['b'])}", f"{c['estimate']:+.3f}"
            lines.append((c["suite"], c["behavior"], c["question"] + mark, sides, estimate, between, p, p_holm, str(c["num_seeds"])))
    return _aligned(lines) + ("\n* primary, declared before the run; not corrected" if any(c["primary"] for c in summary["contrasts"]) else "")


def validity_lines(summary: dict[str, Any]) -> str:
    """One line per group and behavior: how many checks passed, and which did not."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in summary["validity"]:
        found.setdefault((record["group"], record["behavior"]), []).append(record)
    lines = []
    for (group, behavior), records in found.items():
        failed = [f"{r['check']} failed ({r['value']:+.3f})" for r in records if r["passed"] is False]
        passed, missing = (sum(test(r) for r in records) for test in (_passed, _missing))
        parts = [f"{passed} passed", *failed, *([f"{missing} not measured"] if missing else [])]
        lines.append(f"validity of {group}, {behavior}: {', '.join(parts)}")
    return "\n".join(lines)


def _passed(record: dict[str, Any]) -> bool:
    return record["passed"] is True


def _missing(record: dict[str, Any]) -> bool:
    return record["value"] is None


def side_text(side: str) -> str:
    """A side of a contrast; a difference in brackets."""
    return f"({side})" if " - " in side else side


def p_text(p: float | None) -> str:
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
