"""From a GGUF file to safetensors. Import this only where one is converted: torch and transformers
take seconds."""

import os
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from lab.errors import UserError, first_line, some_of
from lab.model.coverage import misfits
from lab.model.folder import refuse_full_disk


def convert(name: str, gguf: Path, out: Path) -> None:
    """Write weights, configuration, tokenizer and chat template of a GGUF file into a folder.
    Weights become float32, in which 4-bit blocks, a whole number times a scale, lose nothing.

    Raises UserError, which calls the base `name`, for what is cut or not read by transformers."""
    tokenizer, model = _read(name, gguf)
    refuse_full_disk(out, sum(weights.nbytes for weights in model.parameters()))
    # What came from a GGUF file passes for quantized, and refuses to be saved.
    config = deepcopy(model.config)
    del config.quantization_config
    with torch.device("meta"):
        plain = type(model)(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.save_pretrained(out)
    tokenizer.save_pretrained(out)
    for file in out.iterdir():
        # safetensors are written for their owner alone, and a cache may be shared.
        os.chmod(file, 0o644)


def _read(name: str, gguf: Path) -> tuple[Any, Any]:
    """Tokenizer and model."""
    with TemporaryDirectory() as scratch:
        # Alone in a folder: transformers would take in what else lies beside a user's file.
        alone = Path(scratch, gguf.name)
        alone.symlink_to(gguf.resolve())
        try:
            tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file=alone.name)
            model, report = AutoModelForCausalLM.from_pretrained(
                scratch, gguf_file=alone.name, dtype=torch.float32, output_loading_info=True
            )
        # Whatever it is: each reader of a part of the file fails in its own way.
        except Exception as error:
            raise UserError(
                f"model.base {name!r}: {gguf} cannot be read ({first_line(error)}); copy it again"
                " if it was cut, else it is of an architecture or a tokenizer that transformers"
                f" {version('transformers')} does not read from GGUF: give the folder of the same"
                " model in safetensors"
            ) from None
    wrong = misfits(report) or _left_out(gguf, model)
    if wrong:
        raise UserError(
            f"model.base {name!r}: {gguf} does not fit the model that transformers makes of it: it"
            f" {wrong}; give the folder of the same model in safetensors"
        )
    return tokenizer, model


def _left_out(gguf: Path, model: Any) -> str:
    """What a file says and transformers passes over, in words: it reads no stretched rotary
    embeddings (Llama 3.1, YaRN) from GGUF, and drops tensors that it does not know."""
    reader = GGUFReader(gguf)
    stretched = [key for key in reader.fields if ".rope.scaling." in key]
    stretched += [tensor.name for tensor in reader.tensors if tensor.name.startswith("rope_")]
    rotary = getattr(model.config, "rope_parameters", None) or {}
    if stretched and rotary.get("rope_type", "default") == "default":
        return f"has {some_of(stretched)}, which would be lost"
    held = sum(int(tensor.n_elements) for tensor in reader.tensors)
    read = sum(weights.numel() for weights in model.parameters())
    return f"holds {held:,} weights, of which {read:,} are read" if held != read else ""
