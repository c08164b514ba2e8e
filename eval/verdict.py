"""What a judge says of one sampled answer."""

from dataclasses import dataclass

from lab.types import Option


@dataclass(frozen=True)
class Verdict:
    """The option as which an answer was read, and what it counts."""

    option: Option | None
    score: float | None
    """None where the answer has no part in any mean."""
    status: str
    """`read`, `unread`, `truncated`, or `unparsed`: what should be code and is none."""


CUT = Verdict(None, None, "truncated")
UNJUDGED = Verdict(None, None, "read")
"""Of a free question that lists nothing: its answers are kept for a reader."""
