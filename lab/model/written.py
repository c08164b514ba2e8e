"""An answer as a chat template writes it: as it is, or without white space at its edges."""

import re

OPEN_TAG = re.compile(r"\s*<think>\s*")
CLOSE_TAG = "</think>"


def begins_with_thought(answer: str) -> bool:
    """Whether an answer begins with a thought, which ends within it."""
    return CLOSE_TAG in answer and OPEN_TAG.match(answer) is not None


def after_opening(answer: str) -> str:
    """An answer that begins with a thought, without the tag that opens it."""
    return OPEN_TAG.sub("", answer, count=1)


def as_written(answer: str, written: str) -> str | None:
    """The answer that stands in a chat where `written` stands in its place: the same text, which
    may have lost white space at its edges, and at those of its thought. None where more has
    changed.

    A template that leaves thoughts out of a finished chat (DeepSeek R1) writes what follows the
    thought; a model that is asked still thinks first."""
    if not begins_with_thought(answer):
        return written if _is_stripped(answer, written) else None
    thought, _, said = after_opening(answer).partition(CLOSE_TAG)
    if not begins_with_thought(written):
        return answer if written == said or written == said.strip() else None
    written_thought, _, written_said = after_opening(written).partition(CLOSE_TAG)
    same = thought.strip() == written_thought.strip() and said.strip() == written_said.strip()
    return written if same else None


def _is_stripped(answer: str, written: str) -> bool:
    """Whether white space at the edges is all that one lacks of the other."""
    return written in answer and written.strip() == answer.strip()
