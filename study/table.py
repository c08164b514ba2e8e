"""What the commands print, from the templates `study/*.txt.j2`, and the filters that pages share."""

from itertools import groupby
from typing import Any

from lab.discover import ROOT
from lab.trust import means, short

CELL = "¦"
"""Stands between the columns of a table in a template; neighboring lines of it are aligned."""


def environment(escape: bool = False) -> Any:
    """A jinja environment over the templates of this folder, with the filters for numbers."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(ROOT / "study"),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    signed, plain = (
        lambda v, form=form: "" if v is None else form % v for form in ("%+.3f", "%.3f")
    )
    made.filters |= {
        "signed": signed,
        "plain": plain,
        "between": between_text,
        "side": side_text,
        "p": p_text,
        "means": means,
    }
    made.filters["short"] = short
    made.filters["pairs"] = lambda records: dict.fromkeys(
        (r["group"], r["behavior"]) for r in records
    )
    return made


def text(name: str, **given: Any) -> str:
    """The template `NAME.txt.j2`, its tables aligned."""
    lines = environment().get_template(f"{name}.txt.j2").render(given).strip("\n").split("\n")
    return "\n".join(
        aligned
        for of_table, part in groupby(lines, lambda line: CELL in line)
        for aligned in (_aligned([*part]) if of_table else part)
    )


def _aligned(lines: list[str]) -> list[str]:
    table = [[cell.strip() for cell in line.split(CELL)] for line in lines]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in table
    ]


def between_text(found: dict[str, Any], form: str = "%+.3f") -> str:
    """An interval; `-` where there is none."""
    return (
        "-"
        if found["ci_low"] is None
        else f"{form} to {form}" % (found["ci_low"], found["ci_high"])
    )


def side_text(side: str) -> str:
    """A side of a contrast; a difference in brackets."""
    return f"({side})" if " - " in side else side


def p_text(p: float | None) -> str:
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
