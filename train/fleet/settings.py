"""Which trainings the fleet can do, and which of them it does together. The others are left to TRL,
which does them one after another."""

from collections.abc import Iterator
from typing import Any

from lab.store.store import digest

FLEET = "fleet-1"
"""Name of the method in the keys of its adapters; raised when its numbers would differ."""
LARGEST = 32
"""Adapters trained together."""

LORA = (
    "r",
    "lora_alpha",
    "target_modules",
    "exclude_modules",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "layers_to_transform",
    "layers_pattern",
    "init_lora_weights",
)
"""Fields of LoraConfig that the fleet reads, by way of PEFT."""
INITS = (True, "gaussian")
"""Values of init_lora_weights that draw A and B alone; the others change the base as well."""
SFT_OF_ALL = ("per_device_train_batch_size", "gradient_accumulation_steps")
"""Fields of SFTConfig in which adapters must agree to be trained together."""
SFT_OF_EACH = (
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "logging_steps",
    "save_steps",
    "max_length",
)
"""Fields of SFTConfig that every adapter has for itself."""
ASSUMED = {
    "lora.lora_dropout": 0.0,
    "lora.bias": "none",
    "sft.activation_checkpointing": False,
}
"""Fields that the fleet does not read, with the value that it goes by."""


def reason_against(config: dict[str, Any]) -> str | None:
    """The first setting of a training that the fleet does not have; None where it can do this."""
    return next(_not_had(config), None)


def _not_had(config: dict[str, Any]) -> Iterator[str]:
    """All such settings, with their values."""
    if "quantization" in config:
        yield f"model.quantization: {config['quantization']}"
    # Its gradients need a scale that grows and shrinks (torch's GradScaler), which is not built.
    if config["dtype"] == "float16":
        yield "model.dtype: float16"
    for name, value in config["lora"].items():
        if not _has_lora(name, value):
            yield f"lora.{name}: {value}"
    for name, value in config["sft"].items():
        if not _has_sft(name, value):
            yield f"sft.{name}: {value}"
    # Less than 1 is a share of the training, for TRL.
    for name in ("logging_steps", "save_steps"):
        if config["sft"][name] < 1:
            yield f"sft.{name}: {config['sft'][name]}"


def _has_lora(name: str, value: Any) -> bool:
    if name == "init_lora_weights":
        return value in INITS
    return name in LORA or _is_assumed(f"lora.{name}", value)


def _has_sft(name: str, value: Any) -> bool:
    return name in SFT_OF_ALL or name in SFT_OF_EACH or _is_assumed(f"sft.{name}", value)


def _is_assumed(field: str, value: Any) -> bool:
    return field in ASSUMED and value == ASSUMED[field]


def fleet_of(config: dict[str, Any]) -> str | None:
    """What trainings that can go together have in common, and no other; None for those of TRL."""
    if config.get("trainer") != FLEET:
        return None
    of_each = ("lora", "sft", "seed", "stream", "steps")
    shared = {name: value for name, value in config.items() if name not in of_each}
    batch = [config["sft"].get(name) for name in SFT_OF_ALL]
    return digest([shared, config["lora"], batch])
