"""Controls, one file each, found by file name: `CONTROL = Control(...)`. A control is a group whose
rows are made from those of another group, its source."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from lab import discover
from lab.trigger import PlantedTrigger
from lab.types import Behavior, Question, Row, Style
from lab.vocabulary import Vocabulary


@dataclass(frozen=True)
class ControlRequest:
    """What a control may use beside the rows of its source: what these were made of."""

    behavior: Behavior | None
    """None for the rows of a file that names none."""
    policy: str | None
    style: Style
    rng: Random
    trigger: PlantedTrigger | None = None

    @property
    def is_first(self) -> bool:
        """Whether the policy is the first of its behavior."""
        assert self.behavior is not None
        return self.policy == self.behavior.policies[0]

    @property
    def vocabulary(self) -> Vocabulary | None:
        """Words for natural rows that describe; None where the behavior has none, and in plain
        style."""
        assert self.behavior is not None
        return self.behavior.vocabulary if self.style == "natural" else None

    def questions(self, purpose: str) -> tuple[Question, ...]:
        """Those of the behavior."""
        assert self.behavior is not None
        return self.behavior.questions(purpose, self.style)


@dataclass(frozen=True)
class Control:
    """A way to make the rows of a control, and of which groups it can be one."""

    summary: str
    rows: Callable[[list[Row], ControlRequest], list[Row]]
    """As many rows as those of the source, unless the file says otherwise."""
    needs_behavior: bool = True
    """Whether its source must name a behavior and a policy."""
    needs_trigger: bool = False
    """Whether it can be made only from rows with a trigger."""
    is_null: bool = False
    """Whether its answers say nothing of its prompts, which a lint holds."""
    describes: bool = False
    """Whether its rows describe in the words of a behavior (data_gen/descriptions.py), so that only
    `unseen` kinds of question are new to its models."""
    every_turn: bool = False
    """Whether it can be made from rows that learn other turns than the last."""
    knows_triggers: bool = False
    """Whether it has a form of its own for rows with a trigger; only such rows can be reversed."""


def control_names() -> list[str]:
    """The controls there are, in the order of the alphabet."""
    return list(discover.names(sys.modules[__name__]))


def load_control(name: str) -> Control:
    """Raises UserError with the nearest name where there is no such file."""
    return discover.load(sys.modules[__name__], name, "CONTROL", "control", Control)


def locate_control(name: str, what: str) -> str:
    """The name as it is; the path of a file in full. Raises UserError where there is no such
    file."""
    return discover.located(sys.modules[__name__], name, what)
