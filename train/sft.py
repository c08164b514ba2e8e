"""One adapter by TRL's SFTTrainer with PEFT's LoraConfig on rendered rows, loss on every learned
turn. `train` is the whole of it, top to bottom; what it calls stands below it in the same order."""

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.config.library import Sft
from lab.errors import UserError
from lab.model.adapter import digest_of_file, digest_of_model, whole, write_adapter
from lab.model.base import Base
from lab.preempt import Preempted
from lab.track import live_run
from lab.types import Fields
from train.checkpoint import first_process, newest_checkpoint
from train.job import Job, one_line_refusal, read_rows
from train.record import Trained, WandbLink, record, wandb_link

if TYPE_CHECKING:
    from lab.model.load import Loaded
    from train.progress import Leave

STOP = "stop"
"""File in the stage's folder by which a launcher tells several processes to save and leave."""


def train(job: Job, base: Base) -> None:
    """Train on the rows of a data stage and leave `adapter/`, `curve.json`, `trust.json` and
    provenance in the job's folder.

    Raises UserError where the settings do not fit the base, Preempted when it was told to stop and
    saved what it had."""
    began = time.time()
    # Here and not above: the launcher of several processes imports this file and trains nothing.
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from lab.model.load import load_base

    # Rows, as ids and labels: TRL neither templates nor masks them.
    loaded = load_base(base)
    rows = read_rows(job, loaded)
    data = Dataset.from_list([tokens.example for tokens in rows.sequences])

    # LoraConfig and SFTConfig.
    settings = sft_settings(job, base, loaded, len(data))
    with one_line_refusal(job, base, loaded):
        lora = LoraConfig(task_type="CAUSAL_LM", **job.spec.lora.arguments())
        arguments = SFTConfig(**settings)
    # One process trains on one device: torch's DataParallel would multiply the batch by all GPUs.
    arguments._n_gpu = min(1, arguments.n_gpu)

    # SFTTrainer, which draws the first weights of the adapter.
    set_seed(arguments.seed)
    parts = {"train_dataset": data, "processing_class": loaded.tokenizer, "peft_config": lora}
    with one_line_refusal(job, base, loaded):
        trainer = SFTTrainer(loaded.model, arguments, **parts)
    step0 = digest_of_model(trainer.model)

    # Callbacks, and the training.
    leave = add_callbacks(trainer, job, base)
    with wandb_run(trainer, job) as link:
        trainer.train(resume_from_checkpoint=newest_checkpoint(job.out / "checkpoints"))
    if leave.asked:
        raise stopped(trainer, job)

    # Save, and record.
    adapter = digest_of_model(trainer.model)
    save_adapter(trainer.model, base, job.out / "adapter")
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        digests = {"step0": step0, "adapter": adapter}
        trained = trained_by(trainer, job, base, loaded, began=began, link=link, **digests)
        record(job, base, loaded, rows, trained)


def sft_settings(job: Job, base: Base, loaded: "Loaded", num_sequences: int) -> Fields:
    """The arguments of SFTConfig: what the lab owns, and what the stage says. Raises UserError as
    `shared` does."""
    # PEFT 0.21 reads a property that transformers 5.23 renamed, and torch warns of pinned memory
    # without a GPU.
    warnings.filterwarnings("ignore", message=".*(is_gradient_checkpointing|pin_memory).*")
    on_cpu, stream = loaded.device.type == "cpu", job.spec.stream
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return {
        "seed": stream,
        "data_seed": stream,
        "output_dir": str(job.out / "checkpoints"),
        # The bar and the run in wandb are those of train/progress.py.
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "steps",
        # Where a kill cuts the newest checkpoint, the one before is gone on from.
        "save_total_limit": 2,
        # Every weight of an adapter takes part in every step: there is nothing for DDP to find.
        "ddp_find_unused_parameters": False,
        "use_cpu": on_cpu,
        "bf16": base.dtype == "bfloat16" and not on_cpu,
        "fp16": base.dtype == "float16" and not on_cpu,
        **shared(job.spec.sft, processes, num_sequences).arguments(),
    }


def shared(sft: Sft, processes: int, num_sequences: int) -> Sft:
    """The settings of each of several processes, so that together they make the steps that one
    would make.

    Accumulation is divided among them, then the batch. Raises UserError where that does not come
    out even, or where the last batch of an epoch would: accelerate fills it up with rows that were
    already seen."""
    if processes == 1:
        return sft
    batch, accumulated = sft.per_device_train_batch_size, sft.gradient_accumulation_steps
    if accumulated % processes == 0:
        accumulated //= processes
    elif batch * accumulated % processes == 0 and accumulated == 1:
        batch //= processes
    else:
        raise UserError(
            f"run.processes is {processes}, and a step has {accumulated} times {batch} rows: choose"
            f" sft.gradient_accumulation_steps that {processes} divides"
        )
    if num_sequences % (batch * processes):
        raise UserError(
            f"run.processes is {processes} with batches of {batch}, and {num_sequences} rows are no"
            f" multiple of {batch * processes}: choose another batch, or a number of rows that is"
        )
    divided = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulated}
    return sft.model_copy(update=divided)


def add_callbacks(trainer: Any, job: Job, base: Base) -> "Leave":
    """A bar, the adapter after given steps, and leaving on a signal; the last of them knows whether
    it was asked to."""
    from transformers import PrinterCallback

    from train.progress import Keep, Leave, Progress

    if trainer.args.process_index == 0:
        trainer.add_callback(Progress(f"train {job.group}"))
    # It prints every entry of the log.
    trainer.remove_callback(PrinterCallback)
    saves = {step: partial(save_adapter, trainer.model, base, to) for step, to in job.kept.items()}
    trainer.add_callback(Keep(saves))
    leave = Leave(job.out / STOP)
    trainer.add_callback(leave)
    return leave


@contextmanager
def wandb_run(trainer: Any, job: Job) -> Iterator[WandbLink | None]:
    """The run in wandb while the training goes on. Yields what provenance says of it, None where
    none is wanted."""
    if "wandb" not in job.report_to or not trainer.is_world_process_zero():
        yield None
        return
    from train.progress import Live

    store = job.out.parents[1]
    with live_run(store, job.name, job.key, group=job.group, config=job.settings) as run:
        if run:
            trainer.add_callback(Live(run))
        yield wandb_link(job, run.url if run else None)


def stopped(trainer: Any, job: Job) -> Preempted:
    """What is raised where a training was told to stop."""
    state = trainer.state
    return Preempted(
        f"{job.group} was told to stop after step {state.global_step} of {state.max_steps} and"
        " saved it"
    )


def save_adapter(model: Any, base: Base, folder: Path) -> None:
    """Every process must call it: they may hold shares of the adapter. The first one writes."""
    from peft import get_peft_model_state_dict

    tensors = whole(model)
    if first_process():
        adapter = get_peft_model_state_dict(model, state_dict=tensors)
        write_adapter(adapter, model.peft_config["default"], base, folder)


def trained_by(
    trainer: Any,
    job: Job,
    base: Base,
    loaded: "Loaded",
    *,
    began: float,
    link: WandbLink | None,
    step0: str,
    adapter: str,
) -> Trained:
    """What the trainer tells at its end; the adapter is off the base afterwards."""
    from lab.model.load import base_kept

    trust = []
    # Several processes may hold parts of the base only, and it ends with them.
    if trainer.args.world_size == 1:
        trainer.model.unload()
        loaded.model.config.use_cache = True
        loaded.model.eval()
        trust.append(base_kept(base, loaded))
    data = trainer.train_dataset
    return Trained(
        held=list(zip(data["input_ids"], data["labels"], strict=True)),
        log=[entry for entry in trainer.state.log_history if "loss" in entry],
        step0=step0,
        adapter=adapter,
        trust=trust,
        began=began,
        about={
            "steps": trainer.state.global_step,
            "processes": trainer.args.world_size,
            "wandb": link,
            "kept": {str(step): digest_of_file(folder) for step, folder in job.kept.items()},
        },
    )
