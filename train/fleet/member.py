"""One adapter in training: its rows, its schedule, and its row of the fleet's weights.

Suffixes of tensors: T, the weights of one adapter end to end; L, the tokens of a row."""

import math
import os
from pathlib import Path
from typing import Any, Required, TypeAlias, TypedDict

import torch
from torch import Tensor

from lab.errors import UserError
from lab.model.base import Base
from lab.model.chat import IGNORED
from lab.model.load import Loaded
from train.checkpoint import say, whole
from train.fleet.batch import Row
from train.job import Job, Rows, num_steps, one_line_refusal, read_rows

CHECKPOINT = "fleet.pt"
OURS = ("max_length", "activation_checkpointing")
"""Fields of SFTConfig that TrainingArguments lacks: the first is read with the rows, the second has
the one value that train/fleet/settings.py lets through."""
PEFT_PREFIX = "base_model.model."
"""What PEFT puts before the names of a model's layers."""


StateDict: TypeAlias = dict[str, Any]
"""What torch saves of an optimizer or a schedule, and reads again."""


class Saved(TypedDict, total=False):
    """A checkpoint."""

    step: Required[int]
    window: Required[float]
    log: Required[list[dict[str, float]]]
    kept: Required[dict[str, str]]
    weights: Tensor
    """These and the next two are missing at the start."""
    optimizer: StateDict
    schedule: StateDict


class Member:
    """An adapter that is trained beside others. `join` gives it weights."""

    def __init__(
        self,
        job: Job,
        rows: Rows,
        lora: Any,
        settings: Any,
        start: dict[str, Tensor],
        scaling: dict[str, float],
    ) -> None:
        self.job, self.rows = job, rows
        # A LoraConfig of PEFT and the TrainingArguments of transformers.
        self.lora, self.settings = lora, settings
        # Weights at the start by their names in PEFT's file, and per layer what scales its adapter.
        self.start, self.scaling = start, scaling

        # Sequences are called rows from here on.
        self.ids = [torch.tensor(tokens.input_ids) for tokens in rows.sequences]
        # Of each row, which tokens carry loss. The first one never does: nothing predicts it.
        self.is_learned = [torch.tensor(tokens.labels) != IGNORED for tokens in rows.sequences]
        for is_learned_L in self.is_learned:
            is_learned_L[0] = False
        self.num_learned = [int(is_learned_L.sum()) for is_learned_L in self.is_learned]
        self.rows_per_step = (
            settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        )
        self.steps_per_epoch = math.ceil(len(self.ids) / self.rows_per_step)
        self.total_steps = num_steps(len(self.ids), job.spec.sft)

        # Members need not be at the same step: the checkpoint of one may have been cut.
        self.saved = _read_checkpoint(self.checkpoint)
        self.step = self.saved["step"]
        # Sum of the losses since the last entry of the log. It stays on the GPU until an entry is
        # due: to read it every step would be to wait for the GPU every step.
        self.window: Tensor | float = self.saved["window"]
        self.log = self.saved["log"]
        # Digests of the adapters that were saved on the way, by step.
        self.kept = self.saved["kept"]

    @property
    def checkpoint(self) -> Path:
        """The file to go on from."""
        return self.job.out / "checkpoints" / CHECKPOINT

    @property
    def steps_left(self) -> int:
        """0 where it is done."""
        return self.total_steps - self.step

    def row(self, i: int) -> Row:
        """One of its rows."""
        return Row(self.ids[i], self.is_learned[i])

    def next_rows(self) -> list[int]:
        """The rows of the next step, those that transformers' Trainer takes with the same seed,
        shorter ones first."""
        epoch, step_of_epoch = divmod(self.step, self.steps_per_epoch)
        # As accelerate's SeedableRandomSampler: every epoch has a seed of its own.
        generator = torch.Generator().manual_seed(self.job.spec.stream + epoch)
        order = torch.randperm(len(self.ids), generator=generator).tolist()
        start = step_of_epoch * self.rows_per_step
        chosen = order[start : start + self.rows_per_step]
        # Rows of like length go through the model together (train/fleet/batch.py).
        return sorted(chosen, key=lambda row: len(self.ids[row]))

    def join(self, weights_T: Tensor, gradient_T: Tensor) -> None:
        """Get an optimizer for a row of the fleet's weights, and go on from what was saved."""
        from transformers import get_scheduler

        # Both share memory with the fleet's: its backward pass adds to this gradient, and this
        # optimizer changes its weights.
        self.weights_T = torch.nn.Parameter(weights_T)
        self.weights_T.grad = gradient_T
        settings = self.settings
        # TRL's default, `optim: adamw_torch_fused`.
        self.optimizer = torch.optim.AdamW(
            [self.weights_T],
            lr=settings.learning_rate,
            betas=(settings.adam_beta1, settings.adam_beta2),
            eps=settings.adam_epsilon,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        warmup = settings.get_warmup_steps(self.total_steps)
        self.schedule = get_scheduler(
            settings.lr_scheduler_type, self.optimizer, warmup, self.total_steps
        )
        if self.step:
            self.weights_T.data.copy_(self.saved["weights"])
            self.optimizer.load_state_dict(self.saved["optimizer"])
            self.schedule.load_state_dict(self.saved["schedule"])

    def update(self, loss: Tensor) -> None:
        """One step of the optimizer on the gradient that is there. `loss`, the mean over the
        learned tokens of the step, goes into the log."""
        # Without a limit nothing is clipped, and the norm is still logged.
        limit = self.settings.max_grad_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_([self.weights_T], limit)
        learning_rate = self.schedule.get_last_lr()[0]
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        self.window = self.window + loss
        logging_steps = int(self.settings.logging_steps)
        if self.step % logging_steps == 0:
            self.log.append(
                {
                    "loss": float(self.window) / logging_steps,
                    "grad_norm": float(norm),
                    "learning_rate": learning_rate,
                    "epoch": self.step / self.steps_per_epoch,
                    "step": self.step,
                }
            )
            self.window = 0.0

    def save(self) -> None:
        """Write the checkpoint, by one rename: it is whole or not there."""
        self.checkpoint.parent.mkdir(exist_ok=True)
        state: Saved = {
            "step": self.step,
            "window": float(self.window),
            "log": self.log,
            "kept": self.kept,
            # A copy, or torch would write the weights of all members, of which they are a part.
            "weights": self.weights_T.data.clone(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        temporary = self.checkpoint.with_name("tmp")
        torch.save(state, temporary)
        os.replace(temporary, self.checkpoint)


def _read_checkpoint(file: Path) -> Saved:
    """The state to go on from: that of the start where the file is not there or cut."""
    if file.exists():
        if whole(file):
            saved: Saved = torch.load(file)
            return saved
        say(f"{file} is not whole: the training of this adapter begins anew")
    return {"step": 0, "window": 0.0, "log": [], "kept": {}}


def enlist(job: Job, base: Base, loaded: Loaded) -> Member:
    """A member with the weights that TRL would begin with. The base is left as it was, but frozen.

    Raises UserError where the settings or the rows do not fit the base or the fleet."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
    from peft.tuners.lora import LoraLayer
    from transformers import TrainingArguments, set_seed

    rows = read_rows(job, loaded)
    # PEFT draws the weights: seeded as train/sft.py does, they are those of TRL.
    set_seed(job.spec.stream)
    with one_line_refusal(job, base, loaded):
        lora = LoraConfig(task_type="CAUSAL_LM", **job.spec.lora.arguments())
        peft = get_peft_model(loaded.model, lora)
    tensors = get_peft_model_state_dict(peft)
    start = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    scaling = {
        name.removeprefix(PEFT_PREFIX): module.scaling["default"]
        for name, module in peft.named_modules()
        if isinstance(module, LoraLayer)
    }
    peft.unload()
    loaded.model.requires_grad_(False)

    # A linear layer has an A and a B and no more.
    if len(start) != 2 * len(scaling) or any("lora_embedding" in name for name in start):
        raise UserError(
            "lora.target_modules names more than linear layers, which `train: {trainer: fleet}`"
            " does not train; set trainer: trl"
        )
    said = job.spec.sft.arguments()
    settings = {name: value for name, value in said.items() if name not in OURS}
    with one_line_refusal(job, base, loaded):
        # Numbers are read from it and no more, so it need not look for a device.
        arguments = TrainingArguments(
            output_dir=str(job.out), report_to=[], use_cpu=True, **settings
        )
    return Member(job, rows, lora, arguments, start, scaling)
