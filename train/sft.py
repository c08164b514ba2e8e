"""One adapter: TRL's SFTTrainer with PEFT's LoraConfig on rendered rows, loss on the completion only."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

from lab.adapter import digest_of_file, digest_of_model
from lab.base import Base
from lab.chat import Rendered
from lab.errors import UserError
from lab.provenance import write_provenance
from lab.store import write_json
from lab.trust import check, masks
from lab.types import Message

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
"""Where they differ from TRL's own: nothing is truncated, and memory is not traded for time unless asked."""


def num_steps(num_rows: int, settings: dict[str, Any]) -> int:
    """Optimizer steps of a training on one device."""
    given: int = settings.get("max_steps", -1)
    per_step = settings["per_device_train_batch_size"] * settings.get("gradient_accumulation_steps", 1)
    return given if given > 0 else math.ceil(math.ceil(num_rows / per_step) * settings["num_train_epochs"])


def train(
    config: dict[str, Any],
    base: Base,
    rows: Path,
    out: Path,
    *,
    key: str,
    inputs: list[str],
    name: str,
    group: str,
    report_to: list[str],
) -> None:
    """Train on the rows of a data stage and leave `adapter/`, `curve.json`, `trust.json` and provenance in `out`.

    `config` has lora, sft, stream (the seed of initialisation, row order and dropout) and, where adapters are measured on the way,
    `steps`, after which `steps/K/` is left. `out` may hold the checkpoints of an attempt that was killed. Raises UserError where the settings do not fit the base.
    """
    began = time.time()
    from lab.model import load_base
    from train.progress import Keep, newest_checkpoint, tracking

    loaded = load_base(base)
    chats: list[list[Message]] = [json.loads(line)["messages"] for line in rows.read_text(encoding="utf-8").split("\n") if line]
    rendered = _rendered(loaded, chats, config["sft"]["max_length"])
    # PEFT 0.21 reads a property that transformers 5.23 renamed, and torch warns of pinned memory without a GPU.
    warnings.filterwarnings("ignore", message=".*(is_gradient_checkpointing|pin_memory).*")
    trainer = _trainer(config, base, loaded, rendered, out / "checkpoints", group, report_to)
    model, held = trainer.model, trainer.train_dataset
    covered = masks(loaded.renderer, chats, list(zip(held["input_ids"], held["labels"], strict=True)))
    step0 = digest_of_model(model)
    kept = {step: out / "steps" / str(step) for step in config.get("steps", [])}
    trainer.add_callback(Keep({step: partial(save_adapter, model, base, folder) for step, folder in kept.items()}))
    with tracking(report_to, out.parents[1], name, group, key, config):
        trainer.train(resume_from_checkpoint=newest_checkpoint(out / "checkpoints"))
    trained = digest_of_model(model)
    moved = check("weights_moved", float(trained != step0), 1.0, trained != step0)
    save_adapter(model, base, out / "adapter")
    model.unload()
    loaded.model.config.use_cache = True
    loaded.model.eval()
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    write_json(out / "curve.json", [entry for entry in trainer.state.log_history if "loss" in entry])
    write_json(out / "trust.json", [moved, covered])
    first = rendered[0]
    write_provenance(
        out,
        "train",
        key,
        config,
        inputs,
        began,
        base=base.identity,
        steps=trainer.state.global_step,
        rows=len(rendered),
        tokens=sum(len(r.input_ids) for r in rendered),
        step0=step0,
        adapter=trained,
        kept={str(step): digest_of_file(folder) for step, folder in kept.items()},
        first_row={
            "messages": chats[0],
            "prompt_ids": first.prompt,
            "masked": loaded.tokenizer.decode(first.prompt),
            "learned": loaded.tokenizer.decode([*first.answer, *first.end]),
        },
    )


def _rendered(loaded: Any, chats: list[list[Message]], max_length: int | None) -> list[Rendered]:
    """Every row through the one renderer; a row that would be cut is refused, for its answer stands at the end."""
    rendered = [loaded.renderer.render(chat[:-1], chat[-1]["content"]) for chat in chats]
    longest, limit = (
        max(len(r.input_ids) for r in rendered),
        max_length or loaded.model.config.get_text_config().max_position_embeddings,
    )
    if longest > limit:
        raise UserError(
            f"the longest training row has {longest} tokens, more than sft.max_length or the base allows ({limit});"
            " raise it or shorten the rows"
        )
    return rendered


def _trainer(
    config: dict[str, Any], base: Base, loaded: Any, rendered: list[Rendered], checkpoints: Path, group: str, report_to: list[str]
) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from torch.nn import Linear
    from transformers import PrinterCallback, set_seed
    from trl import SFTConfig, SFTTrainer

    from train.progress import Progress

    on_cpu = loaded.device.type == "cpu"
    try:
        lora = LoraConfig(task_type="CAUSAL_LM", **config["lora"])
        arguments = SFTConfig(
            output_dir=str(checkpoints),
            seed=config["stream"],
            data_seed=config["stream"],
            use_cpu=on_cpu,
            bf16=base.dtype == "bfloat16" and not on_cpu,
            fp16=base.dtype == "float16" and not on_cpu,
            report_to=report_to,
            run_name=group,
            disable_tqdm=True,
            save_strategy="steps",
            save_total_limit=2,
            **config["sft"],
        )
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(f"lora or sft settings were refused by PEFT or TRL: {str(error).splitlines()[0][:200]}") from None
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
            callbacks=[Progress(f"train {group}")],
        )
    except ValueError as error:
        if "arget modules" not in str(error) and "target_modules" not in str(error):
            raise UserError(f"TRL refused these settings: {str(error).splitlines()[0][:200]}") from None
        linear = sorted({n.rpartition(".")[2] for n, m in loaded.model.named_modules() if isinstance(m, Linear)})
        raise UserError(
            f"lora.target_modules {config['lora'].get('target_modules')!r} match nothing in {base.name};"
            f" allowed: all-linear, or some of {', '.join(linear)}"
        ) from None
    trainer.remove_callback(PrinterCallback)
    return trainer


def save_adapter(model: Any, base: Base, folder: Path) -> None:
    """Plain PEFT files that name the base as the study does, readable by the group of the run folder."""
    model.peft_config["default"].base_model_name_or_path = base.name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    for file in folder.iterdir():
        os.chmod(file, 0o644)
