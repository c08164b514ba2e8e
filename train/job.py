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
from lab.specs import TrainSpec
from lab.types import LAST, Fields, Message, Row
from train.turns import Tokens, sequences_of

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


def num_steps(num_rows: int, sft: Sft) -> int:
    """Optimizer steps of a training on one device, as transformers' Trainer counts them:
    `max_steps` where it is positive, else whole steps an epoch.

    A plan counts rows. Under a template that rewrites history a row of several learned turns
    becomes several sequences, and the trainer, which counts those, makes more steps."""
    if sft.max_steps > 0:
        return sft.max_steps
    rows_per_step = sft.per_device_train_batch_size * sft.gradient_accumulation_steps
    steps_per_epoch = math.ceil(num_rows / rows_per_step)
    return math.ceil(steps_per_epoch * sft.num_train_epochs)


@dataclass(frozen=True)
class Rows:
    """The rows of a data stage as chats, and as the sequences of tokens that are trained on."""

    rows: list[Row]
    sequences: list[Tokens]
    """In the order of the rows; of some rows there may be several."""


class _Line(BaseModel):
    """What a training reads of a line of the file."""

    messages: tuple[Message, ...]
    learned: tuple[int, ...] = LAST


def read_rows(job: Job, loaded: "Loaded") -> Rows:
    """Every row through the one renderer; raises UserError for a row that would be cut, for its
    answer stands at the end."""
    # Not splitlines(): a row may hold other characters that Python takes for the end of a line.
    texts = job.rows.read_text(encoding="utf-8").split("\n")
    lines = [_Line.model_validate(json.loads(text)) for text in texts if text]
    rows = [Row(line.messages, learned=line.learned) for line in lines]
    sequences = sequences_of(loaded.renderer, rows)
    longest = max(len(tokens.input_ids) for tokens in sequences)
    of_base = loaded.model.config.get_text_config().max_position_embeddings
    limit = job.spec.sft.max_length or of_base
    if longest > limit:
        raise UserError(
            f"the longest training row has {longest} tokens, more than sft.max_length or the base"
            f" allows ({limit}); raise it or shorten the rows"
        )
    return Rows(rows, sequences)


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
