"""Which trainings the fleet can do, and which of them it does together. The others are left to TRL,
which does them one after another."""

from collections.abc import Iterator

from pydantic import JsonValue

from lab.specs import TrainSpec
from lab.store.store import digest

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
SFT = (
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
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
"""Fields of SFTConfig that it reads, by way of transformers. Adapters that are trained together
agree in the first two."""
ASSUMED: dict[str, JsonValue] = {
    "lora.lora_dropout": 0.0,
    "lora.bias": "none",
    "sft.activation_checkpointing": False,
}
"""Fields that the fleet does not read, with the value that it goes by."""


def reason_against(spec: TrainSpec) -> str | None:
    """The first setting of a training that the fleet does not have; None where it can do this."""
    return next(_not_had(spec), None)


def _not_had(spec: TrainSpec) -> Iterator[str]:
    """All such settings, with their values."""
    quantization = spec.base.model.quantization
    if quantization:
        yield f"model.quantization: {quantization}"
    # Its gradients need a scale that grows and shrinks (torch's GradScaler), which is not built.
    if spec.base.dtype == "float16":
        yield "model.dtype: float16"
    for name, value in spec.lora.arguments().items():
        if not _has_lora(name, value):
            yield f"lora.{name}: {value}"
    for name, value in spec.sft.arguments().items():
        if name not in SFT and not _is_assumed(f"sft.{name}", value):
            yield f"sft.{name}: {value}"
    # Less than 1 is a share of the training, for TRL.
    for name, steps in (("logging", spec.sft.logging_steps), ("save", spec.sft.save_steps)):
        if steps < 1:
            yield f"sft.{name}_steps: {steps}"


def _has_lora(name: str, value: JsonValue) -> bool:
    if name == "init_lora_weights":
        return value in INITS
    return name in LORA or _is_assumed(f"lora.{name}", value)


def _is_assumed(field: str, value: JsonValue) -> bool:
    return field in ASSUMED and value == ASSUMED[field]


def fleet_of(spec: TrainSpec) -> str | None:
    """What trainings that can go together have in common, and no other; None for those of TRL."""
    if spec.trainer != "fleet":
        return None
    batch = [spec.sft.per_device_train_batch_size, spec.sft.gradient_accumulation_steps]
    return digest([spec.base.config, spec.lora.arguments(), batch])
