"""Load a base once per process. Import this only inside a stage: torch and transformers take
seconds."""

import gc
import os
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from lab.errors import TrustError, UserError, some_of
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.model.memory import free_bytes, placement, weight_bytes
from lab.store.store import digest
from lab.store.trust import same


@dataclass(frozen=True)
class Loaded:
    model: Any
    renderer: Renderer
    device: torch.device
    digest: str
    """Of the weights as they were loaded."""

    @property
    def tokenizer(self) -> Any:
        return self.renderer.tokenizer


_LOADED: dict[Base, Loaded] = {}
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The whole numbers as which weights of so many bytes are read."""
MISFITS = {
    "missing_keys": "lacks",
    "unexpected_keys": "has besides",
    "mismatched_keys": "has in another shape",
}
"""What transformers reports of files that do not cover a model, and how a refusal says it."""


def load_base(base: Base) -> Loaded:
    """Weights and renderer of a base, in evaluation mode; raises UserError where they cannot be had
    or do not fit.

    One base is kept; it makes room before another is loaded."""
    if base not in _LOADED:
        _LOADED.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _LOADED[base] = _load(base)
    return _LOADED[base]


def base_kept(base: Base, loaded: Loaded, of: str = "") -> dict[str, Any]:
    """The trust check that the base is what it was when it was loaded, before an adapter was put on
    and trained or measured.

    Raises TrustError where it is not, whatever is allowed: a changed base makes everything wrong
    that this process measures after it. It is dropped, so that the next stage loads it anew."""
    found = digest_of_weights(loaded.model)
    if found != loaded.digest:
        forget(base)
        raise TrustError(
            f"trust check base_kept{f':{of}' if of else ''} failed: the weights of {base.name!r}"
            " are not what they were when it was loaded, so something that was put on it stayed;"
            " nothing of this stage is kept. Look at the settings of its adapter"
        )
    return same(f"base_kept:{of}" if of else "base_kept", found, loaded.digest)


def forget(base: Base) -> None:
    """Load the base anew when it is next asked for."""
    _LOADED.pop(base, None)


@torch.no_grad()
def digest_of_weights(model: Any) -> str:
    """Of the names, shapes, types and exact bits of everything that a model would save.

    Whole numbers are added up where the weights are, rows apart, and one number a tensor leaves the
    device: floats that are added up would hide what rounds away, and a hash of all bytes would take
    seconds for gigabytes."""
    # On a CPU bitsandbytes rounds the scales of 4-bit blocks (NAME.weight.absmax) when they are
    # first used; and of several processes that share a base the first one alone may hold its
    # weights.
    named = sorted(model.state_dict().items())
    tensors = [
        (name, t)
        for name, t in named
        if isinstance(t, torch.Tensor) and not t.is_meta and ".weight." not in name
    ]
    sums = [_sum_of_bits(tensor) for _, tensor in tensors]
    moved = torch.stack([total.to(sums[0].device) for total in sums]).tolist() if sums else []
    return digest(
        [
            [name, str(t.dtype), list(t.shape), n]
            for (name, t), n in zip(tensors, moved, strict=True)
        ]
    )[:16]


def _sum_of_bits(tensor: torch.Tensor) -> torch.Tensor:
    bits = tensor.detach().contiguous().view(BITS[tensor.element_size()])
    rows = bits.reshape(len(bits) if bits.dim() else 1, -1).sum(1, dtype=torch.int64)
    # Every row has a factor of its own, so that rows which change places are seen. Sums may wrap.
    return (rows * (2 * torch.arange(len(rows), device=rows.device) + 1)).sum()


def _load(base: Base) -> Loaded:
    _refuse_emulated(base)
    renderer = load_renderer(base)
    settings = base.model
    device_map = (
        _place_of_process()
        if "LOCAL_RANK" in os.environ
        else placement(base.name, weight_bytes(base), free_bytes())
    )
    options: dict[str, Any] = {
        "dtype": getattr(torch, base.dtype),
        "trust_remote_code": settings.trust_remote_code,
    }
    if settings.attn_implementation:
        options["attn_implementation"] = settings.attn_implementation
    if settings.quantization:
        options["quantization_config"] = _quantized(settings.quantization, options["dtype"])
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            base.source,
            revision=base.revision,
            device_map=device_map,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **options,
        )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise _cannot_load(base, error) from None
    refuse_partial(base, found)
    # Penalties and filters that come with a model would make sampled answers differ from its
    # probabilities.
    model.generation_config = GenerationConfig()
    return Loaded(model.eval(), renderer, model.device, digest_of_weights(model))


def refuse_partial(base: Base, found: dict[str, Any]) -> None:
    """Raises UserError where the files and the model that config.json describes do not cover one
    another: transformers fills what is missing with random numbers and leaves out what it does not
    know."""
    said = [
        f"{label} {some_of(names)}"
        for key, label in MISFITS.items()
        if (names := [str(name[0] if isinstance(name, tuple) else name) for name in found[key]])
    ]
    if said:
        raise UserError(
            f"model.base {base.name!r}: the weights do not fit the model that config.json"
            f" describes: the file {', '.join(said)}; what is missing would be random numbers."
            " Compare model_type and num_hidden_layers with the file, or download both again"
        )


def _refuse_emulated(base: Base) -> None:
    """A plan may be made on another machine than the one that loads the base."""
    if base.dtype != "bfloat16" or not torch.cuda.is_available():
        return
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError(
            f"model.base {base.name!r} is planned in bfloat16, which {torch.cuda.get_device_name()}"
            " only emulates; set model.dtype: float32 or float16, or `dtype` in the file of"
            " run.cluster, and run or submit again"
        )


def _place_of_process() -> str | None:
    """Of one of several processes: its own GPU, or none yet where the base will be shared among
    them (FSDP)."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        return None
    return f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else "cpu"


def load_renderer(base: Base) -> Renderer:
    """The tokenizer and chat template of a base, without its weights."""
    settings = base.model
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            base.source, revision=base.revision, trust_remote_code=settings.trust_remote_code
        )
    except (OSError, ValueError, ImportError) as error:
        raise _cannot_load(base, error) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Renderer(tokenizer, settings.chat)


def _quantized(kind: str, dtype: torch.dtype) -> Any:
    """NF4 with double quantization (Dettmers et al. 2023, QLoRA), or LLM.int8()."""
    from transformers import BitsAndBytesConfig

    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _cannot_load(base: Base, error: Exception) -> UserError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, ImportError):
        return UserError(
            f"model.base {base.name!r} needs a package that is not here: {reason[:160]}; install"
            " it, or change model.quantization or model.attn_implementation"
        )
    if "trust_remote_code" in str(error):
        return UserError(
            f"model.base {base.name!r} comes with code of its own; read it, then set"
            " model.trust_remote_code: true"
        )
    return UserError(
        f"model.base {base.name!r} could not be loaded: {reason[:160]}; download it first (`hf"
        " download`), or use one of `tellme list`"
    )
