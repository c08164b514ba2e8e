"""A study's contrasts as text."""

from __future__ import annotations

from typing import Any

from lab.types import POOLED


def contrast_table(summary: dict[str, Any]) -> str:
    """The pooled contrasts as aligned text; seen and unseen questions of self-reports only, the report has them all."""
    head = ("suite", "behavior", "questions", "contrast", "estimate", "95 % interval", "p", "p Holm", "seeds")
    lines = [head]
    for c in summary["contrasts"]:
        if c["question"] == "all" or (c["question"] in POOLED and c["suite"] == "self_report"):
            mark = " *" if c["primary"] else ""
            between = f"{c['ci_low']:+.3f} to {c['ci_high']:+.3f}" if c["ci_low"] is not None else "-"
            p, p_holm = (p_text(c[k]) for k in ("p_value", "p_holm"))
            lines.append(
                (
                    c["suite"],
                    c["behavior"],
                    c["question"] + mark,
                    f"{c['a']} - {c['b']}",
                    f"{c['estimate']:+.3f}",
                    between,
                    p,
                    p_holm,
                    str(c["num_seeds"]),
                )
            )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)
    return text + (
        "\n* primary, declared before the run; not corrected" if any(c["primary"] for c in summary["contrasts"]) else ""
    )


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


def p_text(p: float | None) -> str:
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
