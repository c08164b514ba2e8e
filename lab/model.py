"""Load a base once per process. Import this only inside a stage: torch and transformers take seconds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lab.base import Base
from lab.errors import UserError


@dataclass(frozen=True)
class Loaded:
    model: Any
    tokenizer: Any
    device: torch.device


@lru_cache(maxsize=1)
def load_base(base: Base) -> Loaded:
    """Weights and tokenizer of a base, in evaluation mode; raises UserError where they cannot be had."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    revision = base.identity.rpartition("@")[2] if base.identity.startswith("hub:") else None
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.source, revision=revision)
        model = AutoModelForCausalLM.from_pretrained(base.source, revision=revision, dtype=getattr(torch, base.dtype))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"model.base {base.name!r} could not be loaded: {reason[:160]}; download it first, or use one of `tellme list`"
        ) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Loaded(model.to(device).eval(), tokenizer, device)
