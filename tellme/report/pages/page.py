"""The environment that every page is rendered in: templates of this folder, filters for numbers,
and the scripts of the figures."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lab.store.trust import means, short
from lab.table import between_text, p_text, plain, side_text, signed
from tellme.report.analysis.hierarchy import interval_text
from tellme.report.analysis.sentences import (
    answer_text,
    check_text,
    claim_text,
    left_open,
    standing_text,
    value_text,
)

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> "Environment":
    """A jinja environment that escapes all it is given and knows no undefined name."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "signed": signed,
        "plain": plain,
        "between": between_text,
        "side": side_text,
        "p": p_text,
        "means": means,
        "short": short,
        "interval": interval_text,
        "answer": answer_text,
        "claim": claim_text,
        "standing": standing_text,
        "left_open": left_open,
        "holds": check_text,
        "value": value_text,
    }
    made.globals["scripts"] = scripts
    return made


# Kept: making it takes two seconds, and a process may write several pages.
@cache
def scripts() -> str:
    """The scripts that draw figures in a page."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version="6.4")
    return bundle
