"""Fields of peft.LoraConfig and trl.SFTConfig under their own names, checked without importing the libraries."""

from typing import Any, Literal

import yaml

from lab.discover import ROOT
from lab.errors import UserError, unknown

USE_INSTEAD = {
    "run.dir": "output_dir logging_dir run_name",
    "seeds": "seed data_seed full_determinism",
    "run.report_to": "report_to project trackio_space_id",
    "tellme push": "push_to_hub hub_model_id hub_token hub_strategy hub_private_repo hub_revision",
    "tellme run, which resumes by itself": "resume_from_checkpoint do_train do_eval do_predict",
    "sft.save_steps": "save_strategy save_total_limit disable_tqdm",
    "model.dtype": "use_cpu bf16 fp16 model_init_kwargs trust_remote_code",
    "sft.activation_checkpointing": "gradient_checkpointing gradient_checkpointing_kwargs",
    "the lab's one renderer": "chat_template_path eos_token assistant_only_loss completion_only_loss dataset_text_field",
    "model": "task_type inference_mode base_model_name_or_path revision peft_type auto_mapping peft_version",
}
"""Library fields that the lab sets itself, by the key or command to use instead."""
ONLY: dict[str, list[Any]] = {"bias": ["none"], "init_lora_weights": [True, False, "gaussian"], "modules_to_save": [None], "trainable_token_indices": [None]}
ONLY |= {"save_only_model": [False], "packing": [False], "shuffle_dataset": [False], "eval_strategy": ["no"]}
"""Fields of which some values would change the base under the other adapters of a process, break the resume, or need a set
that the lab does not have."""
OWNED = {field: instead for instead, fields in USE_INSTEAD.items() for field in fields.split()}
POSITIVE = frozenset("learning_rate num_train_epochs per_device_train_batch_size gradient_accumulation_steps r lora_alpha max_length".split())


def library_fields() -> dict[str, dict[str, str]]:
    """`lora` and `sft`: field name -> type, as the installed classes had them when lab/fields.yaml was written."""
    fields: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "lab" / "fields.yaml").read_text())
    return fields


def check_fields(section: Literal["lora", "sft"], given: dict[str, Any], where: str) -> None:
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
            raise UserError(f"{where}.{name} is {value!r}; the lab takes {' or '.join(map(repr, ONLY[name]))} only")
        if name in POSITIVE and value is not None and not value > 0:
            raise UserError(f"{where}.{name} is {value!r}; it must be greater than 0")


def _fits(value: Any, annotation: str) -> bool:
    kinds: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "bool": bool, "list": list, "dict": dict}
    allowed = annotation.split(" | ")
    if value is None:
        return "None" in allowed
    if isinstance(value, bool):
        return "bool" in allowed
    return any(isinstance(value, kinds[a]) for a in allowed if a in kinds)
