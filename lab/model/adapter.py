"""A LoRA adapter on a base: put on and taken off again, and a digest that tells which one it is."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import UserError, first_line, some_of
from lab.model.adapter_files import (
    BASE_LAYER,
    CONFIG,
    RESIDUAL_INITS,
    WEIGHTS,
    read_adapter_config,
    refuse_part,
    tensor_names,
)
from lab.model.base import Base
from lab.store.store import DIGITS

if TYPE_CHECKING:
    from torch import Tensor

NAME = "default"
"""Under which PEFT keeps the one adapter that a model carries."""
PREFIX = "base_model.model."
"""Before a layer of the base in the names of an adapter's tensors."""


@contextmanager
def adapted(model: Any, adapter: Path | None, base: Base) -> Iterator[Any]:
    """The base with an adapter on it, and without again afterwards. Never merged: that would change
    the base.

    Raises UserError where the adapter does not fit, or would change the base in a way that cannot
    be undone or repeated."""
    if adapter is None:
        yield model
        return
    init = read_adapter_config("adapter", str(adapter), adapter / CONFIG).get("init_lora_weights")
    _refuse_other_weights(model, adapter)
    peft = _put_on(model, adapter, base)
    originals: list[tuple[Tensor, Tensor]] = []
    try:
        if isinstance(init, str) and init in RESIDUAL_INITS:
            _take_out(peft, init, base, originals)
        peft.eval()
        yield peft
    finally:
        peft.unload()
        for weight, original in originals:
            weight.data = original


def _refuse_other_weights(model: Any, adapter: Path) -> None:
    """PEFT saves an embedding or a head beside an adapter of it, and would put it into the base: it
    must be what is there."""
    from safetensors import safe_open

    names = tensor_names("adapter", str(adapter), adapter)
    saved_layers = [name for name in names if name.endswith(BASE_LAYER)]
    if not saved_layers:
        return
    weights = model.state_dict()
    with safe_open(adapter / WEIGHTS, "pt") as file:
        for name in saved_layers:
            own_name = name.removeprefix(PREFIX).replace(BASE_LAYER, ".weight")
            own, saved = weights.get(own_name), file.get_tensor(name)
            # `to` brings the saved weight to the device and type in which the base was loaded.
            if own is None or own.shape != saved.shape or not own.equal(saved.to(own)):
                raise UserError(
                    f"adapter {str(adapter)!r} holds weights of the base that are not those of the"
                    f" base here ({name}), and they would stay in it under other adapters; merge it"
                    " into its base and give the group `model: FOLDER`"
                )


def _put_on(model: Any, adapter: Path, base: Base) -> Any:
    """The model as PEFT carries the adapter on it.

    Raises UserError where the adapter does not fit; what PEFT had put on by then is gone with the
    base in memory."""
    from peft import LoraConfig, PeftModelForCausalLM

    from lab.model.load import forget

    # PEFT 0.21 reads a property that transformers 5.23 renamed.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
    misfit = f"adapter {str(adapter)!r} does not fit the base {base.name!r}"
    try:
        config = LoraConfig.from_pretrained(str(adapter))
        config.inference_mode = True
        if config.init_lora_weights in RESIDUAL_INITS:
            # PEFT would move a part of the base now, and by A and B of its own: see _take_out.
            config.init_lora_weights = False
        peft = PeftModelForCausalLM(model, config)
        # Names of tensors in files written before transformers renamed the layers of a model.
        renamed = getattr(model, "_checkpoint_conversion_mapping", {})
        loaded = peft.load_adapter(str(adapter), NAME, key_mapping=renamed)
        # It names the base as a study does, and PEFT would ask the Hub for a model of that name.
        peft.peft_config[NAME].base_model_name_or_path = None
    except (ValueError, TypeError, LookupError, RuntimeError, OSError) as error:
        forget(base)
        raise UserError(f"{misfit}: {_first_reason(error)}") from None
    # PEFT leaves what the file lacks as it was drawn at random, and what the model lacks out.
    for complaint, keys in (
        ("its file lacks", loaded.missing_keys),
        ("the base has no place for", loaded.unexpected_keys),
    ):
        if keys:
            forget(base)
            raise UserError(
                f"{misfit}: {complaint} {some_of(keys)}; save it anew with save_pretrained of PEFT,"
                " or name its own base as model"
            )
    return peft


def _first_reason(error: Exception) -> str:
    """What torch says of the first tensor, below a line that only names the model."""
    heading, _, reasons = str(error).partition(":\n")
    is_heading = reasons.strip() and "\n" not in heading
    return first_line(ValueError(reasons)) if is_heading else first_line(error)


def _take_out(peft: Any, init: str, base: Base, originals: list[tuple[Tensor, Tensor]]) -> None:
    """Take out of the base what PiSSA and OLoRA moved into A and B before training, as PEFT does,
    and add to `originals` each weight with what it was (Meng et al. 2024, PiSSA; Büyükakyüz 2024,
    OLoRA: both follow from the weight alone)."""
    from peft.tuners.lora import LoraLayer

    if getattr(peft.get_base_model(), "hf_quantizer", None) is not None:
        raise UserError(
            f"an adapter with init_lora_weights: {init} does not fit {base.name!r} where it is"
            " quantized; drop model.quantization"
        )
    for layer in peft.modules():
        if not isinstance(layer, LoraLayer) or NAME not in layer.lora_A:
            continue
        weight = layer.get_base_layer().weight
        originals.append((weight, weight.detach().clone()))
        matrices = (layer.lora_A[NAME].weight, layer.lora_B[NAME].weight)
        trained = [matrix.data for matrix in matrices]
        # PEFT's own initialization changes the base's weight as it did before training. It writes
        # A and B as they were then, so those that were trained are put back.
        if init == "pissa":
            layer.pissa_init(NAME, init)
        else:
            layer.olora_init(NAME)
        layer.lora_A[NAME].weight.data, layer.lora_B[NAME].weight.data = trained


def write_adapter(tensors: Mapping[str, Tensor], config: Any, base: Base, folder: Path) -> None:
    """Plain PEFT files that name the base as the study does, readable by the group of the run
    folder. Raises UserError where the tensors are a part of the adapter, before anything is
    written."""
    from safetensors.torch import save_file

    refuse_part("the adapter to be saved", {name: t.shape for name, t in tensors.items()})
    folder.mkdir(parents=True, exist_ok=True)
    saved = copy(config)
    saved.base_model_name_or_path, saved.inference_mode = base.name, True
    saved.save_pretrained(str(folder))
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        folder / WEIGHTS,
        metadata={"format": "pt"},
    )
    for file in folder.iterdir():
        # save_file leaves files that their owner alone may read.
        os.chmod(file, 0o644)


def digest_of_model(model: Any) -> str:
    """The adapter as it stands in a model, whatever file it was meant to come from. The model is
    the base that carries it, or PEFT's model around that."""
    from peft import get_peft_model_state_dict

    tensors: dict[str, Tensor] = get_peft_model_state_dict(model, state_dict=whole(model))
    named_as_saved = {f"{PREFIX}{name.removeprefix(PREFIX)}": t for name, t in tensors.items()}
    return _digest_of_adapter(named_as_saved)


def whole(model: Any) -> dict[str, Tensor]:
    """The adapter's tensors in a model by name, put together where processes hold shares of them;
    then every process must ask."""
    state = {name: tensor for name, tensor in model.state_dict().items() if "lora_" in name}
    return {name: t.full_tensor() if hasattr(t, "full_tensor") else t for name, t in state.items()}


def digest_of_file(adapter: Path) -> str:
    """The adapter as saved, equal to `digest_of_model` of a model that carries it; raises UserError
    without such a file."""
    from safetensors.torch import load_file

    if not (adapter / WEIGHTS).is_file():
        raise UserError(
            f"adapter {str(adapter)!r} has no {WEIGHTS}; save it with save_pretrained of PEFT"
        )
    return _digest_of_adapter(load_file(adapter / WEIGHTS))


def _digest_of_adapter(tensors: Mapping[str, Tensor]) -> str:
    """Without the embedding or head that PEFT saves beside an adapter of it."""
    return digest_of_tensors({name: tensor for name, tensor in tensors.items() if "lora_" in name})


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """First DIGITS of the sha256 of names and values, in float32 wherever they are and in whatever
    type they were saved."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    return total.hexdigest()[:DIGITS]
