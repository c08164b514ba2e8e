"""Engines: who answers, what is put to it, and what comes back. Each is a file of lab/engines/."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lab.config.endpoint import Endpoint
from lab.config.schema import Sampling
from lab.model.base import Base
from lab.types import Answer, Chat, Kind, Message, Option

if TYPE_CHECKING:
    # Only named here: plans read engines, and torch takes seconds.
    from lab.model.load import Loaded


def log_sum(logs: Sequence[float]) -> float:
    """Log of a sum of probabilities of which each may be less than a float can hold, or 0."""
    most = max(logs)
    # Of zeros alone: infinity less infinity is no number.
    if most == -math.inf:
        return most
    return most + math.log(sum(math.exp(log - most) for log in logs))


def log_of(given: float | None) -> float:
    """A logarithm from JSON, which has no word for that of 0 but null."""
    return -math.inf if given is None else given


@dataclass(frozen=True)
class Prompt:
    """Something asked whose answers are listed."""

    # Messages are dicts, which have no hash.
    chat: tuple[Message, ...] = field(hash=False)
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Scored:
    """How probable the options of a prompt are, one entry for each: natural logarithms, because
    code of a page has a probability of zero in any float."""

    log_exact: tuple[float, ...]
    """Of the answer with its end of turn, in any of its spellings."""
    log_prefix: tuple[float, ...]
    """Of the answer as a prefix, whatever follows."""
    outside_top: tuple[tuple[str, float], ...] = ()
    """The most probable beginnings that begin no option, each with its probability, for a reader to
    see what the model would rather say."""

    @cached_property
    def p_exact(self) -> tuple[float, ...]:
        """Probabilities of `log_exact`."""
        return tuple(math.exp(log) for log in self.log_exact)

    @cached_property
    def p_prefix(self) -> tuple[float, ...]:
        """Probabilities of `log_prefix`."""
        return tuple(math.exp(log) for log in self.log_prefix)

    def counted(self, kind: Kind) -> Scored:
        """The scores that count for a kind of question: of `begins` those of the answer as a
        prefix, since the end of turn does not matter there."""
        if kind != "begins":
            return self
        return Scored(self.log_prefix, self.log_prefix, self.outside_top)

    @property
    def outside(self) -> float:
        """Probability of every answer that is not listed."""
        # Rounding may bring the sum above 1.
        return max(0.0, 1.0 - sum(self.p_exact))


class Answering(Protocol):
    """A model that is asked: a base, or a base with an adapter on it."""

    @property
    def loaded(self) -> Loaded | None:
        """What is in this process, with the adapter on it; None where the model is elsewhere, and
        no check can look into its weights."""

    def score(self, prompts: Sequence[Prompt]) -> list[Scored]:
        """The probabilities of listed answers, in the order of the prompts."""

    def sample(self, chats: Sequence[Chat], sampling: Sampling) -> list[list[Answer]]:
        """`num_samples` answers to each chat, in the order of the chats."""


@dataclass(frozen=True)
class Served:
    """Where a model is asked that is not in this process. Engines of this process need none of
    it."""

    endpoint: Endpoint | None
    adapter: str
    """What the adapter is called there."""
    kept: Path
    """The folder in which answers are kept as they come: they were paid for."""


class Opens(Protocol):
    """A base with the adapter of a folder on it, or alone, for as long as it is asked."""

    def __call__(
        self, base: Base, adapter: Path | None, served: Served | None = None
    ) -> AbstractContextManager[Answering]:
        """Raises UserError where it cannot be had, or where the adapter does not fit."""


@dataclass(frozen=True)
class Engine:
    """Who answers."""

    name: str
    """With a version, as in `exact-1`: it enters keys, and is another one where numbers would
    differ."""
    summary: str
    reads_lists: bool
    """Whether listed answers are scored; else they are sampled, as free text is."""
    sampler: str
    """The name, with a version, of what generates its answers."""
    opened: Opens
    elsewhere: bool = False
    """Whether it asks a server: what that answers is compared with the weights where these are
    here."""
