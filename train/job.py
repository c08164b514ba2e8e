"""One adapter to train: what its stage says, its rows as tokens, and what it leaves in its folder
whichever trainer made it."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import UserError, first_line
from lab.model.adapter_files import WEIGHTS
from lab.model.base import Base
from lab.model.chat import Rendered
from lab.store.provenance import write_provenance
from lab.store.store import write_json
from lab.store.trust import check, masks
from lab.types import Message
from train.checkpoint import remove

VERSION = 2
CONFIG = "adapter_config.json"
DEFAULTS: dict[str, Any] = {
    "per_device_train_batch_size": 8,
    "learning_rate": 1e-4,
    "num_train_epochs": 3,
    "logging_steps": 5,
    "save_steps": 50,
}
DEFAULTS |= {"max_length": None, "activation_checkpointing": False}
"""Where they differ from TRL's own: nothing is truncated, and memory is not traded for time unless
asked."""


@dataclass(frozen=True)
class Job:
    """`config` has lora, sft, stream (the seed of initialisation, row order and dropout) and, where
    adapters are measured on the way, `steps`, after which `steps/K/` is left. `out` may hold the
    checkpoints of an attempt that was killed."""

    config: dict[str, Any]
    rows: Path
    out: Path
    key: str
    inputs: list[str]
    name: str
    """Of the study."""
    group: str
    report_to: list[str]

    @property
    def kept(self) -> dict[int, Path]:
        """Folders of the adapter after given steps."""
        return {step: self.out / "steps" / str(step) for step in self.config.get("steps", [])}


def num_steps(num_rows: int, settings: dict[str, Any]) -> int:
    """Optimizer steps of a training on one device."""
    given: int = settings.get("max_steps", -1)
    per_step = settings["per_device_train_batch_size"] * settings.get(
        "gradient_accumulation_steps", 1
    )
    return (
        given
        if given > 0
        else math.ceil(math.ceil(num_rows / per_step) * settings["num_train_epochs"])
    )


@dataclass(frozen=True)
class Rows:
    """The rows of a data stage as chats and as tokens."""

    chats: list[list[Message]]
    tokens: list[Rendered]


def read_rows(job: Job, loaded: Any) -> Rows:
    """Every row through the one renderer; raises UserError for a row that would be cut, for its
    answer stands at the end."""
    chats: list[list[Message]] = [
        json.loads(line)["messages"]
        for line in job.rows.read_text(encoding="utf-8").split("\n")
        if line
    ]
    rendered = loaded.renderer.render_all([(chat[:-1], chat[-1]["content"]) for chat in chats])
    longest = max(len(r.input_ids) for r in rendered)
    limit = (
        job.config["sft"]["max_length"]
        or loaded.model.config.get_text_config().max_position_embeddings
    )
    if longest > limit:
        raise UserError(
            f"the longest training row has {longest} tokens, more than sft.max_length or the base"
            f" allows ({limit}); raise it or shorten the rows"
        )
    return Rows(chats, rendered)


@contextmanager
def one_line_refusal(job: Job, base: Base, loaded: Any) -> Iterator[None]:
    """What PEFT or TRL say of the settings, as one line; where no module is named so, with the
    names there are.

    Only calls of theirs stand inside: what our own code raises is not about the settings."""
    from torch.nn import Linear

    try:
        yield
        return
    except (ValueError, TypeError, ImportError) as error:
        said, reason = str(error), first_line(error)
    if "arget modules" not in said and "target_modules" not in said:
        raise UserError(f"lora or sft settings were refused by PEFT or TRL: {reason}")
    linear = sorted(
        {
            name.rpartition(".")[2]
            for name, module in loaded.model.named_modules()
            if isinstance(module, Linear)
        }
    )
    raise UserError(
        f"lora.target_modules {job.config['lora'].get('target_modules')!r} match nothing in"
        f" {base.name}; allowed: all-linear, or some of {', '.join(linear)}"
    )


def record(
    job: Job,
    base: Base,
    loaded: Any,
    rows: Rows,
    held: Sequence[tuple[list[int], list[int]]],
    log: list[dict[str, Any]],
    *,
    trust: list[dict[str, Any]],
    began: float,
    step0: str,
    adapter: str,
    **about: Any,
) -> None:
    """Write `curve.json`, `trust.json` and provenance beside the adapter. `held` are ids and labels
    as the trainer learned them;
    `trust` are the trainer's own checks; `step0` and `adapter` are digests of the weights at the
    start and at the end."""
    moved = check("weights_moved", float(adapter != step0), 1.0, adapter != step0)
    checks = [moved, masks(loaded.renderer, rows.chats, held), *trust]
    _clear(job.out)
    write_json(job.out / "curve.json", log)
    write_json(job.out / "trust.json", checks)
    first, decode = rows.tokens[0], loaded.tokenizer.decode
    about |= {
        "base": base.identity,
        "rows": len(rows.tokens),
        "tokens": sum(len(r.input_ids) for r in rows.tokens),
        "step0": step0,
        "adapter": adapter,
    }
    shown = {
        "messages": rows.chats[0],
        "prompt_ids": first.prompt,
        "masked": decode(first.prompt),
        "learned": decode([*first.answer, *first.end]),
    }
    write_provenance(
        job.out, "train", job.key, job.config, job.inputs, began, first_row=shown, **about
    )


def _clear(out: Path) -> None:
    """Leave the adapters and nothing else: neither checkpoints, nor what a killed attempt left half
    written, are published."""
    for path in list(out.iterdir()):
        if path.name in ("adapter", "steps"):
            for file in path.rglob("*"):
                if file.is_file() and file.name not in (CONFIG, WEIGHTS):
                    file.unlink()
        elif path.is_dir():
            remove(path)
        else:
            path.unlink(missing_ok=True)
