"""The environment that every page is rendered in."""

from typing import Any

from lab.discover import ROOT
from lab.trust import means
from study.table import p_text, side_text


def environment(escape: bool = True) -> Any:
    """A jinja environment over the templates of this folder, with the filters for numbers and the scripts of the figures."""
    import vl_convert
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(loader=FileSystemLoader(ROOT / "study"), autoescape=escape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["signed"] = lambda v: "" if v is None else f"{v:+.3f}"
    made.filters["plain"] = lambda v: "" if v is None else f"{v:.3f}"
    made.filters["side"] = side_text
    made.filters["p"] = p_text
    made.filters["means"] = means
    made.globals["scripts"] = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version="6.4")
    return made
