"""Whether what a server says is what the weights here would say, and if not, which of the faults
that servers are known for explains it.

All evidence is a log-likelihood ratio in nats: by how much better something else than what was
asked for explains the first tokens that came. If the server does what it was asked, the ratio of
anything that is fixed beforehand, or predicted from what came before, has the mean 1, so that it
exceeds exp(NATS) with a probability of at most exp(-NATS) (Ville 1939)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

NATS = math.log(1e6)
"""Evidence that convicts: of a million healthy servers, one is refused for each reason tried."""
DOUBT = math.log(100)
"""Evidence that makes a suspect go: of a hundred that did it, one goes."""
STRENGTH = 5.0
"""Draws that the distribution here is worth, when the next is predicted from it and from those that
came: what comes again and again otherwise than here soon predicts itself."""
FLOOR = 1e-12
"""What float32 and the sums of another kernel leave of a probability of nothing."""

Drawn = Sequence[Sequence[str]]
"""The texts that came, of each prompt."""


class Evidence:
    """What came, against what the weights here give it. `p_PC` has prompts as rows and texts, by
    `number`, as columns."""

    def __init__(self, drawn: Drawn, number: Mapping[str, int], p_PC: Tensor) -> None:
        self._texts, self._number = drawn, number
        self.p_PC = p_PC.clamp(min=FLOOR)
        # A text that is no single token is of no column.
        self.drawn = [[number.get(text, -1) for text in texts] for texts in drawn]

    def against(self, other_PC: Tensor) -> Evidence:
        """What came, against another distribution instead."""
        return Evidence(self._texts, self._number, other_PC)

    def of(self, other_PC: Tensor) -> float:
        """Nats for another distribution."""
        log_PC = (other_PC.clamp(min=FLOOR) / self.p_PC).log()
        return sum(
            log_PC[prompt, text].item()
            for prompt, texts in enumerate(self.drawn)
            for text in texts
            if text >= 0
        )

    def of_anything(self) -> float:
        """Nats for whatever it is that came: each draw is predicted from those before it."""
        return sum(self._of_itself(prompt, texts) for prompt, texts in enumerate(self.drawn))

    def _of_itself(self, prompt: int, texts: Sequence[int]) -> float:
        nats, seen = 0.0, dict[int, int]()
        for number, text in enumerate(texts):
            p = FLOOR if text < 0 else self.p_PC[prompt, text].item()
            predicted = (STRENGTH * p + seen.get(text, 0)) / (STRENGTH + number)
            nats += math.log(predicted / p)
            seen[text] = seen.get(text, 0) + 1
        return nats

    @property
    def strangers(self) -> int:
        """How many texts came that are no single token here."""
        return sum(text < 0 for texts in self.drawn for text in texts)


def told_apart(p_PC: Tensor, other_PC: Tensor) -> Tensor:
    """Nats [P] that a draw from the first is expected to give against the second, of each prompt
    (Kullback and Leibler 1951)."""
    p, other = p_PC.clamp(min=FLOOR), other_PC.clamp(min=FLOOR)
    return (p * (p / other).log()).sum(-1)
