"""One adapter: TRL's SFTTrainer with PEFT's LoraConfig on rendered rows, loss on the completion only."""

import json
import math
import os
import shutil
import time
import warnings
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from lab.adapter import digest_of_file, digest_of_model, whole
from lab.base import Base
from lab.chat import Rendered
from lab.errors import UserError, first_line
from lab.preempt import Preempted
from lab.provenance import write_provenance
from lab.store import write_json
from lab.track import PROJECT, live_run, run_id
from lab.trust import check, masks
from lab.types import Message

VERSION = 2
DEFAULTS: dict[str, Any] = {"per_device_train_batch_size": 8, "learning_rate": 1e-4, "num_train_epochs": 3, "logging_steps": 5, "save_steps": 50}
DEFAULTS |= {"max_length": None, "activation_checkpointing": False}
"""Where they differ from TRL's own: nothing is truncated, and memory is not traded for time unless asked."""


STOP = "stop"
"""File in the stage's folder by which a launcher tells several processes to save and leave."""


def num_steps(num_rows: int, settings: dict[str, Any]) -> int:
    """Optimizer steps of a training on one device."""
    given: int = settings.get("max_steps", -1)
    per_step = settings["per_device_train_batch_size"] * settings.get("gradient_accumulation_steps", 1)
    return given if given > 0 else math.ceil(math.ceil(num_rows / per_step) * settings["num_train_epochs"])


def shared(settings: dict[str, Any], processes: int, num_rows: int) -> dict[str, Any]:
    """The settings of each of several processes, so that together they make the steps that one would make.

    Accumulation is divided among them, then the batch. Raises UserError where that does not come out even, or where the last
    batch of an epoch would: accelerate fills it up with rows that were already seen."""
    batch, accumulated = settings["per_device_train_batch_size"], settings.get("gradient_accumulation_steps", 1)
    if accumulated % processes == 0:
        accumulated //= processes
    elif batch * accumulated % processes == 0 and accumulated == 1:
        batch //= processes
    else:
        raise UserError(
            f"run.processes is {processes}, and a step has {accumulated} times {batch} rows: choose sft.gradient_accumulation_steps that {processes} divides"
        )
    if num_rows % (batch * processes):
        raise UserError(
            f"run.processes is {processes} with batches of {batch}, and {num_rows} rows are no multiple of {batch * processes}: choose another batch, or a number of rows that is"
        )
    return settings | {"per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulated}


def train(config: dict[str, Any], base: Base, rows: Path, out: Path, *, key: str, inputs: list[str], name: str, group: str, report_to: list[str]) -> None:
    """Train on the rows of a data stage and leave `adapter/`, `curve.json`, `trust.json` and provenance in `out`.

    `config` has lora, sft, stream (the seed of initialisation, row order and dropout) and, where adapters are measured on the way,
    `steps`, after which `steps/K/` is left. `out` may hold the checkpoints of an attempt that was killed. Raises UserError where the settings do not fit the base."""
    began = time.time()
    from lab.model import load_base
    from train.progress import Keep, Leave, Live, newest_checkpoint

    loaded = load_base(base)
    chats: list[list[Message]] = [json.loads(line)["messages"] for line in rows.read_text(encoding="utf-8").split("\n") if line]
    rendered = _rendered(loaded, chats, config["sft"]["max_length"])
    # PEFT 0.21 reads a property that transformers 5.23 renamed, and torch warns of pinned memory without a GPU.
    warnings.filterwarnings("ignore", message=".*(is_gradient_checkpointing|pin_memory).*")
    trainer = _trainer(config, base, loaded, rendered, out / "checkpoints", group)
    model, held, first_process = trainer.model, trainer.train_dataset, trainer.is_world_process_zero()
    covered = masks(loaded.renderer, chats, list(zip(held["input_ids"], held["labels"], strict=True)))
    step0 = digest_of_model(model)
    kept = {step: out / "steps" / str(step) for step in config.get("steps", [])}
    trainer.add_callback(Keep({step: partial(save_adapter, model, base, folder) for step, folder in kept.items()}))
    leaving = Leave(out / STOP)
    trainer.add_callback(leaving)
    wanted = "wandb" in report_to and first_process
    with live_run(out.parents[1], name, key, group=group, config=config) if wanted else nullcontext() as run:
        if run:
            trainer.add_callback(Live(run))
        trainer.train(resume_from_checkpoint=newest_checkpoint(out / "checkpoints"))
        link = {"project": PROJECT, "id": run_id(name, key), "url": run.url if run else None}
    if leaving.asked:
        raise Preempted(f"{group} was told to stop after step {trainer.state.global_step} of {trainer.state.max_steps} and saved it")
    trained = digest_of_model(model)
    moved = check("weights_moved", float(trained != step0), 1.0, trained != step0)
    save_adapter(model, base, out / "adapter")
    trainer.accelerator.wait_for_everyone()
    if not first_process:
        return
    if trainer.args.world_size == 1:
        model.unload()
        loaded.model.config.use_cache = True
        loaded.model.eval()
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    write_json(out / "curve.json", [entry for entry in trainer.state.log_history if "loss" in entry])
    write_json(out / "trust.json", [moved, covered])
    first = rendered[0]
    about = {"base": base.identity, "steps": trainer.state.global_step, "rows": len(rendered), "tokens": sum(len(r.input_ids) for r in rendered)}
    about |= {"step0": step0, "adapter": trained, "processes": trainer.args.world_size, "wandb": link if wanted else None}
    about["kept"] = {str(step): digest_of_file(folder) for step, folder in kept.items()}
    learned = loaded.tokenizer.decode([*first.answer, *first.end])
    about["first_row"] = {"messages": chats[0], "prompt_ids": first.prompt, "masked": loaded.tokenizer.decode(first.prompt), "learned": learned}
    write_provenance(out, "train", key, config, inputs, began, **about)


def _rendered(loaded: Any, chats: list[list[Message]], max_length: int | None) -> list[Rendered]:
    """Every row through the one renderer; a row that would be cut is refused, for its answer stands at the end."""
    rendered = [loaded.renderer.render(chat[:-1], chat[-1]["content"]) for chat in chats]
    longest, limit = (max(len(r.input_ids) for r in rendered), max_length or loaded.model.config.get_text_config().max_position_embeddings)
    if longest > limit:
        raise UserError(f"the longest training row has {longest} tokens, more than sft.max_length or the base allows ({limit}); raise it or shorten the rows")
    return rendered


def _trainer(config: dict[str, Any], base: Base, loaded: Any, rendered: list[Rendered], checkpoints: Path, group: str) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from torch.nn import Linear
    from transformers import PrinterCallback, set_seed
    from trl import SFTConfig, SFTTrainer

    from train.progress import Progress

    on_cpu = loaded.device.type == "cpu"
    try:
        lora = LoraConfig(task_type="CAUSAL_LM", **config["lora"])
        places = {"output_dir": str(checkpoints), "report_to": [], "disable_tqdm": True, "save_strategy": "steps", "save_total_limit": 2}
        places["ddp_find_unused_parameters"] = False
        device = {"use_cpu": on_cpu, "bf16": base.dtype == "bfloat16" and not on_cpu, "fp16": base.dtype == "float16" and not on_cpu}
        settings = shared(config["sft"], int(os.environ.get("WORLD_SIZE", "1")), len(rendered))
        arguments = SFTConfig(seed=config["stream"], data_seed=config["stream"], **places, **device, **settings)
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(f"lora or sft settings were refused by PEFT or TRL: {first_line(error)}") from None
    # One process trains on one device: torch's DataParallel would multiply the batch by the GPUs it sees.
    arguments._n_gpu = min(1, arguments.n_gpu)
    set_seed(config["stream"])
    try:
        trainer = SFTTrainer(
            model=loaded.model,
            args=arguments,
            train_dataset=Dataset.from_list([{"input_ids": r.input_ids, "labels": r.labels} for r in rendered]),
            processing_class=loaded.tokenizer,
            peft_config=lora,
            callbacks=[Progress(f"train {group}")] if arguments.process_index == 0 else [],
        )
    except ValueError as error:
        if "arget modules" not in str(error) and "target_modules" not in str(error):
            raise UserError(f"TRL refused these settings: {first_line(error)}") from None
        linear = sorted({n.rpartition(".")[2] for n, m in loaded.model.named_modules() if isinstance(m, Linear)})
        raise UserError(
            f"lora.target_modules {config['lora'].get('target_modules')!r} match nothing in {base.name}; allowed: all-linear, or some of {', '.join(linear)}"
        ) from None
    trainer.remove_callback(PrinterCallback)
    return trainer


def save_adapter(model: Any, base: Base, folder: Path) -> None:
    """Plain PEFT files that name the base as the study does, readable by the group of the run folder. Every process must call it."""
    tensors = whole(model)
    if int(os.environ.get("RANK", "0")) > 0:
        return
    model.peft_config["default"].base_model_name_or_path = base.name
    model.save_pretrained(folder, state_dict=tensors)
    (folder / "README.md").unlink(missing_ok=True)
    for file in folder.iterdir():
        os.chmod(file, 0o644)
