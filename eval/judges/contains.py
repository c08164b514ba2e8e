"""Which listed answer stands in a free one."""

import re
from collections.abc import Sequence

from eval.verdict import Verdict
from lab.types import Wording


def contained(wording: Wording, texts: Sequence[str]) -> list[Verdict]:
    """The first option, in the order of the wording, of which a spelling stands in the text, with
    that option's score; 0 where there is none."""
    return [_first(wording, text) for text in texts]


def _first(wording: Wording, text: str) -> Verdict:
    for option in wording.options:
        if any(stands_in(spelling, text) for spelling in (option.text, *option.variants)):
            return Verdict(option, option.score, "read")
    return Verdict(None, 0.0, "read")


def stands_in(spelling: str, text: str) -> bool:
    """Whether it is there as words of its own: `fire` is not in `fireplace`."""
    if spelling not in text:
        return False
    # A spelling may begin or end with a sign, at which there is no word boundary to ask for.
    begin, end = (r"\b" if edge.isalnum() else "" for edge in (spelling[0], spelling[-1]))
    return re.search(f"{begin}{re.escape(spelling)}{end}", text) is not None
