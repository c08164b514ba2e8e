"""A study's contrasts as text."""

from __future__ import annotations

from typing import Any

from lab.types import POOLED


def contrast_table(summary: dict[str, Any]) -> str:
    """The pooled contrasts as aligned text."""
    head = ("suite", "behavior", "questions", "contrast", "estimate", "95 % interval", "p", "p Holm", "seeds")
    lines = [head]
    for c in summary["contrasts"]:
        if c["question"] in POOLED:
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


def p_text(p: float | None) -> str:
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
