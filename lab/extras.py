"""Packages that not every use needs: an extra of pyproject.toml each."""

import importlib.util

from lab.errors import UserError


def refuse_without(extra: str, *packages: str) -> None:
    """Raises UserError where packages of an extra are not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"this needs {' and '.join(missing)}, which is not installed; run `pip install -c"
            f" constraints.txt -e '.[{extra}]'` in the checkout"
        )
