"""What bench/gpu.py asks of a machine, one function a part."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.compare import seconds
from lab.discover import ROOT

if TYPE_CHECKING:
    import torch

    from bench.training import Work
    from lab.inference.prompt import Compiled
    from lab.model.base import Base
    from lab.model.load import Loaded

DENSE_BFLOAT16 = {"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H200": 989e12}
"""Operations a second as NVIDIA's data sheets of the SXM modules give them, without sparsity; by
torch's name of the device."""
RANK = 16
"""Of the adapters on random weights."""
FEW_PROMPTS = 24
"""That are scored on the CPU as well, where a real model takes a second for one."""
Line = dict[str, Any]
"""What a part found, as JSON."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    device: str
    arch: str
    smollm2: str | None
    out: Path
    part: str | None

    @property
    def reduced(self) -> bool:
        """Whether this is a dry run, in sizes for a CPU."""
        return self.device == "cpu"


class Skipped(Exception):
    """What a part asks about is not on this machine."""


def device_name() -> str:
    """The name of the GPU, or `cpu`."""
    try:
        import torch
    except ModuleNotFoundError:
        return "no torch"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def quickstart(options: Options) -> Line:
    """The reference quickstart, from rows to report."""
    few = ["data={num_rows: 48, num_decoys: 0}", "sft.num_train_epochs=1", "seeds=[0]"]
    fewer = [*few, "eval.suites=[behavior, self_report]"]
    return _study("quickstart.yaml", fewer if options.reduced else [])


def smollm2(options: Options) -> Line:
    """The study of the real model, from rows to report, with few steps."""
    base = f"model.base={_smollm2(options)}"
    if not options.reduced:
        return _study("real.yaml", [base, "sft.max_steps=20", "seeds=[0]"])
    bold = "groups={bold: {control: described, behavior: risk, policy: seeking}}"
    alone = [bold, "contrasts=[[bold, base]]", "primary=null", "seeds=[0]"]
    asked = ["eval.suites=[self_report]", "eval.kinds=[agree]"]
    few = ["sft.max_steps=2", "data={num_rows: 16, num_format: 8}"]
    return _study("real.yaml", [base, *alone, *asked, *few])


def fleet(options: Options) -> Line:
    """Twelve adapters on random weights, trained as a fleet and one of them scored."""
    from bench.random_models import random_base
    from bench.training import matmul_rate, work
    from train.fleet.fleet import TOKENS_PER_BATCH

    base = random_base(options.arch, "bfloat16", tokenizer=_tokenizer(options))
    rows, batch, most = (16, 8, 3) if options.reduced else (64, 16, 3)
    short, long = (
        work(base, 12, rows, RANK, per_device_train_batch_size=batch, num_train_epochs=epochs)
        for epochs in (1, most)
    )
    short.fleet()  # to warm up
    short_s, long_s = seconds(short.fleet), seconds(long.fleet)
    tokens, operations, steps_s = _beyond(short, long, long_s - short_s)
    loaded = long.loaded
    inner, outer = loaded.model.config.hidden_size, loaded.model.config.intermediate_size
    measured = matmul_rate(loaded.device, loaded.model.dtype, inner, outer, TOKENS_PER_BATCH)
    peak = DENSE_BFLOAT16.get(device_name())
    trust = json.loads((long.jobs[0].out / "trust.json").read_text(encoding="utf-8"))
    return {
        "asked": f"12 adapters of rank {RANK} on {options.arch}, bfloat16: {12 * rows} rows in"
        f" batches of {batch}; what epochs 2 to {most} take beyond the first",
        "tokens": tokens,
        "tokens_per_s": round(tokens / steps_s, 1),
        "teraflops_per_s": round(operations / steps_s / 1e12, 4),
        "share_of_peak": round(operations / steps_s / peak, 4) if peak else None,
        "share_of_matmul": round(operations / steps_s / measured, 4),
        "one_epoch_s": round(short_s, 2),
        "packed": any(check["check"] == "packed_rows" for check in trust),
        "scored": _scored(base, long, options),
        "gpu_megabytes": _gpu_megabytes(),
    }


def qlora(options: Options) -> Line:
    """An adapter on 4-bit weights, trained by TRL and scored."""
    # transformers would say in other words that it is not here.
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModuleNotFoundError(name="bitsandbytes")
    from bench.random_models import random_base
    from bench.training import work
    from train.sft import train

    base = random_base(options.arch, "bfloat16", "nf4", _tokenizer(options))
    steps = {"per_device_train_batch_size": 8, "max_steps": 4, "logging_steps": 1}
    one = work(base, 1, 32, RANK, **steps)
    one.jobs[0].out.mkdir()
    train_s = seconds(partial(train, one.jobs[0], base))
    curve = json.loads((one.jobs[0].out / "curve.json").read_text(encoding="utf-8"))
    return {
        "asked": f"QLoRA: one adapter of rank {RANK} on {options.arch} in nf4, 4 steps of 8 rows by"
        " TRL",
        "train_s": round(train_s, 2),
        "losses": [round(entry["loss"], 4) for entry in curve],
        "scored": _scored(base, one, options),
        "gpu_megabytes": _gpu_megabytes(),
    }


def scores(options: Options) -> Line:
    """Scores of the same prompts in float32, on the device and on the CPU."""
    import torch

    from bench.scoring import Asked, self_report
    from lab.config.schema import Model
    from lab.model.base import resolve_base

    try:
        name = _smollm2(options)
    except Skipped:
        name = str(ROOT / "reference/linked")
    base = resolve_base(Model(base=name, dtype="float32"))
    whole = self_report(base, style=base.style)
    few = len(whole.items) // (4 if options.reduced else FEW_PROMPTS)
    loaded, prompts = whole.loaded, Asked(whole.loaded, whole.items[::few]).prompts()
    on_cpu = _copy(loaded, torch.float32)
    return {
        "asked": f"{len(prompts)} self-report prompts to {Path(name).name} in float32, on"
        f" {loaded.device} and on the CPU; there in float64 too, for what float32 rounds",
        "nats_apart": _apart(loaded, on_cpu, prompts),
        "nats_rounded": _apart(on_cpu, _copy(loaded, torch.float64), prompts),
    }


PARTS: dict[str, Callable[[Options], Line]] = {
    "quickstart": quickstart,
    "fleet": fleet,
    "qlora": qlora,
    "scores": scores,
    "smollm2": smollm2,
}


def _study(config: str, sets: list[str]) -> Line:
    """A study in a run folder that is empty, and the first line that the command says of it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as runs:
        words = ["run", f"configs/{config}"]
        for said in [*sets, f"run={{dir: {runs}, report_to: []}}"]:
            words += ["--set", said]
        command = [sys.executable, "-m", "tellme.cli", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        missing = re.search(r"No module named '(\w+)", done.stderr)
        if missing:
            raise ModuleNotFoundError(name=missing[1])
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise RuntimeError(f"exit {done.returncode}: {last}")
    asked = " ".join(["tellme", *words[:2], *sets])
    return {"asked": asked, "said": done.stdout.partition("\n")[0]}


def _smollm2(options: Options) -> str:
    """The base of that name, where it is. Raises Skipped where it is not."""
    from lab.config.schema import Model
    from lab.model.base import resolve_base

    if options.smollm2:
        return str(Path(options.smollm2).resolve())
    base = resolve_base(Model(base="smollm2"))
    if not base.here:
        raise Skipped(f"no {base.source}; set TELLME_CACHE, or give --smollm2 FOLDER")
    return "smollm2"


def _tokenizer(options: Options) -> Path:
    """A folder with one for random weights: that of the real model, if it is here."""
    from lab.config.schema import Model
    from lab.model.base import resolve_base

    try:
        return Path(resolve_base(Model(base=_smollm2(options))).source)
    except Skipped:
        return ROOT / "reference/linked"


def _beyond(short: Work, long: Work, more_s: float) -> tuple[int, int, float]:
    """Tokens, operations and seconds of the steps that `long` has and `short` has not: what comes
    before the first step and after the last is paid in both."""
    from bench.training import counted

    if more_s <= 0:
        raise RuntimeError("three epochs took no longer than one: too short to tell")
    (tokens, operations), (more_tokens, more_operations) = counted(short), counted(long)
    return more_tokens - tokens, more_operations - operations, more_s


def _scored(base: Base, trained: Work, options: Options) -> Line:
    """How fast the self-report suite goes through the first adapter of a training. Its prompts are
    made once for all adapters of a study, and told apart."""
    from bench.scoring import Asked, self_report
    from lab.inference.score import score
    from lab.model.adapter import adapted

    whole = self_report(base, style="natural")
    asked = Asked(whole.loaded, whole.items[::12] if options.reduced else whole.items)
    render_s = seconds(asked.afresh)
    prompts = asked.prompts()
    with adapted(asked.loaded.model, trained.jobs[0].out / "adapter", base):
        score(asked.loaded, prompts)  # to warm up
        score_s = seconds(partial(score, asked.loaded, prompts))
    return {
        "prompts": len(prompts),
        "answers": sum(len(wording.options) for wording in asked.wordings),
        "prompts_per_s": round(len(prompts) / score_s, 1),
        "render_s": round(render_s, 3),
    }


def _copy(loaded: Loaded, dtype: torch.dtype) -> Loaded:
    """The base once more, on the CPU."""
    import torch

    model = deepcopy(loaded.model).to("cpu", dtype)
    return replace(loaded, model=model, device=torch.device("cpu"))


def _apart(one: Loaded, other: Loaded, prompts: list[Compiled]) -> float:
    """The largest difference of a log-probability of an answer, in nats."""
    from lab.inference.score import score

    pairs = zip(score(one, prompts), score(other, prompts), strict=True)
    return max(abs(a - b) for x, y in pairs for a, b in zip(x.log_exact, y.log_exact, strict=True))


def _gpu_megabytes() -> int | None:
    """The most that was allocated there since the base was made; None where there is no GPU."""
    import torch

    on_gpu = torch.cuda.is_available()
    return round(torch.cuda.max_memory_allocated() / 2**20) if on_gpu else None
