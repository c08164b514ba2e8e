"""An engine as a judge is asked by it in tests: its verdict is planted in what it reads, as in
`[85]`, and is the likeliest by far. `[nothing]` is answered with no verdict, `[none]` with any."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.config.schema import Sampling
from lab.engine import Engine, Prompt, Scored
from lab.model.base import Base
from lab.types import Answer, Chat

PLANTED = re.compile(r"\[([A-Za-z0-9]+)\]")
SURE = 0.9
ASKED: list[str] = []
"""Everything that it was ever told, in order."""


@dataclass(frozen=True)
class Arbiter:
    """Nothing that is in this process."""

    loaded: None = None

    def score(self, prompts: Sequence[Prompt]) -> list[Scored]:
        """SURE of what is planted, and the rest evenly over all other verdicts."""
        ASKED.extend(prompt.chat[-1]["content"] for prompt in prompts)
        scored = []
        for prompt in prompts:
            planted = PLANTED.findall(prompt.chat[-1]["content"])[-1]
            rest = 1e-6 if planted == "nothing" else (1 - SURE) / len(prompt.options)
            logs = tuple(math.log(SURE if o.text == planted else rest) for o in prompt.options)
            scored.append(Scored(logs, logs))
        return scored

    def sample(self, chats: Sequence[Chat], sampling: Sampling) -> list[list[Answer]]:
        """What is planted, always."""
        said = [PLANTED.findall(chat[-1]["content"])[-1] for chat in chats]
        return [[Answer(text)] * sampling.num_samples for text in said]


@contextmanager
def opened(base: Base, adapter: Path | None) -> Iterator[Arbiter]:
    yield Arbiter()


ENGINE = Engine("arbiter-1", "says what is planted", True, "planted-1", opened)
