"""Errors whose cause the user can mend (exit 2) and failed trust checks (exit 3). Everything else
is ours (exit 1)."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """One clear line: what, the value, what is allowed, the next command."""


class TrustError(Exception):
    """A trust check failed; the report is blocked."""


def unknown(what: str, value: object, allowed: Iterable[str], next_step: str = "") -> UserError:
    """An unknown name, with the nearest valid one first and all valid ones after it."""
    names = sorted(allowed)
    near = get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = (
        ", ".join(names)
        if len(names) <= 24
        else ", ".join(names[:24]) + f", ... ({len(names)} in all)"
    )
    return UserError(
        f"{what} {str(value)!r} is not known: {hint}allowed:"
        f" {shown or 'none'}{'; ' if next_step else ''}{next_step}"
    )


def first_line(error: Exception) -> str:
    """What a library said, short enough to stand in a line of ours."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[
        :160
    ]


def some_of(names: Iterable[str]) -> str:
    """Three of some names, and how many more there are."""
    known = sorted(names)
    return ", ".join(map(repr, known[:3])) + (
        f" and {len(known) - 3} more" if len(known) > 3 else ""
    )
