"""What the files of a PEFT adapter say of it, and those that would not leave their base alone."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import UserError, first_line
from lab.types import Fields

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PLAIN_INITS = (None, True, False, "gaussian", "eva", "mica", "orthogonal")
"""Values of init_lora_weights that leave the base as it is: the saved A and B are all of the
adapter."""
RESIDUAL_INITS = ("pissa", "olora")
"""Those that move a part of the base into A and B which follows from the base alone, so that it can
be moved again."""
BASE_LAYER = ".base_layer.weight"
"""Ending of weights that PEFT saves beside an adapter of an embedding or of the head: the base's
own, as they were."""
TRAINS_THE_BASE = ("modules_to_save", "trainable_token_indices")
REBUILDS_THE_BASE = ("layer_replication", "kasa_config")
MERGED = "merge it into its base and give the group `model: FOLDER`"
"""What always can be done with an adapter that cannot be put on and taken off again."""
GATHERED = (
    "save it again from a state dict that is gathered from all processes (under FSDP2 with"
    " accelerate 1.15 or newer)"
)
"""What helps against an adapter of which one process saved its own part."""
MATRIX_A = re.compile(r"\blora_(embedding_)?A\b")
"""In the name of a tensor; that of its B differs in this letter."""


def read_adapter_config(key: str, given: str, file: Path) -> Fields:
    """What an adapter says of itself. `key` is where the study names it, `given` what stands there.

    Raises UserError where the adapter would change the base in a way that cannot be undone or
    repeated."""
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise UserError(
            f"{key} {given!r}: {CONFIG} is not there or no JSON object; save the adapter with"
            " save_pretrained of PEFT"
        )
    _refuse_trained_base(f"{key} {given!r}", config)
    for name in REBUILDS_THE_BASE:
        if config.get(name):
            raise UserError(
                f"{key} {given!r} has {name}: {config[name]}, which rebuilds the base under other"
                f" adapters; {MERGED}"
            )
    init = config.get("init_lora_weights")
    if init not in (*PLAIN_INITS, *RESIDUAL_INITS):
        raise UserError(
            f"{key} {given!r} has init_lora_weights: {init!r}, which took a part out of its base"
            " that cannot be found again from the base alone; convert it where it was trained"
            " (save_pretrained(..., path_initial_model_for_weight_conversion=...) of PEFT), or"
            f" {MERGED}"
        )
    return config


def _refuse_trained_base(adapter: str, config: Fields) -> None:
    only_lora = config.get("peft_type") == "LORA" and config.get("bias", "none") == "none"
    if only_lora and not any(config.get(name) for name in TRAINS_THE_BASE):
        return
    raise UserError(
        f"{adapter} is more than LoRA on a frozen base (peft_type {config.get('peft_type')}, bias"
        f" {config.get('bias')}, modules_to_save {config.get('modules_to_save')}): it would stay in"
        f" the base under other adapters; {MERGED}"
    )


def tensor_names(key: str, given: str, folder: Path) -> list[str]:
    """Names of an adapter's tensors. Raises UserError where its file cannot be read, holds weights
    of the base, or only what one of several processes had of the adapter."""
    from safetensors import SafetensorError, safe_open

    file = folder / WEIGHTS
    if not file.is_file():
        raise UserError(f"{key} {given!r} has no {WEIGHTS}; save it with save_pretrained of PEFT")
    try:
        with safe_open(file, "np") as opened:
            names = list(opened.keys())
            shapes = {name: opened.get_slice(name).get_shape() for name in names}
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{key} {given!r}: {WEIGHTS} cannot be read ({first_line(error)}); copy it again"
        ) from None
    of_base = sorted(n for n in names if "lora_" not in n and not n.endswith(BASE_LAYER))
    if of_base:
        raise UserError(
            f"{key} {given!r} holds weights of the base ({of_base[0]}; {len(of_base)} in all),"
            " which would stay in it under other adapters; save the adapter alone, or merge it"
            " into its base and give the group `model: FOLDER`"
        )
    refuse_part(f"{key} {given!r}", shapes)
    return names


def refuse_part(adapter: str, shapes: Mapping[str, Sequence[int]]) -> None:
    """Raises UserError, beginning with `adapter`, where the shapes of its tensors, by name, show
    that they are not all of it: that would load as noise, or not at all.

    DeepSpeed's ZeRO 3 and FSDP leave tensors of no size where a process held none of them (PEFT's
    pull request 3251). FSDP2 divides the first axis of each among the processes, and accelerate
    below 1.15 saved the part of the first one as the whole (accelerate's pull request 4206). An A
    of rank 1 is not divided: of such an adapter PEFT says on loading that its B does not fit."""
    if not shapes:
        raise UserError(f"{adapter} is empty: no tensor is in it; {GATHERED}")
    empty = sorted(name for name, shape in shapes.items() if 0 in shape)
    if empty:
        raise UserError(
            f"{adapter} is empty: {len(empty)} of its {len(shapes)} tensors have no size"
            f" ({empty[0]}); {GATHERED}"
        )
    for name, shape in sorted(shapes.items()):
        other = shapes.get(MATRIX_A.sub(r"lora_\1B", name), ())
        # A is [rank, in] and B [out, rank]; those of a convolution have more axes.
        if MATRIX_A.search(name) and len(shape) > 1 < len(other) and shape[0] != other[1]:
            raise UserError(
                f"{adapter} is what one of several processes had of it: {name} is of rank"
                f" {shape[0]}, and its B of rank {other[1]}; {GATHERED}"
            )
