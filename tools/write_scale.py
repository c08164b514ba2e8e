"""docs/scale.md: memory and time on paper, from the sizes of published models and of a study in
configs/ (`make scale`)."""

from __future__ import annotations

from dataclasses import dataclass

from eval.ask import asked_in
from lab.config.read import load_study
from lab.discover import ROOT
from tellme.study.cost import CHARACTERS_PER_TOKEN, costs
from tellme.study.planner import make_plan
from train.job import DEFAULTS

GB = 1e9
CONFIG = "configs/risk-qwen2.5-7b.yaml"
SHARE_OF_PEAK = 0.41
"""NeMo AutoModel, LoRA of an 8B model on one H100, packed rows of 4096: 402 of 989 TFLOP/s
(performance summary, April 2026)."""
OVERHEAD = {"start of a process": 20, "load, GB a second": 2.0}
"""Seconds for imports (measured on this lab's CPU machines: 12 to 20), and a local disk."""
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


def needed(size: Size, kind: str, rank: int = 32) -> float:
    return (
        size.parameters * BYTES[kind] + size.adapter(rank) * ADAPTER_BYTES + size.activations()
    ) / GB


def gpus(size: Size, kind: str, memory: float) -> str:
    """GPUs of one task: the base on one, or shared among up to eight (fsdp2; only what is not
    quantized is shared)."""
    rest = (size.adapter(32) * ADAPTER_BYTES + size.activations()) / GB
    for count in (1, 2, 4, 8):
        if size.parameters * BYTES[kind] / GB / count + rest <= 0.92 * memory and (
            count == 1 or kind == "bf16"
        ):
            return str(count)
    return "-"


def tokens_of_study() -> tuple[float, float]:
    """Trained and asked tokens of one adapter of CONFIG, four characters a token."""
    plan = make_plan(load_study(str(ROOT / CONFIG)))
    trained = costs(plan)[0]["tokens"]
    first = next(s for s in plan.stages.values() if s.kind == "train")
    asked = [
        w
        for s in plan.stages.values()
        if s.inputs.get("adapter") == first.key
        for q in asked_in(s.config)
        for w in q.wordings
    ]
    return trained, sum(len(w.text) for w in asked) / CHARACTERS_PER_TOKEN


def hours(size: Size, flops: float, count: int, adapters: int) -> float:
    """GPU hours: 4 FLOP a parameter and token for LoRA forward and backward, 2 for reading; start
    and load for training and for measuring."""
    trained, asked = tokens_of_study()
    compute = (4 * trained + 2 * asked) * size.parameters / (SHARE_OF_PEAK * flops * count)
    load = size.parameters * 2 / GB / OVERHEAD["load, GB a second"]
    return adapters * count * (compute + 2 * (OVERHEAD["start of a process"] + load)) / 3600


def main() -> None:
    trained, asked = tokens_of_study()
    print(
        "# What it takes\n\nWritten by `make scale`. **On paper**: no GPU was to be had for this"
        " table.\n"
    )
    print(
        f"Memory of one training, rank 32 on all linear layers, {TOKENS_AT_ONCE} tokens at once,"
        " without activation checkpointing, in GB:\n"
    )
    print("| base | bf16 | nf4 (QLoRA) | adapter, MB |\n|---|---|---|---|")
    for size in SIZES:
        print(
            f"| {size.name} | {needed(size, 'bf16'):.0f} | {needed(size, 'nf4'):.0f} |"
            f" {size.adapter(32) * 4 / 1e6:.0f} |"
        )
    print(
        "\nGPUs of one task, bf16 / nf4 (`run: {processes: N, sharding: fsdp2}` where more than"
        " one):\n"
    )
    print("| base | " + " | ".join(CARDS) + " |\n|---|" + "---|" * len(CARDS))
    for size in SIZES:
        cells = [
            f"{gpus(size, 'bf16', memory)} / {gpus(size, 'nf4', memory)}"
            for memory, _ in CARDS.values()
        ]
        print(f"| {size.name} | " + " | ".join(cells) + " |")
    print(
        f"\nGPU hours of a study like `{CONFIG}` ({trained:,.0f} trained and {asked:,.0f} asked"
        " tokens an adapter), bf16, one task an adapter:\n"
    )
    print(
        "| base | card | GPUs | 12 adapters | 200 adapters | of it start and load"
        " |\n|---|---|---|---|---|---|"
    )
    for size in SIZES:
        for card in ("A100 80 GB", "H100 80 GB", "H200 141 GB"):
            memory, flops = CARDS[card]
            count = gpus(size, "bf16", memory)
            if count != "-":
                twelve, many = (hours(size, flops, int(count), n) for n in (12, 200))
                alone = (
                    1
                    - (4 * trained + 2 * asked)
                    * size.parameters
                    / (SHARE_OF_PEAK * flops)
                    / 3600
                    * 12
                    / twelve
                )
                print(
                    f"| {size.name} | {card} | {count} | {twelve:.1f} | {many:.0f} | {alone:.0%} |"
                )
    batch = DEFAULTS["per_device_train_batch_size"]
    print(
        f"""
Compute is counted at {SHARE_OF_PEAK:.0%} of peak, which packed rows reach; rows of a hundred tokens in batches of {batch} do not, so read it as the least. Start and load
are {OVERHEAD["start of a process"]} s and {OVERHEAD["load, GB a second"]:g} GB a second, twice an adapter: once to train, once to measure. `tellme plan` prints rows, tokens and steps of any study.

## Several GPUs for one adapter

`run: {{processes: 8, sharding: fsdp2}}` trains with `accelerate launch` and `train/fsdp2.yaml`; `sharding: ddp` (`train/ddp.yaml`) where one GPU holds the base. Accumulation, then
the batch, is divided among the processes, so that a step has the rows it has with one, and what does not come out even is refused in one line. `run` is no identity: one process
and eight write the same folder. Two processes on a CPU (gloo) give the losses and the adapter of one to 1e-5, stopped and started again in between (`tests/test_launch.py`); dropout is
drawn by each process for itself and differs. fsdp2 was never run: accelerate has it on GPUs only. Measuring takes one process, whose GPUs share the layers where one does not hold them."""
    )


if __name__ == "__main__":
    main()
