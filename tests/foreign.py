"""Adapters as PEFT makes them without the lab, and weights as they are without adapters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from lab.model.base import Base

IDS = torch.tensor([[5, 9, 2, 7, 1, 30, 12]])


def fresh(base: Base) -> Any:
    """The base as transformers loads it, past the lab."""
    return AutoModelForCausalLM.from_pretrained(
        base.source, dtype=getattr(torch, base.dtype)
    ).eval()


def state(model: Any) -> dict[str, Any]:
    """A copy of every weight by name."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two states are bit for bit the same."""
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def trained_by_peft(base: Base, folder: Path, **settings: Any) -> Any:
    """An adapter as its author leaves it, moved from where it began, and what the model that
    carries it says."""
    torch.manual_seed(0)
    settings = {"r": 4, "target_modules": "all-linear"} | settings
    config = LoraConfig(lora_alpha=8, task_type="CAUSAL_LM", **settings)
    peft = get_peft_model(fresh(base), config)
    with torch.no_grad():
        for name, weight in peft.named_parameters():
            if "lora_" in name:
                weight += 0.05 * torch.randn_like(weight)
        logits = peft.eval()(IDS).logits
    peft.save_pretrained(folder)
    return logits


def changed(folder: Path, to: Path, **more: Any) -> Path:
    """The adapter with other settings."""
    shutil.copytree(folder, to)
    settings = json.loads((to / "adapter_config.json").read_text())
    (to / "adapter_config.json").write_text(json.dumps(settings | more))
    return to
