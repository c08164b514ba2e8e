"""Training: the fleet against one SFTTrainer after another, against a bare torch loop, and against
the machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch

from bench.compare import result, say, seconds
from data_gen.files import write_rows
from lab.config.library import Lora, Sft
from lab.config.read import load_study
from lab.config.schema import Model
from lab.discover import ROOT
from lab.model.base import Base, resolve_base
from lab.model.chat import IGNORED
from lab.model.load import Loaded, load_base
from lab.specs import TrainSpec
from tellme.study.planner import make_plan
from train.fleet.trainer import train_fleet
from train.job import Job, Rows, read_rows
from train.launch import Order
from train.turns import Tokens

warnings.filterwarnings("ignore")


@dataclass
class Work:
    """Adapters to train on a base: one job each, with its rows on disk."""

    base: Base
    folder: Path
    jobs: list[Job]

    @property
    def loaded(self) -> Loaded:
        """The base, as it is kept in this process."""
        return load_base(self.base)

    def rows(self, job: Job) -> Rows:
        """The rows of a job as tokens."""
        return read_rows(job, self.loaded)

    def fleet(self) -> None:
        """Train all jobs together, from the start."""
        for job in self.jobs:
            shutil.rmtree(job.out, ignore_errors=True)
            job.out.mkdir(parents=True)
        train_fleet(self.jobs, self.base)


def work(base: Base, adapters: int, num_rows: int, rank: int = 8, **sft: float) -> Work:
    """The risk rows of as many seeds, for adapters that are, where nothing else is said, of the
    size that quickstart trains."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    sets = [
        f"seeds={list(range(adapters))}",
        "groups={seeking: {behavior: risk, policy: seeking}}",
        "contrasts=[]",
        "primary=null",
        f"data={{num_rows: {num_rows}}}",
        f"model={{base: {base.source}}}",
    ]
    plan = make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), sets))
    lora = Lora.model_validate({"r": rank, "lora_alpha": 2 * rank, "target_modules": "all-linear"})
    settings = Sft.model_validate({"learning_rate": 1e-3, **sft})
    jobs = []
    for stage in plan.stages.values():
        if isinstance(stage.spec, TrainSpec):
            rows, out = folder / f"{stage.key}.jsonl", folder / stage.key
            write_rows(plan.planned_rows(stage.inputs["data"]), rows)
            spec = stage.spec.model_copy(update={"lora": lora, "sft": settings})
            jobs.append(Job(spec, rows, out, stage.key, [], "bench", stage.how.group))
    return Work(base, folder, jobs)


def by_trl(work: Work, jobs: list[Job] | None = None) -> None:
    """What a user of TRL would write: a trainer per adapter on one loaded base, fed with token ids
    that are there already."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    loaded = work.loaded
    for job in jobs or work.jobs:
        said = job.spec.sft.arguments()
        settings = {name: value for name, value in said.items() if name != "save_steps"}
        cuda = loaded.device.type == "cuda"
        arguments = SFTConfig(
            output_dir=str(job.out),
            use_cpu=not cuda,
            bf16=cuda,
            seed=job.spec.stream,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            **settings,
        )
        data = Dataset.from_list([tokens.example for tokens in work.rows(job).sequences])
        lora = LoraConfig(task_type="CAUSAL_LM", **job.spec.lora.arguments())
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
        torch.manual_seed(job.spec.stream)
        lora = LoraConfig(task_type="CAUSAL_LM", **job.spec.lora.arguments())
        model = get_peft_model(loaded.model, lora)
        model.train()
        rows, size = work.rows(job).sequences, job.spec.sft.per_device_train_batch_size
        weights = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0, fused=True)
        for _ in range(int(job.spec.sft.num_train_epochs)):
            order = torch.randperm(len(rows)).tolist()
            for start in range(0, len(rows), size):
                batch = _padded([rows[i] for i in order[start : start + size]], loaded.device)
                on_gpu = loaded.device.type == "cuda"
                with torch.autocast(loaded.device.type, torch.bfloat16, enabled=on_gpu):
                    loss = model(**batch, use_cache=False).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()
                optimizer.zero_grad()
        model.save_pretrained(job.out)
        model.unload()


def _padded(rows: list[Tokens], device: torch.device) -> dict[str, torch.Tensor]:
    """Rows as tensors [rows, tokens], padded on the right."""
    width = max(len(row.input_ids) for row in rows)
    ids, labels, mask = [], [], []
    for row in rows:
        length = len(row.input_ids)
        padding = width - length
        ids.append(row.input_ids + [0] * padding)
        labels.append(row.labels + [IGNORED] * padding)
        mask.append([1] * length + [0] * padding)
    return {
        "input_ids": torch.tensor(ids, device=device),
        "labels": torch.tensor(labels, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }


def per_adapter(name: str, base: Base, adapters: int = 6, num_rows: int = 16) -> None:
    """A step of so many rows of a fleet against one of `SFTTrainer`, both for an adapter, and the
    fleet against the floor of `floor`."""
    sft = {"per_device_train_batch_size": num_rows, "num_train_epochs": 1}
    together = work(base, adapters, num_rows, **sft)
    alone = Work(base, together.folder, together.jobs[:1])
    together.fleet()  # to warm up
    by_trl(alone)
    fleet_s, trl_s, floor_s = [], [], []
    for _ in range(3):
        fleet_s.append(seconds(together.fleet) / adapters)
        trl_s.append(seconds(partial(by_trl, alone)))
        bound_s, counted = floor(together)
        floor_s.append(bound_s / adapters)
    for against, theirs_s in (("trl", trl_s), ("floor", floor_s)):
        ratios = [ours / theirs for ours, theirs in zip(fleet_s, theirs_s, strict=True)]
        line = result(f"{name}_{against}", median(fleet_s), median(theirs_s), ratios)
        tokens_per_s = counted["tokens"] / adapters / median(fleet_s)
        more = {"tokens_per_s": round(tokens_per_s, 1), "gflops_peak": counted["gflops"]}
        say(line | more | {"dtype": base.dtype})


def linked() -> Base:
    """The reference model."""
    return resolve_base(Model(base=str(ROOT / "reference/linked")))


def by_processes(work: Work, measured: int = 1) -> float:
    """Seconds for a process per adapter that imports, loads the base and trains by TRL: `measured`
    of them are run, the others are taken to be alike."""
    began = time.perf_counter()
    for job in work.jobs[:measured]:
        order = Order(job=job, base=work.base).model_dump_json()
        command = [sys.executable, "-m", "bench.training", order]
        subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    return (time.perf_counter() - began) / measured * len(work.jobs)


def one_by_trl(order: Order) -> None:
    """What such a process does."""
    by_trl(Work(order.base, order.job.out, [order.job]))


def floor(work: Work) -> tuple[float, dict[str, float]]:
    """Seconds that the counted operations of a training take at the rate at which this machine
    multiplies its largest matrices."""
    model, config = work.loaded.model, work.loaded.model.config
    tokens, operations = counted(work)
    inner, outer = config.hidden_size, config.intermediate_size
    rate = matmul_rate(work.loaded.device, model.dtype, inner, outer)
    return operations / rate, {
        "tokens": tokens,
        "operations": operations,
        "gflops": round(rate / 1e9, 1),
    }


def counted(work: Work) -> tuple[int, int]:
    """Tokens that are no padding, and operations of a training.

    Forward and backward of the frozen base cost 2 operations each per weight and token (its
    gradients are not wanted), the head only where a token is learned; attention and adapters are
    left out, so a floor made of them is a little low."""
    model, config = work.loaded.model, work.loaded.model.config
    linear = sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name
    )
    tokens = learned = 0
    for job in work.jobs:
        rows, epochs = work.rows(job).sequences, job.spec.sft.num_train_epochs
        tokens += int(sum(len(r.input_ids) for r in rows) * epochs)
        learned += int(sum(label != IGNORED for r in rows for label in r.labels) * epochs)
    return tokens, 4 * linear * tokens + 4 * config.vocab_size * config.hidden_size * learned


def matmul_rate(
    device: torch.device, dtype: torch.dtype, inner: int, outer: int, tokens: int = 1024
) -> float:
    """Operations a second, the best of several products of the shapes of a feed-forward layer."""
    a = torch.randn(tokens, inner, device=device, dtype=dtype)
    b = torch.randn(inner, outer, device=device, dtype=dtype)
    products, best = 5, 0.0
    for _ in range(10):
        began = time.perf_counter()
        for _ in range(products):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        operations = products * 2 * tokens * inner * outer
        best = max(best, operations / (time.perf_counter() - began))
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
    largest = sorted(times, key=times.__getitem__, reverse=True)[:number]
    found = {name: round(times[name] / whole, 3) for name in largest}
    other = 1 - sum(times[name] for name in largest) / whole
    return found | {"other": round(other, 3)}


if __name__ == "__main__":
    one_by_trl(Order.model_validate_json(sys.argv[1]))
