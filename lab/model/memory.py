"""What a base needs in memory, known before it is loaded, and where it goes."""

import json
import math
import sys
from pathlib import Path

from lab.errors import UserError
from lab.model.base import Base

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
QUANTIZED = {"nf4": 0.55, "int8": 1.05}
"""Bytes a parameter with the scales of its blocks (bitsandbytes, blocks of 64 with double
quantization; rows)."""
HEADROOM = 1.1
"""Activations, cache and adapters beside the weights, at the least."""


def weight_bytes(base: Base) -> int | None:
    """Bytes of the weights as they will be loaded; None where the files are not here or are not
    safetensors."""
    folder = _folder(base)
    files = sorted(folder.glob("*.safetensors")) if folder else []
    if not files:
        return None
    parameters = sum(math.prod(shape) for shape in _shapes(files).values())
    kind = base.model.quantization
    return round(parameters * (QUANTIZED[kind] if kind else BYTES[base.dtype]))


def adapter_bytes(base: Base, rank: int) -> int:
    """Bytes of a LoRA adapter on every matrix but embeddings and head, in float32; 0 where the
    files are not here."""
    folder = _folder(base)
    shapes = _shapes(sorted(folder.glob("*.safetensors")) if folder else [])
    matrices = [
        shape
        for name, shape in shapes.items()
        if len(shape) == 2 and "embed" not in name and "lm_head" not in name
    ]
    return 4 * rank * sum(sum(shape) for shape in matrices)


def free_bytes() -> dict[str, int]:
    """Free memory by device: every visible GPU, or main memory where there is none; no limit where
    the system does not say."""
    import torch

    if torch.cuda.is_available():
        return {
            f"cuda:{i}": torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())
        }
    if not Path("/proc/meminfo").exists():
        return {"cpu": sys.maxsize}
    lines = dict(
        line.split(":") for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    return {"cpu": int(lines["MemAvailable"].split()[0]) * 1024}


def placement(name: str, needed: int | None, free: dict[str, int]) -> str:
    """The first device, or `auto` (spread over all GPUs) where one does not hold the weights.

    Raises UserError where they do not fit at all."""
    first = next(iter(free))
    if needed is None or needed * HEADROOM <= free[first]:
        return first
    if needed * HEADROOM <= sum(free.values()):
        return "auto"
    raise UserError(
        f"model.base {name!r} needs about {needed * HEADROOM / 1e9:.1f} GB for its weights; free: "
        + ", ".join(f"{device} {size / 1e9:.1f} GB" for device, size in free.items())
        + "; choose model.quantization: nf4, a smaller dtype, or more devices"
    )


def _folder(base: Base) -> Path | None:
    if Path(base.source).is_dir():
        return Path(base.source)
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(base.source, "config.json", revision=base.revision)
    return Path(cached).parent if isinstance(cached, str) else None


def _shapes(files: list[Path]) -> dict[str, list[int]]:
    """Shapes without weights, from the JSON at the beginning of safetensors files."""
    found: dict[str, list[int]] = {}
    for file in files:
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        found |= {
            name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"
        }
    return found
