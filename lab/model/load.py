"""Load a base once per process. Import this only inside a stage: torch and transformers take
seconds."""

import gc
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from lab.errors import TrustError, UserError, first_line
from lab.model.base import Base, fetch_base, refuse_changed
from lab.model.chat import Renderer
from lab.model.coverage import Misfit, misfits
from lab.model.memory import free_bytes, placement, weight_bytes
from lab.store.store import DIGITS, digest
from lab.store.trust import Check, same


@dataclass(frozen=True)
class Loaded:
    """A base in memory."""

    model: Any
    renderer: Renderer
    device: torch.device
    digest: str
    """Of the weights as they were loaded."""

    @property
    def tokenizer(self) -> Any:
        """The renderer's, of transformers."""
        return self.renderer.tokenizer


_LOADED: dict[Base, Loaded] = {}
"""The one base of this process, or none yet."""
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The whole numbers as which weights of so many bytes are read."""


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


def base_kept(base: Base, loaded: Loaded, tried_on: str = "") -> Check:
    """The trust check that the base is what it was when it was loaded, before an adapter was put on
    and trained or measured. `tried_on` says on what, for the record.

    Raises TrustError where it is not, whatever is allowed: a changed base makes everything wrong
    that this process measures after it. It is dropped, so that the next stage loads it anew."""
    name = f"base_kept:{tried_on}" if tried_on else "base_kept"
    now = digest_of_weights(loaded.model)
    if now != loaded.digest:
        forget(base)
        raise TrustError(
            f"trust check {name} failed: the weights of {base.name!r} are not what they were when"
            " it was loaded, so something that was put on it stayed; nothing of this stage is kept."
            " Look at the settings of its adapter"
        )
    return same(name, now, loaded.digest)


def forget(base: Base) -> None:
    """Load the base anew when it is next asked for."""
    _LOADED.pop(base, None)


@torch.no_grad()
def digest_of_weights(model: Any) -> str:
    """Of the names, shapes, types and exact bits of everything that a model would save.

    Whole numbers are added up where the weights are, rows apart, and one number a tensor leaves the
    device: floats that are added up would hide what rounds away, and a hash of all bytes would take
    seconds for gigabytes."""
    tensors = {
        name: tensor
        for name, tensor in sorted(model.state_dict().items())
        if isinstance(tensor, torch.Tensor)
        # Of several processes that share a base, the first one alone may hold its weights.
        and not tensor.is_meta
        # On a CPU bitsandbytes rounds the scales of 4-bit blocks (NAME.weight.absmax) when they
        # are first used.
        and ".weight." not in name
    }
    sums = [_sum_of_bits(tensor) for tensor in tensors.values()]
    # One transfer for all tensors, which may be on several devices.
    numbers = torch.stack([total.to(sums[0].device) for total in sums]).tolist() if sums else []
    described = [
        [name, str(tensor.dtype), list(tensor.shape), number]
        for (name, tensor), number in zip(tensors.items(), numbers, strict=True)
    ]
    return digest(described)[:DIGITS]


def _sum_of_bits(tensor: torch.Tensor) -> torch.Tensor:
    """One whole number, which changes with every bit and where two rows change places. Sums may
    wrap. Axes: R rows, the tensor's first axis; C everything within one."""
    bits = tensor.detach().contiguous().view(BITS[tensor.element_size()])
    bits_RC = bits.reshape(len(bits) if bits.dim() else 1, -1)
    sums_R = bits_RC.sum(1, dtype=torch.int64)
    # Odd factors, one for each row: an even one would lose the highest bit.
    factors_R = 2 * torch.arange(len(sums_R), device=sums_R.device) + 1
    return (sums_R * factors_R).sum()


def _load(base: Base) -> Loaded:
    fetch_base(base)
    refuse_changed(base)
    _refuse_emulated(base)
    renderer = load_renderer(base)
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            base.source,
            revision=base.revision,
            device_map=_device_map(base),
            output_loading_info=True,
            # Reported, and refused with a better message than transformers' own.
            ignore_mismatched_sizes=True,
            **_options(base),
        )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise _cannot_load(base, error) from None
    _refuse_partial(base, report)
    # Penalties and filters that come with a model would make sampled answers differ from its
    # probabilities.
    model.generation_config = GenerationConfig()
    return Loaded(model.eval(), renderer, model.device, digest_of_weights(model))


def _options(base: Base) -> dict[str, object]:
    """The study's `model` as arguments of from_pretrained."""
    settings = base.model
    dtype = getattr(torch, base.dtype)
    options: dict[str, object] = {"dtype": dtype, "trust_remote_code": settings.trust_remote_code}
    if settings.attn_implementation:
        options["attn_implementation"] = settings.attn_implementation
    if settings.quantization:
        options["quantization_config"] = _quantized(settings.quantization, dtype)
    return options


def _device_map(base: Base) -> str | None:
    if "LOCAL_RANK" in os.environ:
        return _place_of_process()
    return placement(base.name, weight_bytes(base), free_bytes())


def _refuse_partial(base: Base, report: Mapping[str, Collection[Misfit]]) -> None:
    """Raises UserError where the files and the model that config.json describes do not cover one
    another."""
    wrong = misfits(report)
    if wrong:
        raise UserError(
            f"model.base {base.name!r}: the weights do not fit the model that config.json"
            f" describes: the file {wrong}; what is missing would be random numbers. Compare"
            " model_type and num_hidden_layers with the file, or download both again"
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
    """The tokenizer and chat template of a base, without its weights. Raises UserError where they
    cannot be had."""
    if base.served:
        raise UserError(
            f"the weights of {base.name!r} are where it is served, and this needs them here; name a"
            " base of this machine"
        )
    settings = base.model
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            base.source, revision=base.revision, trust_remote_code=settings.trust_remote_code
        )
    except (OSError, ValueError, ImportError) as error:
        raise _cannot_load(base, error) from None
    if tokenizer.pad_token_id is None:
        # Llama's has none; masks are made from lengths, so any token may pad.
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
    reason = first_line(error)
    if isinstance(error, ImportError):
        return UserError(
            f"model.base {base.name!r} needs a package that is not here: {reason}; install"
            " it, or change model.quantization or model.attn_implementation"
        )
    if "trust_remote_code" in str(error):
        return UserError(
            f"model.base {base.name!r} comes with code of its own; read it, then set"
            " model.trust_remote_code: true"
        )
    return UserError(
        f"model.base {base.name!r} could not be loaded: {reason}; download it first (`hf"
        " download`), or use one of `tellme list`"
    )
