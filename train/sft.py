"""One adapter: TRL's SFTTrainer with PEFT's LoraConfig on rendered rows, loss on the completion only."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

from lab.base import Base
from lab.errors import UserError
from lab.provenance import write_provenance
from lab.store import write_json

VERSION = 1
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


def train(
    config: dict[str, Any],
    base: Base,
    rows_path: Path,
    out: Path,
    *,
    key: str,
    inputs: list[str],
    name: str,
    group: str,
    report_to: list[str],
) -> None:
    """Train on the rows of a data stage and leave `adapter/`, `curve.json`, `trust.json` and provenance in `out`.

    `config` has lora, sft and stream (the seed of initialisation, row order and dropout). `out` may hold the checkpoints
    of an attempt that was killed. Raises UserError where the settings do not fit the base.
    """
    began = time.time()
    import torch
    from datasets import Dataset
    from peft import LoraConfig, PeftModel
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from lab.chat import render
    from lab.model import load_base
    from train.progress import Progress, newest_checkpoint, tracking

    loaded = load_base(base)
    rows = [json.loads(line) for line in rows_path.read_text(encoding="utf-8").splitlines()]
    rendered = [render(loaded.tokenizer, row["messages"][:-1], row["messages"][-1]["content"]) for row in rows]
    longest = max(len(r.input_ids) for r in rendered)
    limit = config["sft"]["max_length"] or loaded.model.config.max_position_embeddings
    if longest > limit:
        raise UserError(
            f"the longest training row has {longest} tokens, more than sft.max_length or the base allows ({limit}); raise it or shorten the rows"
        )
    dataset = Dataset.from_list([{"input_ids": r.input_ids, "labels": r.labels} for r in rendered])

    on_cpu = loaded.device.type == "cpu"
    arguments = SFTConfig(
        output_dir=str(out / "checkpoints"),
        seed=config["stream"],
        data_seed=config["stream"],
        use_cpu=on_cpu,
        bf16=base.dtype == "bfloat16" and not on_cpu,
        fp16=base.dtype == "float16" and not on_cpu,
        report_to=report_to,
        run_name=f"{group}-{key}",
        disable_tqdm=True,
        save_strategy="steps",
        save_total_limit=2,
        **config["sft"],
    )
    with tracking(report_to, name, group, key, config), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pin_memory.*")
        set_seed(config["stream"])
        try:
            trainer = SFTTrainer(
                model=loaded.model,
                args=arguments,
                train_dataset=dataset,
                processing_class=loaded.tokenizer,
                peft_config=LoraConfig(task_type="CAUSAL_LM", **config["lora"]),
                callbacks=[Progress(f"train {group}")],
            )
        except ValueError as error:
            if "arget modules" not in str(error) and "target_modules" not in str(error):
                raise
            linear = sorted(
                {n.rpartition(".")[2] for n, m in loaded.model.named_modules() if isinstance(m, torch.nn.Linear)}
            )
            raise UserError(
                f"lora.target_modules {config['lora'].get('target_modules')!r} match nothing in {base.name}; its linear layers are: {', '.join(linear)}, or all-linear"
            ) from None
        model = trainer.model
        assert isinstance(model, PeftModel)
        step0 = adapter_digest(model)
        trainer.train(resume_from_checkpoint=newest_checkpoint(out / "checkpoints"))
        save_adapter(model, base, out / "adapter")
        moved = adapter_digest(model) != step0
        curve = [entry for entry in trainer.state.log_history if "loss" in entry]
        steps = trainer.state.global_step
        model.unload()
        loaded.model.config.use_cache = True
        loaded.model.eval()
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    write_json(out / "curve.json", curve)
    write_json(
        out / "trust.json", [{"check": "weights_moved", "passed": moved, "value": float(moved), "threshold": 1.0}]
    )
    first = rendered[0]
    shown = {
        "masked": loaded.tokenizer.decode(first.prompt),
        "learned": loaded.tokenizer.decode([*first.answer, *first.end]),
    }
    tokens = sum(len(r.input_ids) for r in rendered)
    write_provenance(
        out,
        "train",
        key,
        config,
        inputs,
        began,
        base=base.identity,
        steps=steps,
        rows=len(rows),
        tokens=tokens,
        step0=step0,
        first_row=shown,
    )


def adapter_digest(model: Any) -> str:
    """Hash of the LoRA weights as they stand: at step 0 it tells two initialisations apart."""
    total = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        if re.search(r"lora_", name):
            total.update(name.encode() + parameter.detach().float().cpu().numpy().tobytes())
    return total.hexdigest()[:16]


def save_adapter(model: Any, base: Base, folder: Path) -> None:
    """Plain PEFT files that name the base as the study does, readable by the group of the run folder."""
    model.peft_config["default"].base_model_name_or_path = base.name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    for file in folder.iterdir():
        os.chmod(file, 0o644)
