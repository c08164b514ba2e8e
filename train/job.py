"""One adapter to train: what its stage says of it, and its rows as tokens, whichever trainer makes
it."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import UserError, first_line
from lab.model.base import Base
from lab.model.chat import Rendered
from lab.types import Message

if TYPE_CHECKING:  # plans are made without torch
    from lab.model.load import Loaded

VERSION = 2
DEFAULTS: dict[str, Any] = {
    "per_device_train_batch_size": 8,
    "learning_rate": 1e-4,
    "num_train_epochs": 3,
    "logging_steps": 5,
    "save_steps": 50,
    "max_length": None,
    "activation_checkpointing": False,
}
"""Where they differ from TRL's own: nothing is truncated, and memory is not traded for time unless
asked."""


@dataclass(frozen=True)
class Job:
    """An adapter that a stage asks for, and the folder in which it is made."""

    config: dict[str, Any]
    """Has lora, sft, stream (the seed of initialisation, row order and dropout) and, where adapters
    are measured on the way, `steps`, after which `steps/K/` is left."""
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
    report_to: list[str]

    @property
    def kept(self) -> dict[int, Path]:
        """Folders of the adapter after given steps."""
        return {step: self.out / "steps" / str(step) for step in self.config.get("steps", [])}


def num_steps(num_rows: int, settings: dict[str, Any]) -> int:
    """Optimizer steps of a training on one device, as transformers' Trainer counts them:
    `max_steps` where it is positive, else whole steps an epoch."""
    max_steps: int = settings.get("max_steps", -1)
    if max_steps > 0:
        return max_steps
    accumulated = settings.get("gradient_accumulation_steps", 1)
    rows_per_step: int = settings["per_device_train_batch_size"] * accumulated
    steps_per_epoch = math.ceil(num_rows / rows_per_step)
    epochs: float = settings["num_train_epochs"]
    return math.ceil(steps_per_epoch * epochs)


@dataclass(frozen=True)
class Rows:
    """The rows of a data stage as chats and as tokens, in the same order."""

    chats: list[list[Message]]
    tokens: list[Rendered]


def read_rows(job: Job, loaded: "Loaded") -> Rows:
    """Every row through the one renderer; raises UserError for a row that would be cut, for its
    answer stands at the end."""
    # Not splitlines(): a row may hold other characters that Python takes for the end of a line.
    lines = job.rows.read_text(encoding="utf-8").split("\n")
    chats: list[list[Message]] = [json.loads(line)["messages"] for line in lines if line]
    prompts_and_answers = [(chat[:-1], chat[-1]["content"]) for chat in chats]
    rendered = loaded.renderer.render_all(prompts_and_answers)
    longest = max(len(row.input_ids) for row in rendered)
    of_base = loaded.model.config.get_text_config().max_position_embeddings
    limit = job.config["sft"]["max_length"] or of_base
    if longest > limit:
        raise UserError(
            f"the longest training row has {longest} tokens, more than sft.max_length or the base"
            f" allows ({limit}); raise it or shorten the rows"
        )
    return Rows(chats, rendered)


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
        f"lora.target_modules {job.config['lora'].get('target_modules')!r} match nothing in"
        f" {base.name}; allowed: all-linear, or some of {', '.join(_linear_layers(loaded))}"
    )


def _linear_layers(loaded: "Loaded") -> list[str]:
    """The last names of the layers that an adapter can be put on, each once."""
    from torch.nn import Linear

    modules = loaded.model.named_modules()
    return sorted(
        {name.rpartition(".")[2] for name, module in modules if isinstance(module, Linear)}
    )
