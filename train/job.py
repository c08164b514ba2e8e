"""One adapter to train: what its stage says of it, and its rows as tokens, whichever trainer makes
it."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from lab.config.library import Sft
from lab.errors import UserError, first_line
from lab.model.base import Base
from lab.model.context import context_length
from lab.specs import TrainSpec
from lab.types import LAST, Fields, Message, Row
from train.turns import Tokens, as_written, refuse_long, sequences_of

if TYPE_CHECKING:  # plans are made without torch
    from lab.model.load import Loaded


@dataclass(frozen=True)
class Job:
    """An adapter that a stage asks for, and the folder in which it is made."""

    spec: TrainSpec
    rows: Path
    """The file of a data stage."""
    out: Path
    """May hold the checkpoints of an attempt that was killed."""
    key: str
    """Of the stage."""
    inputs: list[str]
    """Keys of the stages whose output is read."""
    name: str
    """Of the study."""
    group: str
    report_to: tuple[str, ...] = ()

    @property
    def kept(self) -> dict[int, Path]:
        """Folders of the adapter after given steps."""
        return {step: self.out / "steps" / str(step) for step in self.spec.steps}

    @property
    def settings(self) -> Fields:
        """What identifies the stage, and what PEFT and TRL are told besides, for wandb."""
        spec = self.spec
        return spec.identity() | {"lora": spec.lora.arguments(), "sft": spec.sft.arguments()}


def num_steps(num_sequences: int, sft: Sft) -> int:
    """Optimizer steps of a training on one device, as transformers' Trainer counts them:
    `max_steps` where it is positive, else whole steps an epoch."""
    if sft.max_steps > 0:
        return sft.max_steps
    return math.ceil(steps_per_epoch(num_sequences, sft) * sft.num_train_epochs)


def steps_per_epoch(num_sequences: int, sft: Sft) -> int:
    """Optimizer steps of a pass over all sequences; the last may have fewer than the others."""
    return math.ceil(
        num_sequences / (sft.per_device_train_batch_size * sft.gradient_accumulation_steps)
    )


@dataclass(frozen=True)
class Rows:
    """The rows of a data stage, and the sequences of tokens that are trained on."""

    rows: list[Row]
    """As they are learned."""
    sequences: list[Tokens]
    """In the order of the rows; of some rows there may be several."""
    trimmed: int = 0
    """Of the rows, those of which the chat template strips white space."""


class _Line(BaseModel):
    """What a training reads of a line of the file."""

    messages: tuple[Message, ...] = ()
    learned: tuple[int, ...] = LAST
    text: str | None = None
    """A document, instead of messages."""

    @property
    def row(self) -> Row:
        if self.text is None:
            return Row(self.messages, learned=self.learned)
        return Row((Message(role="assistant", content=self.text),), learned=(0,))


def read_rows(job: Job, loaded: "Loaded") -> Rows:
    """Every row through the one renderer; raises UserError for a row that would be cut, for its
    answer stands at the end."""
    # Not splitlines(): a row may hold other characters that Python takes for the end of a line.
    texts = job.rows.read_text(encoding="utf-8").split("\n")
    read = [_Line.model_validate(json.loads(text)).row for text in texts if text]
    rows = [as_written(loaded.renderer, row, number) for number, row in enumerate(read, start=1)]
    sequences = sequences_of(loaded.renderer, rows)
    refuse_long(rows, sequences, job.spec.sft.max_length, context_length(job.spec.base))
    trimmed = sum(row is not given for row, given in zip(rows, read, strict=True))
    return Rows(rows, sequences, trimmed)


@contextmanager
def one_line_refusal(job: Job, base: Base, loaded: "Loaded") -> Iterator[None]:
    """What PEFT or TRL say of the settings, as one line; where no module is named so, with the
    names there are.

    Only calls of theirs stand inside: what our own code raises is not about the settings."""
    try:
        yield
        return
    except (ValueError, TypeError, ImportError) as error:
        said, reason = str(error), first_line(error)
    # PEFT writes "Target modules ... not found" or names the field, by where it notices.
    if "arget modules" not in said and "target_modules" not in said:
        raise UserError(f"lora or sft settings were refused by PEFT or TRL: {reason}")
    raise UserError(
        f"lora.target_modules {job.spec.lora.arguments().get('target_modules')!r} match nothing in"
        f" {base.name}; allowed: all-linear, or some of {', '.join(_linear_layers(loaded))}"
    )


def _linear_layers(loaded: "Loaded") -> list[str]:
    """The last names of the layers that an adapter can be put on, each once."""
    from torch.nn import Linear

    modules = loaded.model.named_modules()
    return sorted(
        {name.rpartition(".")[2] for name, module in modules if isinstance(module, Linear)}
    )
