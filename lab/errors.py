"""Errors whose cause the user can mend (exit 2) and failed trust checks (exit 3). Everything else
is ours (exit 1)."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMES = 24
"""Valid names that a refusal lists: SFTConfig alone has over a hundred fields."""
LONGEST_REASON = 160
"""Characters of what a library said."""


class UserError(Exception):
    """One clear line: what, the value, what is allowed, the next command."""


class TrustError(Exception):
    """A trust check failed; the report is blocked."""


def unknown(what: str, value: object, allowed: Iterable[str], next_step: str = "") -> UserError:
    """An unknown name, with the nearest valid one first and all valid ones after it."""
    names = sorted(allowed)
    near = get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = ", ".join(names[:MOST_NAMES]) or "none"
    rest = f", ... ({len(names)} in all)" if len(names) > MOST_NAMES else ""
    step = f"; {next_step}" if next_step else ""
    return UserError(f"{what} {str(value)!r} is not known: {hint}allowed: {shown}{rest}{step}")


def first_line(error: Exception) -> str:
    """What a library said, short enough to stand in a line of ours; its type where it said
    nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:LONGEST_REASON]


def some_of(names: Iterable[str]) -> str:
    """Three of some names, and how many more there are."""
    in_order = sorted(names)
    more = f" and {len(in_order) - 3} more" if len(in_order) > 3 else ""
    return f"{', '.join(map(repr, in_order[:3]))}{more}"
