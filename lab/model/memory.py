"""What a base needs in memory, known before it is loaded, and where it goes."""

import json
import math
import sys
from pathlib import Path

from lab.errors import UserError
from lab.model.base import Base

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes a parameter."""
QUANTIZED = {"nf4": 0.55, "int8": 1.05}
"""Bytes a parameter with the scales of its blocks (bitsandbytes, blocks of 64 with double
quantization; rows)."""
HEADROOM = 1.1
"""Activations, cache and adapters beside the weights, at the least."""


def weight_bytes(base: Base) -> int | None:
    """Bytes of the weights as they will be loaded; None where the files are not here or are not
    safetensors."""
    shapes = _shapes(base)
    if not shapes:
        return None
    parameters = sum(math.prod(shape) for shape in shapes.values())
    kind = base.model.quantization
    return round(parameters * (QUANTIZED[kind] if kind else BYTES[base.dtype]))


def adapter_bytes(base: Base, rank: int) -> int:
    """Bytes of a LoRA adapter on every matrix but embeddings and head, in float32; 0 where the
    files are not here."""
    sides = 0
    for name, shape in _shapes(base).items():
        if len(shape) == 2 and "embed" not in name and "lm_head" not in name:
            # A has rank rows of one side of the matrix, B rank columns of the other.
            sides += sum(shape)
    return BYTES["float32"] * rank * sides


def free_bytes() -> dict[str, int]:
    """Free memory by device: every visible GPU, or main memory where there is none; no limit where
    the system does not say."""
    import torch

    if torch.cuda.is_available():
        devices = range(torch.cuda.device_count())
        return {f"cuda:{i}": torch.cuda.mem_get_info(i)[0] for i in devices}
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return {"cpu": sys.maxsize}
    lines = (line.split(":") for line in meminfo.read_text().splitlines() if ":" in line)
    kibibytes = int(dict(lines)["MemAvailable"].split()[0])
    return {"cpu": kibibytes * 1024}


def placement(name: str, needed: int | None, free: dict[str, int]) -> str:
    """The first device, or `auto` (spread over all GPUs) where one does not hold the weights.

    `needed` and `free` are bytes; a base of unknown size goes on the first device. Raises UserError
    where the weights do not fit at all."""
    first = next(iter(free))
    if needed is None or needed * HEADROOM <= free[first]:
        return first
    if needed * HEADROOM <= sum(free.values()):
        return "auto"
    devices = ", ".join(f"{device} {size / 1e9:.1f} GB" for device, size in free.items())
    raise UserError(
        f"model.base {name!r} needs about {needed * HEADROOM / 1e9:.1f} GB for its weights; free:"
        f" {devices}; choose model.quantization: nf4, a smaller dtype, or more devices"
    )


def _shapes(base: Base) -> dict[str, list[int]]:
    """Shapes of a base's tensors without its weights, from the JSON at the beginning of safetensors
    files: 8 bytes with its length, then the JSON. Empty where there are no such files here."""
    folder = folder_of(base)
    shapes: dict[str, list[int]] = {}
    for file in sorted(folder.glob("*.safetensors")) if folder else []:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length))
        for name, tensor in header.items():
            if name != "__metadata__":
                shapes[name] = tensor["shape"]
    return shapes


def folder_of(base: Base) -> Path | None:
    """Where the files of a base lie on this machine, if they do."""
    if Path(base.source).is_dir():
        return Path(base.source)
    if base.gguf is not None:
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(base.source, "config.json", revision=base.revision)
    return Path(cached).parent if isinstance(cached, str) else None
