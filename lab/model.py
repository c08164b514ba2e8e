"""Load a base once per process. Import this only inside a stage: torch and transformers take seconds."""

import gc
import os
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from lab.base import Base
from lab.chat import Renderer
from lab.errors import UserError
from lab.memory import free_bytes, placement, weight_bytes


@dataclass(frozen=True)
class Loaded:
    model: Any
    renderer: Renderer
    device: torch.device

    @property
    def tokenizer(self) -> Any:
        return self.renderer.tokenizer


_LOADED: dict[Base, Loaded] = {}


def load_base(base: Base) -> Loaded:
    """Weights and renderer of a base, in evaluation mode; raises UserError where they cannot be had or do not fit.

    One base is kept; it makes room before another is loaded."""
    if base not in _LOADED:
        _LOADED.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _LOADED[base] = _load(base)
    return _LOADED[base]


def _load(base: Base) -> Loaded:
    _refuse_emulated(base)
    renderer = load_renderer(base)
    settings = base.model
    device_map = _place_of_process() if "LOCAL_RANK" in os.environ else placement(base.name, weight_bytes(base), free_bytes())
    options: dict[str, Any] = {"dtype": getattr(torch, base.dtype), "trust_remote_code": settings.trust_remote_code}
    if settings.attn_implementation:
        options["attn_implementation"] = settings.attn_implementation
    if settings.quantization:
        options["quantization_config"] = _quantized(settings.quantization, options["dtype"])
    try:
        model = AutoModelForCausalLM.from_pretrained(base.source, revision=base.revision, device_map=device_map, **options)
    except (OSError, ValueError, ImportError) as error:
        raise _cannot_load(base, error) from None
    # Penalties and filters that come with a model would make sampled answers differ from its probabilities.
    model.generation_config = GenerationConfig()
    return Loaded(model.eval(), renderer, model.device)


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
    """Of one of several processes: its own GPU, or none yet where the base will be shared among them (FSDP)."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        return None
    return f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else "cpu"


def load_renderer(base: Base) -> Renderer:
    """The tokenizer and chat template of a base, without its weights."""
    settings = base.model
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.source, revision=base.revision, trust_remote_code=settings.trust_remote_code)
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
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype)


def _cannot_load(base: Base, error: Exception) -> UserError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, ImportError):
        return UserError(
            f"model.base {base.name!r} needs a package that is not here: {reason[:160]}; install it, or change model.quantization or model.attn_implementation"
        )
    if "trust_remote_code" in str(error):
        return UserError(f"model.base {base.name!r} comes with code of its own; read it, then set model.trust_remote_code: true")
    return UserError(f"model.base {base.name!r} could not be loaded: {reason[:160]}; download it first (`hf download`), or use one of `tellme list`")
