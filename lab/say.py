"""Lines of progress, on standard error: what a command prints as its result stands alone."""

import sys


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)
