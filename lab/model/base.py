"""Which base model a study means: a folder by the hash of its weights and tokenizer, a GGUF file by
its own, a Hub model by its commit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from lab.config.schema import Model
from lab.discover import ROOT, find_path
from lab.errors import UserError, unknown
from lab.hub import HUB_ID, hub_commit
from lab.model import wheel
from lab.model.folder import folder_digest, kept_file_digest, weights_on_disk
from lab.model.gguf import (
    ENDING,
    convert_once,
    converted_folder,
    gguf_identity,
    refuse_damaged,
    refuse_no_gguf,
)
from lab.store.store import DIGITS, digest
from lab.types import Fields, Style

Dtype = Literal["float32", "bfloat16", "float16"]
CARD = "tellme.json"
"""In the folder of a reference model: its style of prompts, link, recipe and the hash of its
weights."""
SMALL = 50_000_000
"""Bytes of weights on disk up to which `dtype: auto` is float32 on a CPU. Such models take little
time either way, and the documented numbers of the reference models, of 4 MB, are float32's."""
SERVED = "endpoint/"
"""Before the name of a model whose weights are not here: what a server calls it."""
NVIDIA = Path("/proc/driver/nvidia")
"""There is a driver where this is."""
MULTIPLY_BFLOAT16 = {"avx512_bf16", "amx_bf16"}
"""Flags of CPUs that do."""


@dataclass(frozen=True)
class Base:
    """A resolved base model. `identity` enters keys; `source` is what from_pretrained gets.

    Every field is hashable, so that a base can name what is loaded, and JSON, so that a plan can
    hold it."""

    name: str
    source: str
    identity: str
    style: Style
    dtype: Dtype
    knows: tuple[str, ...] = ()
    """Behaviors a reference model was pretrained on: only their questions can have been seen."""
    provisional: bool = False
    """The model is not on this machine: keys are not final and token counts are estimates."""
    settings: str = "{}"
    """The other keys of `model` that are not at their default, as JSON; a chat template is its
    text."""
    gguf: str | None = None
    """The GGUF file that `source` is the conversion of; either may have to be fetched first."""

    @property
    def here(self) -> bool:
        """Whether it is on this machine, as far as that is known without loading it."""
        missing = self.provisional or self.served is not None
        return not missing and (self.gguf is None or Path(self.source).is_dir())

    @property
    def served(self) -> str | None:
        """What a server calls a model whose weights are not here; None of all others."""
        return self.source.removeprefix(SERVED) if self.source.startswith(SERVED) else None

    @property
    def revision(self) -> str | None:
        """The commit of a Hub model, None for a folder."""
        return self.identity.rpartition("@")[2] if self.identity.startswith("hub:") else None

    @property
    def model(self) -> Model:
        """The study's `model` as it was when this base was resolved."""
        return Model.model_validate({"base": self.source, **json.loads(self.settings)})

    @property
    def config(self) -> Fields:
        """What enters the keys of stages that load the base."""
        return {"base": self.identity, "dtype": self.dtype, **json.loads(self.settings)}


class _Corpus(BaseModel):
    behaviors: tuple[str, ...]


class _Card(BaseModel):
    """What of the card of a reference model says what it can be asked."""

    style: Style
    corpus: _Corpus


def resolve_base(
    model: Model, online: bool = False, auto: Callable[[bool], Dtype] | None = None
) -> Base:
    """Find the base; raises UserError where it cannot exist.

    Without `online` the network is not touched, and a Hub model that is not in the cache is
    provisional. `auto` says what `dtype: auto` is where the base will be loaded, if not here, for
    one that is small or is not."""
    if model.base.startswith(SERVED):
        return _base_elsewhere(model)
    settings = _settings(model)
    is_wheel = model.base == wheel.NAME
    path = None if is_wheel else find_path(model.base)
    dtype = model.dtype
    if dtype == "auto":
        dtype = (auto or machine_dtype)(path is not None and weights_on_disk(path) <= SMALL)
    if is_wheel:
        return _base_of_gguf(model.base, wheel.FILE, wheel.GGUF_SHA256, dtype, settings)
    if path is None:
        return _base_of_hub(model, dtype, settings, online)
    if path.is_file():
        refuse_no_gguf(model.base, path)
        return _base_of_gguf(model.base, path, kept_file_digest(path), dtype, settings)
    return _base_in_folder(model.base, path, dtype, settings)


def _base_elsewhere(model: Model) -> Base:
    """A model that a server has: all that is known of it is its name there."""
    chat = {"chat": {"system": model.chat.system}} if model.chat.system != "default" else {}
    said = model.model_dump(exclude={"base"}, exclude_defaults=True)
    idle = sorted(said.keys() - {"chat"}) + [f"chat.{k}" for k in said.get("chat", {})]
    idle = [key for key in idle if key != "chat.system"]
    if idle or model.chat.system == "none" or not model.base.removeprefix(SERVED):
        what = f"model.{idle[0]} does" if idle else "model.chat.system: none does"
        raise UserError(
            f"{what} nothing to {model.base!r}: its weights and its template are where it is"
            " served; drop it, or name the base whose weights are here"
        )
    identity = f"endpoint:{model.base.removeprefix(SERVED)}"
    return Base(model.base, model.base, identity, "natural", "float32", settings=json.dumps(chat))


def _base_of_gguf(name: str, file: Path, sha256: str, dtype: Dtype, settings: str) -> Base:
    """Its keys are final before anything is fetched or converted."""
    identity = gguf_identity(sha256)
    folder = converted_folder(identity)
    if folder.is_dir():
        refuse_damaged(name, folder)
    source = str(folder)
    return Base(name, source, identity, "natural", dtype, settings=settings, gguf=str(file))


def fetch_base(base: Base) -> None:
    """Bring a base of a GGUF file that is not `here` yet onto this machine, and say each step.
    Raises UserError where it cannot be had or read."""
    if base.gguf is None or base.here:
        return
    file = wheel.fetch_gguf() if base.name == wheel.NAME else Path(base.gguf)
    convert_once(base.name, file, base.identity)


def _base_in_folder(name: str, folder: Path, dtype: Dtype, settings: str) -> Base:
    """A saved model, or a reference model where there is a card beside it."""
    if not (folder / "config.json").is_file():
        raise UserError(
            f"model.base {name!r} is {folder}, which has no config.json; give the folder of a saved"
            " model, or the path of a GGUF file"
        )
    if (folder / "adapter_config.json").is_file():
        raise UserError(
            f"model.base {name!r} is {folder}, which holds an adapter as well, and transformers"
            " would put it on; merge it into the base, or give the adapter a folder of its own and"
            " a group `adapter: FOLDER`"
        )
    identity = f"sha256:{folder_digest(folder)[:DIGITS]}"
    if not (folder / CARD).is_file():
        return Base(name, str(folder), identity, "natural", dtype, settings=settings)
    card = _Card.model_validate_json((folder / CARD).read_text(encoding="utf-8"))
    style, knows = card.style, card.corpus.behaviors
    # What is asked of a reference model follows from its card, so that enters its identity. The
    # rest of the card, which reports on the model, does not.
    identity = f"sha256:{digest([identity, style, knows])[:DIGITS]}"
    return Base(name, str(folder), identity, style, dtype, knows, settings=settings)


def refuse_changed(base: Base) -> None:
    """Raises UserError where the folder of a base is not what it was when the study was planned:
    its answers would stand under the name of the other."""
    folder = Path(base.source)
    if base.gguf is not None:
        refuse_damaged(base.name, folder)
        return
    if base.revision is not None or not folder.is_dir():
        return
    now = _base_in_folder(base.name, folder, base.dtype, base.settings).identity
    if now != base.identity:
        raise UserError(
            f"model.base {base.name!r} has changed since the study was planned ({folder}); run"
            " `tellme run` again"
        )


def _base_of_hub(model: Model, dtype: Dtype, settings: str, online: bool) -> Base:
    if model.base.startswith("reference/"):
        raise unknown(
            "model.base: reference model", model.base, reference_names(), "see `tellme list`"
        )
    if model.base.endswith(ENDING) or not HUB_ID.fullmatch(model.base):
        raise UserError(
            f"model.base {model.base!r} is no folder or GGUF file here and no Hub id (owner/name);"
            f" models of the lab: {', '.join([wheel.NAME, *reference_names()])}"
        )
    commit = hub_commit("model.base", model.base, model.revision, online)
    return Base(
        name=model.base,
        source=model.base,
        identity=f"hub:{model.base}@{commit or model.revision or 'main'}",
        style="natural",
        dtype=dtype,
        provisional=commit is None,
        settings=settings,
    )


def _settings(model: Model) -> str:
    settings = model.model_dump(exclude={"base", "revision", "dtype"}, exclude_defaults=True)
    template = model.chat.template
    if template is not None:
        file = find_path(template)
        if file is None or not file.is_file():
            raise UserError(
                f"model.chat.template {template!r} is no file; give a jinja file with a chat"
                " template"
            )
        settings["chat"]["template"] = file.read_text(encoding="utf-8")
    return json.dumps(settings, sort_keys=True)


def reference_names() -> list[str]:
    """The shipped reference models, as a study names them."""
    return [f"reference/{p.parent.name}" for p in sorted((ROOT / "reference").glob(f"*/{CARD}"))]


def machine_dtype(small: bool = False) -> Dtype:
    """bfloat16 where a GPU computes in it, or where there is none and the CPU does and the base is
    not `small`; else float32. Found without importing torch on machines without a driver."""
    if NVIDIA.exists():
        import torch

        if torch.cuda.is_available():
            # torch emulates bfloat16 on older GPUs, and says by default that they have it.
            has_it = torch.cuda.is_bf16_supported(including_emulation=False)
            return "bfloat16" if has_it else "float32"
    return "bfloat16" if not small and _cpu_multiplies_bfloat16() else "float32"


@cache
def _cpu_multiplies_bfloat16() -> bool:
    """Whether the first core says so; on a system that does not tell, no."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return False
    return not MULTIPLY_BFLOAT16.isdisjoint(flags.split())
