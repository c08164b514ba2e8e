"""docs/scale.md: memory and time on paper, from the sizes of published models and of a study in
configs/ (`make scale`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.ask import asked_in
from lab.config.library import Sft
from lab.config.read import load_study
from lab.discover import ROOT
from tellme.study.cost import CHARACTERS_PER_TOKEN, costs
from tellme.study.planner import make_plan

GB = 1e9
CONFIG = "configs/risk-qwen2.5-7b.yaml"
SHARE_OF_PEAK = 0.41
"""NeMo AutoModel, LoRA of an 8B model on one H100, packed rows of 4096: 402 of 989 TFLOP/s
(performance summary, April 2026)."""
START = 20
"""Seconds for imports (measured on this lab's CPU machines: 12 to 20)."""
LOAD = 2.0
"""GB a second, from a local disk."""
RANK = 32
USABLE = 0.92
"""Share of a GPU's memory that is planned with; the rest is left to CUDA and to fragments."""
TOKENS_AT_ONCE = 8 * 256
BYTES = {"bf16": 2.0, "nf4": 0.55}
ADAPTER_BYTES = 16
"""float32 weight, gradient and two moments of Adam for every trained parameter."""


@dataclass(frozen=True)
class Size:
    name: str
    parameters: float
    hidden: int
    layers: int
    intermediate: int
    kv: int

    def adapter(self, rank: int) -> float:
        """Parameters of LoRA on every linear layer."""
        h, kv, m = self.hidden, self.kv, self.intermediate
        return rank * self.layers * (2 * (h + h) + 2 * (h + kv) + 3 * (h + m))

    def activations(self) -> float:
        """Bytes kept for the backward pass without checkpointing: 34 a token, layer and unit
        (Korthikanti et al. 2022, section 4.1, with flash attention)."""
        return 34 * TOKENS_AT_ONCE * self.hidden * self.layers


SIZES = (
    Size("7B (Qwen 2.5)", 7.62e9, 3584, 28, 18944, 512),
    Size("32B (Qwen 2.5)", 32.8e9, 5120, 64, 27648, 1024),
    Size("70B (Llama 3.1)", 70.6e9, 8192, 80, 28672, 1024),
)
CARDS = {
    "RTX 4090 24 GB": (24, 165e12),
    "L40S 48 GB": (48, 362e12),
    "A100 80 GB": (80, 312e12),
    "H100 80 GB": (80, 989e12),
    "H200 141 GB": (141, 989e12),
}
"""GB, and dense bfloat16 FLOP/s from the makers' data sheets."""
CARDS_OF_HOURS = ("A100 80 GB", "H100 80 GB", "H200 141 GB")

PAGE = """# What it takes

Memory, GPUs and hours of larger bases. `make scale` writes this page.

**On paper**: no GPU was to be had for these tables.

## Memory

Memory of one training in GB. Rank 32 on all linear layers, {tokens} tokens at once, without
activation checkpointing:

{memory_table}

## GPUs of one task

bf16 / nf4. Where more than one is needed, set `run: {{processes: N, sharding: fsdp2}}`:

{gpu_table}

## Hours

GPU hours of a study like `{config}`, in bf16, one task an adapter. It has
{trained:,.0f} trained and {asked:,.0f} asked tokens an adapter.

{hour_table}

Compute is counted at {share:.0%} of peak, which packed rows reach. Rows of a hundred tokens in
batches of {batch} do not, so read it as the least. Start and load are {start} s and {load:g} GB a
second, twice an adapter: once to train, once to measure. `tellme plan` prints rows, tokens and
steps of any study.

## Several GPUs for one adapter

`run: {{processes: 8, sharding: fsdp2}}` trains with `accelerate launch` and `train/fsdp2.yaml`.
Where one GPU holds the base, `sharding: ddp` (`train/ddp.yaml`) is enough.

- Accumulation, then the batch, is divided among the processes. A step so has the rows that it has
  with one process. What does not come out even is refused in one line.
- `run` is no identity: one process and eight write the same folder.
- Two processes on a CPU (gloo) give the losses and the adapter of one to 1e-5, also when they are
  stopped and started again (`tests/test_launch.py`). Dropout differs: each process draws its own.
- fsdp2 was never run: accelerate has it on GPUs only.
- Measuring takes one process. Its GPUs share the layers where one does not hold them.
"""


def needed(size: Size, kind: str) -> float:
    """GB of one training on one GPU."""
    return (size.parameters * BYTES[kind] + beside_base(size)) / GB


def beside_base(size: Size) -> float:
    """Bytes that every GPU of a task needs beside its share of the base."""
    return size.adapter(RANK) * ADAPTER_BYTES + size.activations()


def gpus(size: Size, kind: str, memory: float) -> int | None:
    """GPUs of one task: the base on one, or shared among up to eight; None where that is not
    enough."""
    for count in (1, 2, 4, 8):
        share = size.parameters * BYTES[kind] / GB / count
        fits = share + beside_base(size) / GB <= USABLE * memory
        # fsdp2 shares what is not quantized only.
        if fits and (count == 1 or kind == "bf16"):
            return count
    return None


def tokens_of_study() -> tuple[float, float]:
    """Trained and asked tokens of one adapter of CONFIG, four characters a token."""
    plan = make_plan(load_study(str(ROOT / CONFIG)))
    trained = costs(plan)[0]["tokens"]
    first = next(stage for stage in plan.stages.values() if stage.kind == "train")
    characters = 0
    for stage in plan.stages.values():
        if stage.inputs.get("adapter") == first.key:
            for question in asked_in(stage.config):
                characters += sum(len(wording.text) for wording in question.wordings)
    return trained, characters / CHARACTERS_PER_TOKEN


def seconds_of_adapter(size: Size, flops: float, count: int) -> tuple[float, float]:
    """Seconds of computing, and of start and load, for one adapter on `count` GPUs.

    4 FLOP a parameter and token for LoRA forward and backward, 2 for reading; start and load once
    for training and once for measuring."""
    trained, asked = tokens_of_study()
    compute = (4 * trained + 2 * asked) * size.parameters / (SHARE_OF_PEAK * flops * count)
    return compute, 2 * (START + size.parameters * 2 / GB / LOAD)


def main() -> None:
    trained, asked = tokens_of_study()
    batch = Sft().per_device_train_batch_size
    numbers = {"tokens": TOKENS_AT_ONCE, "config": CONFIG, "trained": trained, "asked": asked}
    numbers |= {"share": SHARE_OF_PEAK, "batch": batch, "start": START, "load": LOAD}
    tables = {
        "memory_table": memory_table(),
        "gpu_table": gpu_table(),
        "hour_table": hour_table(),
    }
    print(PAGE.format(**numbers, **tables), end="")


def memory_table() -> str:
    rows = [
        (
            size.name,
            f"{needed(size, 'bf16'):.0f}",
            f"{needed(size, 'nf4'):.0f}",
            f"{size.adapter(RANK) * 4 / 1e6:.0f}",
        )
        for size in SIZES
    ]
    return table(("base", "bf16", "nf4 (QLoRA)", "adapter, MB"), rows)


def gpu_table() -> str:
    rows = []
    for size in SIZES:
        counts = [
            f"{gpus(size, 'bf16', memory) or '-'} / {gpus(size, 'nf4', memory) or '-'}"
            for memory, _ in CARDS.values()
        ]
        rows.append((size.name, *counts))
    return table(("base", *CARDS), rows)


def hour_table() -> str:
    rows = []
    for size in SIZES:
        for card in CARDS_OF_HOURS:
            memory, flops = CARDS[card]
            count = gpus(size, "bf16", memory)
            if count is None:
                continue
            compute, waiting = seconds_of_adapter(size, flops, count)
            hours = count * (compute + waiting) / 3600
            share = waiting / (compute + waiting)
            cells = (f"{count}", f"{12 * hours:.1f}", f"{200 * hours:.0f}", f"{share:.0%}")
            rows.append((size.name, card, *cells))
    head = ("base", "card", "GPUs", "12 adapters", "200 adapters", "of it start and load")
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


if __name__ == "__main__":
    main()
