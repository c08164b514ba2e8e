"""An engine as a user writes one: every listed answer is equally probable, and every chat is
answered with yes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.config.schema import Sampling
from lab.engine import Engine, Prompt, Scored, Served
from lab.model.base import Base
from lab.types import Answer, Chat


@dataclass(frozen=True)
class Evenly:
    """Nothing that is in this process."""

    loaded: None = None

    def score(self, prompts: Sequence[Prompt]) -> list[Scored]:
        """The same for every option."""
        scored = []
        for prompt in prompts:
            logs = tuple(-math.log(len(prompt.options)) for _ in prompt.options)
            scored.append(Scored(logs, logs))
        return scored

    def sample(self, chats: Sequence[Chat], sampling: Sampling) -> list[list[Answer]]:
        """Yes, always."""
        return [[Answer("yes")] * sampling.num_samples for _ in chats]


@contextmanager
def opened(base: Base, adapter: Path | None, served: Served | None = None) -> Iterator[Evenly]:
    yield Evenly()


ENGINE = Engine(
    name="evenly-1",
    summary="every listed answer alike, and yes to everything",
    reads_lists=True,
    sampler="yes-1",
    opened=opened,
)
