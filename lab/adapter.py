"""A LoRA adapter on a base: put on and taken off again, and a digest that tells which one it is."""

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from lab.base import Base
from lab.errors import UserError, first_line

WEIGHTS = "adapter_model.safetensors"


@contextmanager
def adapted(model: Any, adapter: Path | None, base: Base) -> Iterator[Any]:
    """The base with an adapter on it, and without again afterwards. Never merged: that would change the base."""
    if adapter is None:
        yield model
        return
    from peft import PeftModel

    # PEFT 0.21 reads a property that transformers 5.23 renamed.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
    try:
        peft = PeftModel.from_pretrained(model, str(adapter))
    except (ValueError, RuntimeError, OSError) as error:
        raise UserError(f"adapter {str(adapter)!r} does not fit the base {base.name!r}: {first_line(error)}") from None
    try:
        peft.eval()
        yield peft
    finally:
        peft.unload()


def write_adapter(tensors: Mapping[str, Any], config: Any, base: Base, folder: Path) -> None:
    """Plain PEFT files that name the base as the study does, readable by the group of the run folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    about = copy(config)
    about.base_model_name_or_path, about.inference_mode = base.name, True
    about.save_pretrained(str(folder))
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS, metadata={"format": "pt"})
    for file in folder.iterdir():
        os.chmod(file, 0o644)


def digest_of_model(peft: Any) -> str:
    """The adapter as it stands in the model, whatever file it was meant to come from."""
    from peft import get_peft_model_state_dict

    return digest_of_tensors(get_peft_model_state_dict(peft, state_dict=whole(peft)))


def whole(peft: Any) -> dict[str, Any]:
    """The adapter's tensors by name, put together where processes hold shares of them; then every process must ask."""
    state = {name: tensor for name, tensor in peft.state_dict().items() if "lora_" in name}
    return {name: t.full_tensor() if hasattr(t, "full_tensor") else t for name, t in state.items()}


def digest_of_file(adapter: Path) -> str:
    """The adapter as saved, equal to `digest_of_model` of a model that carries it; raises UserError without such a file."""
    from safetensors.torch import load_file

    if not (adapter / WEIGHTS).is_file():
        raise UserError(f"adapter {str(adapter)!r} has no {WEIGHTS}; save it with save_pretrained of PEFT")
    return digest_of_tensors(load_file(adapter / WEIGHTS))


def digest_of_tensors(tensors: Mapping[str, Any]) -> str:
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    return total.hexdigest()[:16]
