"""Fields of peft.LoraConfig and trl.SFTConfig under their own names, checked without importing the
libraries."""

from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from lab.discover import beside
from lab.errors import UserError, unknown

Section = Literal["lora", "sft"]

SET_BY_THE_LAB: dict[str, tuple[str, ...]] = {
    # A stage writes into the folder of its key, and nowhere else.
    "run.dir": ("output_dir", "logging_dir", "run_name"),
    # A seed is one fine-tune: initialization and row order are drawn from it and the rows.
    "seeds": ("seed", "data_seed", "full_determinism"),
    # Where a run is logged is no part of what it is.
    "run.report_to": ("report_to", "project", "trackio_space_id"),
    # An adapter is shared when a study is finished, with its card, not while it is trained.
    "tellme push": (
        "push_to_hub",
        "hub_model_id",
        "hub_token",
        "hub_strategy",
        "hub_private_repo",
        "hub_revision",
    ),
    # The scratch folder says where to go on; a stage trains, and other stages measure.
    "tellme run, which resumes by itself": (
        "resume_from_checkpoint",
        "do_train",
        "do_eval",
        "do_predict",
    ),
    # A killed training goes on from its checkpoints, so they are always saved, by steps.
    "sft.save_steps": ("save_strategy", "save_total_limit", "disable_tqdm"),
    # The base is loaded once, before and outside of TRL, in the type that its key names.
    "model.dtype": ("use_cpu", "bf16", "fp16", "model_init_kwargs", "trust_remote_code"),
    # Two names for one thing; the lab takes the one that transformers kept.
    "sft.activation_checkpointing": ("gradient_checkpointing", "gradient_checkpointing_kwargs"),
    # Rows come to TRL as token ids and labels: these would do nothing, or render them otherwise.
    "the lab's one renderer": (
        "chat_template_path",
        "eos_token",
        "assistant_only_loss",
        "completion_only_loss",
        "dataset_text_field",
    ),
    # What an adapter says of its base and kind follows from the study.
    "model": (
        "task_type",
        "inference_mode",
        "base_model_name_or_path",
        "revision",
        "peft_type",
        "auto_mapping",
        "peft_version",
    ),
}
"""Library fields that a study may not set, by what to use instead."""
OWNED = {field: instead for instead, fields in SET_BY_THE_LAB.items() for field in fields}

ONLY: dict[str, tuple[JsonValue, ...]] = {
    # Biases of the base would be trained, and stay in it under the next adapter of the process.
    "bias": ("none",),
    # Others move a part of the base into the adapter, or need data to begin from.
    "init_lora_weights": (True, False, "gaussian"),
    # Repeats layers of the base, under every adapter.
    "layer_replication": (None,),
    # KaSA takes the smallest singular values out of the base for good.
    "kasa_config": (None,),
    # Whole layers of the base, or rows of its embedding, would be trained.
    "modules_to_save": (None,),
    "trainable_token_indices": (None,),
    # These belong to initializations that `init_lora_weights` does not take, and would do nothing.
    "eva_config": (None,),
    "corda_config": (None,),
    "lora_ga_config": (None,),
    "loftq_config": ({},),
    # Routes among several adapters; a model here has one.
    "arrow_config": (None,),
    # For bases quantized by GPTQ, which the lab does not load.
    "use_qalora": (False,),
    # Without the state of its optimizer a killed training could not go on as it would have.
    "save_only_model": (False,),
    # Each row is one chat, whose mask is checked against it.
    "packing": (False,),
    # The sampler draws the order of rows, in the fleet as in TRL; a second draw would part them.
    "shuffle_dataset": (False,),
    # There is no set to evaluate on while training: suites are asked in a stage of their own.
    "eval_strategy": ("no",),
}
"""Fields that take some values only."""

POSITIVE = frozenset(
    {
        "learning_rate",
        "num_train_epochs",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "r",
        "lora_alpha",
        "max_length",
    }
)
"""Fields that train nothing, or fail late, at 0 or below it."""

KINDS: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "str": str,
    "bool": bool,
    "list": list,
    "dict": dict,
}
"""Values that may stand for a type in fields.yaml, as YAML gives them."""


def library_fields() -> Mapping[Section, Mapping[str, str]]:
    """Field name -> type, as the installed classes had them when lab/config/fields.yaml was written
    (`make fields`)."""
    fields: Mapping[Section, Mapping[str, str]] = beside(__file__)
    return fields


def check_fields(section: Section, given: Mapping[str, JsonValue], where: str) -> None:
    """Raises UserError for the first field that the lab sets itself, that the library does not
    have, or whose value neither of them takes. `where` is the section's place in the study."""
    known = library_fields()[section]
    library = {"lora": "peft.LoraConfig", "sft": "trl.SFTConfig"}[section]
    for name, value in given.items():
        if name in OWNED:
            raise UserError(f"{where}.{name} is set by the lab; use {OWNED[name]} instead")
        if name not in known:
            raise unknown(f"{where}: field of {library}", name, known)
        if not _fits(value, known[name]):
            raise UserError(f"{where}.{name} is {value!r}; {library} takes {known[name]}")
        if name in ONLY and value not in ONLY[name]:
            allowed = " or ".join(map(repr, ONLY[name]))
            raise UserError(f"{where}.{name} is {value!r}; the lab takes {allowed} only")
        if name in POSITIVE and isinstance(value, int | float) and value <= 0:
            raise UserError(f"{where}.{name} is {value!r}; it must be greater than 0")


def _fits(value: JsonValue, annotation: str) -> bool:
    """Whether a value is of one of the types in `int | None` and the like."""
    allowed = annotation.split(" | ")
    if value is None:
        return "None" in allowed
    if isinstance(value, bool):
        # In Python True is an int, in YAML it is not.
        return "bool" in allowed
    return any(isinstance(value, KINDS[name]) for name in allowed if name in KINDS)
