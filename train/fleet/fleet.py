"""Many adapters on one base, each step one batched forward and backward: every row goes through the
adapter it belongs to.

Shapes: N adapters, R rows of each in a batch, L tokens of a row (left-padded), K tokens of a
completion, T weights of an adapter."""

import math
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from lab.errors import UserError
from lab.model.adapter import digest_of_tensors, write_adapter
from lab.model.base import Base
from lab.model.chat import IGNORED
from lab.model.load import Loaded, base_kept, load_base
from lab.preempt import Preempted, listen, restore
from lab.track import PROJECT, run_id
from train.checkpoint import say, whole
from train.job import Job, Rows, num_steps, one_line_refusal, read_rows, record

TOKENS_PER_BATCH = 8_192
CHECKPOINT = "fleet.pt"


class Member:
    """One adapter in training: its rows, its schedule, and in `Fleet` its row of the weights."""

    def __init__(
        self, job: Job, rows: Rows, first: dict[str, Tensor], lora: Any, given: Any
    ) -> None:
        self.job, self.rows, self.first, self.lora, self.given = job, rows, first, lora, given
        self.ids = [torch.tensor(tokens.input_ids) for tokens in rows.tokens]
        self.learned = [
            sum(label != IGNORED for label in tokens.labels[1:]) for tokens in rows.tokens
        ]
        self.per_step = (
            self.given.per_device_train_batch_size * self.given.gradient_accumulation_steps
        )
        self.per_epoch = math.ceil(len(self.ids) / self.per_step)
        self.total = num_steps(len(self.ids), job.config["sft"])
        self.saved = _saved(job.out / "checkpoints" / CHECKPOINT)
        self.step, self.window, self.log, self.kept = (
            self.saved[name] for name in ("step", "window", "log", "kept")
        )

    def batch(self) -> list[int]:
        """The rows of the next step, in the order that transformers' Trainer draws from the same
        seed, shorter ones first."""
        epoch, at = divmod(self.step, self.per_epoch)
        order = torch.randperm(
            len(self.ids),
            generator=torch.Generator().manual_seed(self.job.config["stream"] + epoch),
        )
        return sorted(
            order[at * self.per_step : (at + 1) * self.per_step].tolist(),
            key=lambda i: len(self.ids[i]),
        )

    def take(self, weights: Tensor, gradient: Tensor) -> None:
        """Get an optimizer for a row of the fleet's weights, and go on from what was saved."""
        from transformers import get_scheduler

        given, betas = self.given, (self.given.adam_beta1, self.given.adam_beta2)
        self.weights = torch.nn.Parameter(weights)
        self.weights.grad = gradient
        self.optimizer = torch.optim.AdamW(
            [self.weights],
            given.learning_rate,
            betas,
            given.adam_epsilon,
            given.weight_decay,
            fused=True,
        )
        self.schedule = get_scheduler(
            given.lr_scheduler_type, self.optimizer, given.get_warmup_steps(self.total), self.total
        )
        if self.step:
            self.weights.data.copy_(self.saved["weights"])
            self.optimizer.load_state_dict(self.saved["optimizer"])
            self.schedule.load_state_dict(self.saved["schedule"])

    def update(self, loss: Tensor) -> None:
        norm = torch.nn.utils.clip_grad_norm_([self.weights], self.given.max_grad_norm or math.inf)
        rate = self.schedule.get_last_lr()[0]
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        self.window = self.window + loss
        every = int(self.given.logging_steps)
        if self.step % every == 0:
            entry = {
                "loss": float(self.window) / every,
                "grad_norm": float(norm),
                "learning_rate": rate,
            }
            self.log.append(entry | {"epoch": self.step / self.per_epoch, "step": self.step})
            self.window = 0.0

    def save(self) -> None:
        folder = self.job.out / "checkpoints"
        folder.mkdir(exist_ok=True)
        state = {
            "step": self.step,
            "window": float(self.window),
            "log": self.log,
            "kept": self.kept,
            "weights": self.weights.data.clone(),
        }
        torch.save(
            state
            | {
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
            },
            folder / "tmp",
        )
        os.replace(folder / "tmp", folder / CHECKPOINT)


def _saved(file: Path) -> dict[str, Any]:
    """The state of a member to go on from: its first where the file is not there or cut. Members
    need not be at the same step."""
    if file.exists():
        if whole(file):
            saved: dict[str, Any] = torch.load(file)
            return saved
        say(f"{file} is not whole: the training of this adapter begins anew")
    return {"step": 0, "window": 0.0, "log": [], "kept": {}}


class Fleet:
    """The adapters as one tensor of weights [N, T], of which every adapted layer has its part."""

    def __init__(self, loaded: Loaded, members: list[Member], scaling: dict[str, float]) -> None:
        self.loaded, self.members, self.scaling, self.tokens_per_batch = (
            loaded,
            members,
            scaling,
            TOKENS_PER_BATCH,
        )
        self.weights = torch.stack(
            [torch.cat([tensor.flatten() for tensor in m.first.values()]) for m in members]
        )  # [N, T]
        self.gradient = torch.zeros_like(self.weights)
        self.tensors: dict[str, Tensor] = {}
        start = 0
        for name, tensor in members[0].first.items():
            span = slice(start, start := start + tensor.numel())
            self.tensors[name] = self.weights[:, span].view(-1, *tensor.shape).requires_grad_()
            # Gradients are added up in place, so that those of one adapter are one row as well.
            self.tensors[name].grad = self.gradient[:, span].view(-1, *tensor.shape)
        for i, member in enumerate(members):
            member.take(self.weights[i], self.gradient[i])

    def write(self, i: int, folder: Any, base: Base) -> str:
        """Save an adapter as PEFT would, and return its digest."""
        tensors = {name: tensor[i] for name, tensor in self.tensors.items()}
        write_adapter(tensors, self.members[i].lora, base, folder)
        return digest_of_tensors(tensors)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The base with hooks that add to a layer's output what each row's own adapter adds to it
        (Hu et al. 2021, LoRA, section 4.1)."""
        hooks = []
        for name, scale in self.scaling.items():
            a, b = (
                self.tensors[f"base_model.model.{name}.lora_{letter}.weight"] for letter in "AB"
            )
            hooks.append(
                self.loaded.model.get_submodule(name).register_forward_hook(
                    partial(self._add, a, b, scale)
                )
            )
        self.loaded.model.train()
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self.loaded.model.activation_checkpointing_disable()
            self.loaded.model.eval()

    def _add(
        self, a: Tensor, b: Tensor, scale: float, _: Any, given: tuple[Tensor, ...], output: Tensor
    ) -> Tensor:
        if self.among != slice(0, len(a)):
            a, b = a[self.among], b[self.among]
        inner = given[0].reshape(len(a), -1, a.shape[2]).to(a.dtype) @ a.mT  # [N, R * L, r]
        return (
            torch.baddbmm(
                output.reshape(len(a), -1, b.shape[1]).to(b.dtype), inner, b.mT, alpha=scale
            )
            .view_as(output)
            .to(output.dtype)
        )

    def advance(self) -> list[Member]:
        """One step of every member that has steps to go, and those members. They stand in the order
        of how many, most first."""
        going = [member for member in self.members if member.step < member.total]
        batches = [member.batch() for member in going]
        learned = [
            sum(m.learned[i] for i in batch) for m, batch in zip(going, batches, strict=True)
        ]
        while True:
            self.gradient.zero_()
            losses = torch.zeros(len(going), device=self.loaded.device)
            try:
                for among, rows in self._parts(going, batches):
                    self.among = among
                    losses[among] += self._backward(going[among], rows, learned[among])
                break
            except torch.OutOfMemoryError:
                self._use_less_memory()
        for member, loss in zip(going, losses, strict=True):
            member.update(loss)
        return going

    def _use_less_memory(self) -> None:
        """Halve the batches; where one is a row already, trade time for memory. Raises UserError
        where that was done too."""
        torch.cuda.empty_cache()
        if self.tokens_per_batch > 1:
            self.tokens_per_batch //= 2
        elif not self.loaded.model.is_activation_checkpointing:
            self.loaded.model.activation_checkpointing_enable({"use_reentrant": False})
        else:
            raise UserError(
                "one row does not fit into the memory of the GPU; choose `train: {trainer: trl}`"
                " with model.quantization: nf4, or shorter rows"
            )

    def _parts(
        self, going: list[Member], batches: list[list[int]]
    ) -> Iterator[tuple[slice, list[list[int | None]]]]:
        """A step in parts that fit into memory: which members, and the rows of each, shorter ones
        first; None where one has fewer."""
        widest, longest = (
            max(map(len, batches)),
            max(len(m.ids[i]) for m, batch in zip(going, batches, strict=True) for i in batch),
        )
        rows = [[None] * (widest - len(batch)) + batch for batch in batches]
        members = max(1, min(len(going), self.tokens_per_batch // longest))
        columns = max(1, self.tokens_per_batch // (members * longest))
        for first in range(0, len(going), members):
            among = slice(first, min(first + members, len(going)))
            for start in range(0, widest, columns):
                yield among, [row[start : start + columns] for row in rows[among]]

    def _backward(
        self, members: list[Member], rows: list[list[int | None]], learned: list[int]
    ) -> Tensor:
        """Add the gradients of a part to those of its members, and return its share [N] of their
        losses."""
        device, dtype = self.loaded.device, self.loaded.model.dtype
        chosen = [(m, i) for m, mine in zip(members, rows, strict=True) for i in mine]
        tokens = [m.ids[i or 0] for m, i in chosen]
        ids = pad_sequence(
            tokens,
            batch_first=True,
            padding_value=self.loaded.tokenizer.pad_token_id,
            padding_side="left",
        ).to(device)
        mask = _last(list(map(len, tokens)), ids.shape[1], device)  # [N * R, L]
        answers = [0 if i is None else m.learned[i] for m, i in chosen]
        kept = max(answers)
        seen = {
            "attention_mask": mask.long(),
            "position_ids": (mask.long().cumsum(1) - 1).clamp(min=0),
        }
        with torch.autocast(device.type, dtype, enabled=dtype.itemsize < 4):
            logits = (
                self.loaded.model(input_ids=ids, **seen, use_cache=False, logits_to_keep=kept + 1)
                .logits[:, :-1]
                .flatten(0, 1)
            )
        each = cross_entropy(
            logits if logits.dtype.itemsize > 4 else logits.float(),
            ids[:, -kept:].flatten(),
            reduction="none",
        )
        losses = (each.view(len(ids), kept) * _last(answers, kept, device)).view(
            len(members), -1
        ).sum(1) / torch.tensor(learned, device=device)
        torch.autograd.backward(losses.sum())
        return losses.detach()


def _last(numbers: list[int], width: int, device: torch.device) -> Tensor:
    """Per row a mask [width] of as many of its last places."""
    return (
        torch.arange(width, device=device) >= width - torch.tensor(numbers, device=device)[:, None]
    )


def train_fleet(jobs: list[Job], base: Base) -> None:
    """Train all jobs together and leave in the folder of each what `train.sft.train` leaves, and
    raise what it raises.

    Weights at the start, rows of a step and updates are those of TRL with the same seeds. A job
    whose folder holds a checkpoint goes on from it."""
    began = time.time()
    # PEFT 0.21 reads a property that transformers 5.23 renamed, and torch prefers gradients that
    # are not parts of a larger tensor.
    warnings.filterwarnings(
        "ignore", message=".*(is_gradient_checkpointing|gradient layout contract).*"
    )
    loaded = load_base(base)
    dropout = [m for m in loaded.model.modules() if isinstance(m, torch.nn.Dropout) and m.p]
    spread = len(set(getattr(loaded.model, "hf_device_map", {}).values())) > 1
    if (
        dropout
        or spread
        or getattr(loaded.model.config.get_text_config(), "attention_dropout", False)
    ):
        reason = "is spread over several GPUs" if spread else "has dropout of its own"
        raise UserError(
            f"model.base {base.name!r} {reason}, which is not for `train: {{trainer: fleet}}`; set"
            " trainer: trl"
        )
    enlisted = [_enlist(job, base, loaded) for job in jobs]
    members = sorted((member for member, _ in enlisted), key=lambda m: m.step - m.total)
    fleet = Fleet(loaded, members, enlisted[0][1])
    asked: list[int] = []
    before = listen(lambda number, _: asked.append(number))
    try:
        with fleet.applied():
            _run(fleet, base, asked)
    finally:
        restore(before)
    trust = [base_kept(base, loaded)]
    share = (time.time() - began) / len(members)
    for i, member in enumerate(members):
        about = {
            "steps": member.step,
            "together": len(members),
            "processes": 1,
            "kept": member.kept,
        }
        link = {"project": PROJECT, "id": run_id(member.job.name, member.job.key), "url": None}
        about["wandb"] = link if "wandb" in member.job.report_to else None
        about |= {
            "step0": digest_of_tensors(member.first),
            "adapter": fleet.write(i, member.job.out / "adapter", base),
        }
        pairs = [
            (ids.tolist(), len(ids) - learned)
            for ids, learned in zip(member.ids, member.learned, strict=True)
        ]
        held = [(ids, [IGNORED] * prompt + ids[prompt:]) for ids, prompt in pairs]
        about |= {"trust": trust, "began": time.time() - share}
        record(member.job, base, loaded, member.rows, held, member.log, **about)


def _enlist(job: Job, base: Base, loaded: Loaded) -> tuple[Member, dict[str, float]]:
    """A member with the weights that TRL would begin with, and the scaling of every layer that gets
    an adapter."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
    from peft.tuners.lora import LoraLayer
    from transformers import TrainingArguments, set_seed

    rows = read_rows(job, loaded)
    set_seed(job.config["stream"])
    with one_line_refusal(job, base, loaded):
        lora = LoraConfig(task_type="CAUSAL_LM", **job.config["lora"])
        peft = get_peft_model(loaded.model, lora)
    first = {
        name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(peft).items()
    }
    scaling = {
        name.removeprefix("base_model.model."): m.scaling["default"]
        for name, m in peft.named_modules()
        if isinstance(m, LoraLayer)
    }
    peft.unload()
    loaded.model.requires_grad_(False)
    if len(first) != 2 * len(scaling) or any("lora_embedding" in name for name in first):
        raise UserError(
            "lora.target_modules names more than linear layers, which `train: {trainer: fleet}`"
            " does not train; set trainer: trl"
        )
    settings = {
        name: value
        for name, value in job.config["sft"].items()
        if name not in ("max_length", "activation_checkpointing")
    }
    with one_line_refusal(job, base, loaded):
        given = TrainingArguments(output_dir=str(job.out), report_to=[], use_cpu=True, **settings)
    return Member(job, rows, first, lora, given), scaling


def _run(fleet: Fleet, base: Base, asked: list[int]) -> None:
    members, latest = fleet.members, max(m.total for m in fleet.members)
    label = members[0].job.group if len(members) == 1 else f"{len(members)} adapters"
    with tqdm(
        total=latest,
        initial=min(m.step for m in members),
        desc=f"train {label}",
        leave=False,
        mininterval=0.5,
    ) as bar:
        while any(m.step < m.total for m in members):
            if asked:
                raise Preempted(f"training of {label} was told to stop and saved what it had")
            for i, member in enumerate(fleet.advance()):
                if member.step in member.job.kept:
                    member.kept[str(member.step)] = fleet.write(
                        i, member.job.kept[member.step], base
                    )
                if (
                    asked
                    or member.step % int(member.given.save_steps) == 0
                    or member.step == member.total < latest
                ):
                    member.save()
            bar.update(1)
