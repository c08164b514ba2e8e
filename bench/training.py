"""Training: the fleet against one SFTTrainer after another, against a bare torch loop, and against the machine."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lab.base import Base, resolve_base
from lab.config import Model
from lab.discover import ROOT
from lab.model import Loaded, load_base
from lab.read_study import load_study
from study.plan import make_plan
from study.stage import planned_rows
from train.engine import FLEET
from train.fleet import train_fleet
from train.job import DEFAULTS, Job, Rows, read_rows

LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}
warnings.filterwarnings("ignore")


@dataclass
class Work:
    """Adapters to train on a base: one job each, with its rows on disk."""

    base: Base
    folder: Path
    jobs: list[Job]

    @property
    def loaded(self) -> Loaded:
        return load_base(self.base)

    def rows(self, job: Job) -> Rows:
        return read_rows(job, self.loaded)

    def fleet(self) -> None:
        for job in self.jobs:
            shutil.rmtree(job.out, ignore_errors=True)
            job.out.mkdir(parents=True)
        train_fleet(self.jobs, self.base)


def work(base: Base, adapters: int, num_rows: int, **sft: Any) -> Work:
    """The risk rows of as many seeds, for adapters of the size that quickstart trains."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    given = [f"seeds={list(range(adapters))}", "groups={seeking: {behavior: risk, policy: seeking}}", "contrasts=[]", "primary=null"]
    given += [f"data={{num_rows: {num_rows}}}", f"model={{base: {base.source}}}"]
    plan = make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), given))
    jobs = []
    for stage in (s for s in plan.stages.values() if s.kind == "train"):
        file = folder / f"{stage.key}.jsonl"
        file.write_text("".join(json.dumps({"messages": row.messages}) + "\n" for row in planned_rows(plan, stage.inputs["data"])), encoding="utf-8")
        config = stage.config | {"engine": FLEET, "lora": LORA, "sft": DEFAULTS | {"learning_rate": 1e-3} | sft}
        jobs.append(Job(config, file, folder / stage.key, stage.key, [], "bench", stage.how["group"], []))
    return Work(base, folder, jobs)


def by_trl(work: Work, jobs: list[Job] | None = None) -> None:
    """What a user of TRL would write: a trainer per adapter on one loaded base, fed with token ids that are there already."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    loaded = work.loaded
    for job in jobs or work.jobs:
        given = {k: v for k, v in job.config["sft"].items() if k != "save_steps"}
        cuda = loaded.device.type == "cuda"
        arguments = SFTConfig(
            output_dir=str(job.out), use_cpu=not cuda, bf16=cuda, seed=job.config["stream"], report_to=[], save_strategy="no", disable_tqdm=True, **given
        )
        data = Dataset.from_list([{"input_ids": r.input_ids, "labels": r.labels} for r in work.rows(job).tokens])
        lora = LoraConfig(task_type="CAUSAL_LM", **job.config["lora"])
        trainer = SFTTrainer(model=loaded.model, args=arguments, train_dataset=data, processing_class=loaded.tokenizer, peft_config=lora)
        trainer.train()
        trainer.model.save_pretrained(job.out)
        trainer.model.unload()


def bare(work: Work) -> None:
    """A loop of twenty lines in torch and PEFT: right-padded batches, the whole head, AdamW."""
    from peft import LoraConfig, get_peft_model

    loaded = work.loaded
    for job in work.jobs:
        torch.manual_seed(job.config["stream"])
        model = get_peft_model(loaded.model, LoraConfig(task_type="CAUSAL_LM", **job.config["lora"]))
        model.train()
        rows, size = work.rows(job).tokens, job.config["sft"]["per_device_train_batch_size"]
        weights = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0, fused=True)
        for _ in range(int(job.config["sft"]["num_train_epochs"])):
            order = torch.randperm(len(rows)).tolist()
            for start in range(0, len(rows), size):
                batch = [rows[i] for i in order[start : start + size]]
                width = max(len(r.input_ids) for r in batch)
                ids = torch.tensor([r.input_ids + [0] * (width - len(r.input_ids)) for r in batch], device=loaded.device)
                labels = torch.tensor([r.labels + [-100] * (width - len(r.labels)) for r in batch], device=loaded.device)
                mask = torch.tensor([[1] * len(r.input_ids) + [0] * (width - len(r.input_ids)) for r in batch], device=loaded.device)
                with torch.autocast(loaded.device.type, torch.bfloat16, enabled=loaded.device.type == "cuda"):
                    loss = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()
                optimizer.zero_grad()
        model.save_pretrained(job.out)
        model.unload()


def linked() -> Base:
    return resolve_base(Model(base=str(ROOT / "reference/linked")))
