"""The environment that every page is rendered in."""

from typing import Any

from study import table


def environment(escape: bool = True) -> Any:
    """That of study/table.py with the scripts of the figures."""
    import vl_convert

    made = table.environment(escape)
    made.globals["scripts"] = vl_convert.javascript_bundle(
        "window.vegaEmbed = vegaEmbed;", vl_version="6.4"
    )
    return made
