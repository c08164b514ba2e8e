"""What identifies a stage, as it stands in a plan: enough to run it on another node, or to report
it without the code that planned it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """One folder of the run store. `config` is identity and made the key; `how` may change no
    number."""

    kind: str
    slug: str
    key: str
    config: dict[str, Any]
    inputs: dict[str, str]
    how: dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """Which eval output is which group's: the names that no eval key holds."""

    group: str
    seed: int | None
    suite: str
    behavior: str
    key: str
    step: int | None = None
    """Optimizer step at which the adapter is measured; None is the end of training."""
    condition: str = "clean"
