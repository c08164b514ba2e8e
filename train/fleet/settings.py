"""Which trainer makes an adapter: TRL, one adapter after another, or the fleet (train/fleet.py),
all of a study at once."""

from typing import Any

from lab.store.store import digest

FLEET = "fleet-1"
"""Name of the method in the keys of its adapters; raised when its numbers would differ."""
OF_ALL = ("per_device_train_batch_size", "gradient_accumulation_steps")
OF_EACH = (
    "learning_rate num_train_epochs max_steps lr_scheduler_type warmup_steps weight_decay"
    " adam_beta1 adam_beta2 adam_epsilon max_grad_norm"
)
OF_EACH += " logging_steps save_steps max_length"
SFT = {*OF_ALL, *OF_EACH.split()}
"""Fields of SFTConfig that the fleet reads; adapters that differ in those of OF_ALL are not trained
together."""
LORA = set(
    "r lora_alpha target_modules exclude_modules use_rslora rank_pattern alpha_pattern"
    " layers_to_transform layers_pattern init_lora_weights".split()
)
PLAIN: dict[str, Any] = {"lora_dropout": 0.0, "bias": "none", "activation_checkpointing": False}
"""Fields that it does not read, at the value that it assumes."""
LARGEST = 32
"""Adapters trained together."""


def reason_against(config: dict[str, Any]) -> str | None:
    """The first setting of a training that the fleet does not have; None where it can train this."""
    if "quantization" in config or config["dtype"] == "float16":
        return (
            f"model.quantization: {config['quantization']}"
            if "quantization" in config
            else "model.dtype: float16"
        )
    for section, known in (("lora", LORA), ("sft", SFT)):
        for name, value in config[section].items():
            if (name in known or value == PLAIN.get(name, known)) and not (
                name == "init_lora_weights" and value not in (True, "gaussian")
            ):
                continue
            return f"{section}.{name}: {value}"
    return next(
        (
            f"sft.{name}: {config['sft'][name]}"
            for name in ("logging_steps", "save_steps")
            if config["sft"][name] < 1
        ),
        None,
    )


def fleet_of(config: dict[str, Any]) -> str | None:
    """Trainings of one fleet have it in common; None for those of TRL."""
    if config.get("trainer") != FLEET:
        return None
    apart = ("lora", "sft", "seed", "stream", "steps")
    alike = {name: value for name, value in config.items() if name not in apart}
    return digest([alike, config["lora"], [config["sft"].get(name) for name in OF_ALL]])
