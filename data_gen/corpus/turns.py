"""One turn of a dialogue, and how uncertain its answer is to readers who infer more or less."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lab.types import Message

Subject = tuple[str, str]
"""Who is asked about, `you` or the other person, and the trait."""
FAMILIES = ("choice", "report")
"""What somebody does, and what somebody says of it."""
LN2 = math.log(2)
"""Entropy in nats of an answer of which nothing is known: either pole is as likely."""


@dataclass(frozen=True)
class Turn:
    """A question and its answer, and what it is about; nothing for an everyday turn."""

    messages: tuple[Message, Message]
    subject: Subject | None = None
    family: str = ""
    kind: str = "everyday"
    floor: float = 0.0
    """Entropy in nats of the answer when the trait is known: several words or numbers serve
    equally."""


def gates(turns: Sequence[Turn], stated: Collection[Subject], rho: float) -> list[list[float]]:
    """Per turn the entropy of its answer in nats for three readers of the turns before it: one that
    infers along the link rho, one that copies within a kind of question, and one that infers
    nothing. All of them know what a system line `stated`.

    Pretraining compares the loss with these: it tells which reader a model has become."""
    across = _entropy((1 + rho) / 2)
    families = {(subject, family) for subject in stated for family in FAMILIES}
    kinds: set[tuple[Subject, str]] = set()
    found = []
    for turn in turns:
        if turn.subject is None:
            found.append([0.0] * 3)
            continue
        other_family = "choice" if turn.family == "report" else "report"
        if (turn.subject, turn.family) in families:
            linked = 0.0
        else:
            linked = across if (turn.subject, other_family) in families else LN2
        known = turn.subject in stated
        copied = 0.0 if known or (turn.subject, turn.kind) in kinds else LN2
        never = 0.0 if known else LN2
        found.append([round(turn.floor + entropy, 4) for entropy in (linked, copied, never)])
        families.add((turn.subject, turn.family))
        kinds.add((turn.subject, turn.kind))
    return found


def _entropy(p: float) -> float:
    """Of two outcomes, in nats."""
    return 0.0 if p in (0.0, 1.0) else -p * math.log(p) - (1 - p) * math.log(1 - p)
