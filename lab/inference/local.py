"""A base in this process, alone or with an adapter on it. Plans read the names of engines, and with
them this file: torch, which takes seconds, is imported where a model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.config.schema import Sampling
from lab.engine import Prompt, Scored, Served
from lab.inference.prompt import compiled
from lab.model.adapter import adapted
from lab.model.base import Base
from lab.types import Answer, Chat

if TYPE_CHECKING:
    from lab.model.load import Loaded

SAMPLER = "sampled-3"
"""Name of the generator (lab/inference/generate.py), another one where its samples would differ."""


@dataclass(frozen=True)
class Local:
    """A model in this process that is asked."""

    base: Base
    loaded: Loaded
    """Its model carries the adapter."""

    def score(self, prompts: Sequence[Prompt]) -> list[Scored]:
        """Exact probabilities, in the order of the prompts. Raises UserError where the base cannot
        be scored exactly."""
        from lab.inference.score import score

        return score(self.loaded, compiled(self.base, self.loaded.renderer, prompts))

    def sample(self, chats: Sequence[Chat], sampling: Sampling) -> list[list[Answer]]:
        """`num_samples` answers to each chat, the same in whatever company a chat is asked."""
        from lab.inference.generate import sample

        return sample(self.loaded, chats, sampling)


@contextmanager
def opened(base: Base, adapter: Path | None, served: Served | None = None) -> Iterator[Local]:
    """The base, which stays loaded, with the adapter of a folder on it until the end. Where it is
    served does not matter. Raises UserError where the base cannot be had or the adapter does not
    fit."""
    from lab.model.load import load_base

    loaded = load_base(base)
    with adapted(loaded.model, adapter, base):
        yield Local(base, loaded)
