"""Training: the fleet against one SFTTrainer after another, against a bare torch loop, and against
the machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lab.config.read import load_study
from lab.config.schema import Model
from lab.discover import ROOT
from lab.model.base import Base, resolve_base
from lab.model.load import Loaded, load_base
from tellme.study.plan import planned_rows
from tellme.study.planner import make_plan
from train.fleet.settings import FLEET
from train.fleet.trainer import train_fleet
from train.job import DEFAULTS, Job, Rows, read_rows

LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}
SMALL = {"vocab_size": 151_936, "max_position_embeddings": 4096, "tie_word_embeddings": True}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama-100m": {
        "model_type": "llama",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "vocab_size": 1024,
    },
    "qwen2.5-0.5b": (
        SMALL
        | {
            "model_type": "qwen2",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
        }
    ),
    "qwen2.5-7b": (
        SMALL
        | {
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        }
        | {"vocab_size": 152_064, "tie_word_embeddings": False}
    ),
}
"""Sizes as their authors published them; `llama-100m` is an ordinary Llama of 113M weights in its
layers."""
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
    given = [
        f"seeds={list(range(adapters))}",
        "groups={seeking: {behavior: risk, policy: seeking}}",
        "contrasts=[]",
        "primary=null",
    ]
    given += [f"data={{num_rows: {num_rows}}}", f"model={{base: {base.source}}}"]
    plan = make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), given))
    jobs = []
    for stage in (s for s in plan.stages.values() if s.kind == "train"):
        file = folder / f"{stage.key}.jsonl"
        file.write_text(
            "".join(
                json.dumps({"messages": row.messages}) + "\n"
                for row in planned_rows(plan, stage.inputs["data"])
            ),
            encoding="utf-8",
        )
        config = stage.config | {
            "engine": FLEET,
            "lora": LORA,
            "sft": DEFAULTS | {"learning_rate": 1e-3} | sft,
        }
        jobs.append(
            Job(config, file, folder / stage.key, stage.key, [], "bench", stage.how["group"], [])
        )
    return Work(base, folder, jobs)


def by_trl(work: Work, jobs: list[Job] | None = None) -> None:
    """What a user of TRL would write: a trainer per adapter on one loaded base, fed with token ids
    that are there already."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    loaded = work.loaded
    for job in jobs or work.jobs:
        given = {k: v for k, v in job.config["sft"].items() if k != "save_steps"}
        cuda = loaded.device.type == "cuda"
        arguments = SFTConfig(
            output_dir=str(job.out),
            use_cpu=not cuda,
            bf16=cuda,
            seed=job.config["stream"],
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            **given,
        )
        data = Dataset.from_list(
            [{"input_ids": r.input_ids, "labels": r.labels} for r in work.rows(job).tokens]
        )
        lora = LoraConfig(task_type="CAUSAL_LM", **job.config["lora"])
        trainer = SFTTrainer(
            model=loaded.model,
            args=arguments,
            train_dataset=data,
            processing_class=loaded.tokenizer,
            peft_config=lora,
        )
        trainer.train()
        trainer.model.save_pretrained(job.out)
        trainer.model.unload()


def bare(work: Work) -> None:
    """A loop of twenty lines in torch and PEFT: right-padded batches, the whole head, AdamW."""
    from peft import LoraConfig, get_peft_model

    loaded = work.loaded
    for job in work.jobs:
        torch.manual_seed(job.config["stream"])
        model = get_peft_model(
            loaded.model, LoraConfig(task_type="CAUSAL_LM", **job.config["lora"])
        )
        model.train()
        rows, size = work.rows(job).tokens, job.config["sft"]["per_device_train_batch_size"]
        weights = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0, fused=True)
        for _ in range(int(job.config["sft"]["num_train_epochs"])):
            order = torch.randperm(len(rows)).tolist()
            for start in range(0, len(rows), size):
                batch = [rows[i] for i in order[start : start + size]]
                width = max(len(r.input_ids) for r in batch)
                ids = torch.tensor(
                    [r.input_ids + [0] * (width - len(r.input_ids)) for r in batch],
                    device=loaded.device,
                )
                labels = torch.tensor(
                    [r.labels + [-100] * (width - len(r.labels)) for r in batch],
                    device=loaded.device,
                )
                mask = torch.tensor(
                    [[1] * len(r.input_ids) + [0] * (width - len(r.input_ids)) for r in batch],
                    device=loaded.device,
                )
                with torch.autocast(
                    loaded.device.type, torch.bfloat16, enabled=loaded.device.type == "cuda"
                ):
                    loss = model(
                        input_ids=ids, attention_mask=mask, labels=labels, use_cache=False
                    ).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()
                optimizer.zero_grad()
        model.save_pretrained(job.out)
        model.unload()


def linked() -> Base:
    return resolve_base(Model(base=str(ROOT / "reference/linked")))


def by_processes(work: Work, measured: int = 1) -> float:
    """Seconds for a process per adapter that imports, loads the base and trains by TRL: `measured`
    of them are run, the others are taken to be alike."""
    script = (
        "import sys, json; from pathlib import Path; from bench.training import *; from lab.base"
        " import base_of_record; "
    )
    script += (
        "given = json.loads(sys.argv[1]); job = Job(**given['job'] | {n: Path(given['job'][n]) for"
        " n in ('rows', 'out')}); "
    )
    script += "by_trl(Work(base_of_record(given['base']), job.out, [job]))"
    began = time.perf_counter()
    for job in work.jobs[:measured]:
        given = json.dumps({"job": asdict(job), "base": asdict(work.base)}, default=str)
        subprocess.run(
            [sys.executable, "-c", script, given], check=True, cwd=ROOT, capture_output=True
        )
    return (time.perf_counter() - began) / measured * len(work.jobs)


def random_base(arch: str) -> Base:
    """A model of a size that people use, with random weights and the tokenizer of the reference
    models; made once per folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = Path(tempfile.gettempdir()) / f"tellme-bench-{arch}"
    if not (folder / "config.json").is_file():
        shutil.copytree(
            ROOT / "reference/linked",
            folder,
            ignore=shutil.ignore_patterns("*.safetensors", "tellme.json", "*.md"),
        )
        dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            AutoModelForCausalLM.from_config(
                AutoConfig.for_model(**ARCHITECTURES[arch]), dtype=dtype
            ).save_pretrained(folder)
    return resolve_base(Model(base=str(folder)))


def floor(work: Work) -> tuple[float, dict[str, Any]]:
    """Seconds that the counted operations of a training take at the rate at which this machine
    multiplies its largest matrices.

    Forward and backward of the frozen base cost 2 operations each per weight and token that is no
    padding (its gradients are not wanted), the head only where a token is learned; attention and
    adapters are left out, so the floor is a little low."""
    config = work.loaded.model.config
    linear = sum(
        m.weight.numel()
        for n, m in work.loaded.model.named_modules()
        if isinstance(m, torch.nn.Linear) and "lm_head" not in n
    )
    tokens = learned = 0
    for job in work.jobs:
        rows, epochs = work.rows(job).tokens, job.config["sft"]["num_train_epochs"]
        tokens += int(sum(len(r.input_ids) for r in rows) * epochs)
        learned += int(sum(len(r.answer) + len(r.end) for r in rows) * epochs)
    operations = 4 * linear * tokens + 4 * config.vocab_size * config.hidden_size * learned
    rate = matmul_rate(
        work.loaded.device, work.loaded.model.dtype, config.hidden_size, config.intermediate_size
    )
    return operations / rate, {
        "tokens": tokens,
        "operations": operations,
        "gflops": round(rate / 1e9, 1),
    }


def matmul_rate(
    device: torch.device, dtype: torch.dtype, inner: int, outer: int, tokens: int = 1024
) -> float:
    """Operations a second, the best of several products of the shapes of a feed-forward layer."""
    a, b = (
        torch.randn(*shape, device=device, dtype=dtype)
        for shape in ((tokens, inner), (inner, outer))
    )
    best = 0.0
    for _ in range(10):
        began = time.perf_counter()
        for _ in range(5):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 5 * 2 * tokens * inner * outer / (time.perf_counter() - began))
    return best


def shares(work: Work, number: int = 8) -> dict[str, float]:
    """Where the time of a fleet goes: the operations that take most of it themselves, as shares;
    `other` is the rest."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        work.fleet()
    times = {
        event.key.removeprefix("aten::"): event.self_cpu_time_total
        for event in profiled.key_averages()
    }
    whole = sum(times.values())
    most = dict(sorted(times.items(), key=lambda pair: -pair[1])[:number])
    return {name: round(t / whole, 3) for name, t in most.items()} | {
        "other": round(1 - sum(most.values()) / whole, 3)
    }
