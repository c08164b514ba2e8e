"""Models of sizes that people use, with random weights made where they are used: nothing is
downloaded, and 16 GB are not written only to be read again."""

from __future__ import annotations

import gc
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from bench.architectures import ARCHITECTURES
from lab.config.schema import Model
from lab.discover import ROOT
from lab.model import load
from lab.model.base import Base, machine_dtype, resolve_base


def random_base(
    arch: str,
    dtype: str | None = None,
    quantization: str | None = None,
    tokenizer: Path = ROOT / "reference/linked",
) -> Base:
    """A base of an architecture, with the tokenizer and chat template of another in its folder;
    loaded, and not to be loaded again: its weights are nowhere else. In the `dtype` that this
    machine computes in, where none is given.

    Raises ImportError where bitsandbytes, which quantizes, is not here."""
    from transformers import AutoConfig

    folder = Path(tempfile.mkdtemp(prefix=f"bench-{arch}-")) / arch
    all_else = shutil.ignore_patterns("*.safetensors", "tellme.json", "*.md")
    shutil.copytree(tokenizer, folder, ignore=all_else)
    config = AutoConfig.for_model(**ARCHITECTURES[arch])
    config.save_pretrained(folder)
    settings = {"dtype": dtype or machine_dtype(), "quantization": quantization}
    base = resolve_base(Model.model_validate({"base": str(folder), **settings}))
    # One base is kept, as by load_base.
    load._LOADED.clear()
    gc.collect()
    model = _random_model(config, base).eval()
    renderer, weights = load.load_renderer(base), load.digest_of_weights(model)
    if torch.cuda.is_available():
        # Weights that were quantized are no memory that the base needs.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    load._LOADED[base] = load.Loaded(model, renderer, model.device, weights)
    return base


def _random_model(config: Any, base: Base) -> Any:
    """Weights as the architecture begins a pretraining, drawn on the device in the dtype of the
    base, and quantized there as those of a file would be."""
    from transformers import AutoModelForCausalLM

    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, base.dtype))
    if base.model.quantization is None:
        return model
    weights, options = model.state_dict(), load._options(base)
    place = {"": device}
    return type(model).from_pretrained(
        None, config=config, state_dict=weights, device_map=place, **options
    )
