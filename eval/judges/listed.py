"""Whether an answer is one of those that its question lists."""

from collections.abc import Sequence

from eval.verdict import Verdict
from lab.types import Wording


def listed(wording: Wording, texts: Sequence[str]) -> list[Verdict]:
    """Each text as the option that it is, with that option's score; no score where it is none."""
    verdicts = []
    for text in texts:
        index = parsed(wording, text)
        if index is None:
            verdicts.append(Verdict(None, None, "unread"))
        else:
            option = wording.options[index]
            verdicts.append(Verdict(option, option.score, "read"))
    return verdicts


def parsed(wording: Wording, text: str) -> int | None:
    """Index of the option that a text is: its spelling, without case, quotes or a final stop. None
    where it is none of them."""
    for index, option in enumerate(wording.options):
        if _bare(text) in {_bare(spelling) for spelling in (option.text, *option.variants)}:
            return index
    return None


def _bare(text: str) -> str:
    return text.strip().strip("\"'*").rstrip(".").casefold()
