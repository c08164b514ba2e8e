"""One adapter by TRL's SFTTrainer with PEFT's LoraConfig on rendered rows, loss on the completion
only."""

import os
import time
import warnings
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from lab.errors import UserError
from lab.model.adapter import digest_of_file, digest_of_model, whole, write_adapter
from lab.model.base import Base
from lab.preempt import Preempted
from lab.track import PROJECT, live_run, run_id
from train.job import Job, Rows, one_line_refusal, read_rows, record

STOP = "stop"
"""File in the stage's folder by which a launcher tells several processes to save and leave."""


def shared(settings: dict[str, Any], processes: int, num_rows: int) -> dict[str, Any]:
    """The settings of each of several processes, so that together they make the steps that one
    would make.

    Accumulation is divided among them, then the batch. Raises UserError where that does not come
    out even, or where the last batch of an epoch would: accelerate fills it up with rows that were
    already seen."""
    if processes == 1:
        return settings
    batch, accumulated = (
        settings["per_device_train_batch_size"],
        settings.get("gradient_accumulation_steps", 1),
    )
    if accumulated % processes == 0:
        accumulated //= processes
    elif batch * accumulated % processes == 0 and accumulated == 1:
        batch //= processes
    else:
        raise UserError(
            f"run.processes is {processes}, and a step has {accumulated} times {batch} rows: choose"
            f" sft.gradient_accumulation_steps that {processes} divides"
        )
    if num_rows % (batch * processes):
        raise UserError(
            f"run.processes is {processes} with batches of {batch}, and {num_rows} rows are no"
            f" multiple of {batch * processes}: choose another batch, or a number of rows that is"
        )
    return settings | {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulated,
    }


def train(job: Job, base: Base) -> None:
    """Train on the rows of a data stage and leave `adapter/`, `curve.json`, `trust.json` and
    provenance in the job's folder.

    Raises UserError where the settings do not fit the base, Preempted when it was told to stop and
    saved what it had."""
    began = time.time()
    from lab.model.load import base_kept, load_base
    from train.progress import Keep, Leave, Live, newest_checkpoint

    loaded = load_base(base)
    rows = read_rows(job, loaded)
    # PEFT 0.21 reads a property that transformers 5.23 renamed, and torch warns of pinned memory
    # without a GPU.
    warnings.filterwarnings("ignore", message=".*(is_gradient_checkpointing|pin_memory).*")
    trainer = _trainer(job, base, loaded, rows)
    model, held, first_process = (
        trainer.model,
        trainer.train_dataset,
        trainer.is_world_process_zero(),
    )
    step0 = digest_of_model(model)
    trainer.add_callback(
        Keep(
            {step: partial(save_adapter, model, base, folder) for step, folder in job.kept.items()}
        )
    )
    leaving = Leave(job.out / STOP)
    trainer.add_callback(leaving)
    wanted = "wandb" in job.report_to and first_process
    with (
        live_run(job.out.parents[1], job.name, job.key, group=job.group, config=job.config)
        if wanted
        else nullcontext()
    ) as run:
        if run:
            trainer.add_callback(Live(run))
        trainer.train(resume_from_checkpoint=newest_checkpoint(job.out / "checkpoints"))
        link = {
            "project": PROJECT,
            "id": run_id(job.name, job.key),
            "url": run.url if run else None,
        }
    if leaving.asked:
        raise Preempted(
            f"{job.group} was told to stop after step {trainer.state.global_step} of"
            f" {trainer.state.max_steps} and saved it"
        )
    trained = digest_of_model(model)
    save_adapter(model, base, job.out / "adapter")
    trainer.accelerator.wait_for_everyone()
    if not first_process:
        return
    trust: list[dict[str, Any]] = []
    # Several processes may hold parts of the base only, and it ends with them.
    if trainer.args.world_size == 1:
        model.unload()
        loaded.model.config.use_cache = True
        loaded.model.eval()
        trust = [base_kept(base, loaded)]
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    about: dict[str, Any] = {"step0": step0, "adapter": trained, "trust": trust}
    about |= {"steps": trainer.state.global_step, "processes": trainer.args.world_size}
    about["wandb"] = link if wanted else None
    about["kept"] = {str(step): digest_of_file(folder) for step, folder in job.kept.items()}
    pairs = list(zip(held["input_ids"], held["labels"], strict=True))
    record(job, base, loaded, rows, pairs, log, began=began, **about)


def _trainer(job: Job, base: Base, loaded: Any, rows: Rows) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PrinterCallback, set_seed
    from trl import SFTConfig, SFTTrainer

    from train.progress import Progress

    on_cpu, stream = loaded.device.type == "cpu", job.config["stream"]
    places = {"output_dir": str(job.out / "checkpoints"), "report_to": [], "disable_tqdm": True}
    places |= {"save_strategy": "steps", "save_total_limit": 2, "ddp_find_unused_parameters": False}
    device = {
        "use_cpu": on_cpu,
        "bf16": base.dtype == "bfloat16" and not on_cpu,
        "fp16": base.dtype == "float16" and not on_cpu,
    }
    settings = shared(job.config["sft"], int(os.environ.get("WORLD_SIZE", "1")), len(rows.tokens))
    data = Dataset.from_list([{"input_ids": r.input_ids, "labels": r.labels} for r in rows.tokens])
    with one_line_refusal(job, base, loaded):
        lora = LoraConfig(task_type="CAUSAL_LM", **job.config["lora"])
        arguments = SFTConfig(seed=stream, data_seed=stream, **places, **device, **settings)
    # One process trains on one device: torch's DataParallel would multiply the batch by all GPUs.
    arguments._n_gpu = min(1, arguments.n_gpu)
    set_seed(stream)
    with one_line_refusal(job, base, loaded):
        trainer = SFTTrainer(
            loaded.model,
            arguments,
            train_dataset=data,
            processing_class=loaded.tokenizer,
            peft_config=lora,
        )
    if arguments.process_index == 0:
        trainer.add_callback(Progress(f"train {job.group}"))
    trainer.remove_callback(PrinterCallback)
    return trainer


def save_adapter(model: Any, base: Base, folder: Path) -> None:
    """Every process must call it: they may hold shares of the adapter. The first one writes."""
    from peft import get_peft_model_state_dict

    tensors = whole(model)
    if int(os.environ.get("RANK", "0")) == 0:
        write_adapter(
            get_peft_model_state_dict(model, state_dict=tensors),
            model.peft_config["default"],
            base,
            folder,
        )
