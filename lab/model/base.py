"""Which base model a study means: a folder by the hash of its weights and tokenizer, a Hub model by
its commit."""

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
from lab.store.store import DIGITS, digest, file_digest
from lab.types import Fields, Style

Dtype = Literal["float32", "bfloat16", "float16"]
CARD = "tellme.json"
"""In the folder of a reference model: its style of prompts, link, recipe and the hash of its
weights."""
WEIGHT_ENDINGS = (".safetensors", ".bin", ".model")
SETTINGS_BEGIN = (
    "config.json",
    "adapter_config.json",
    "tokenizer",
    "chat_template",
    "special_tokens",
    "vocab",
    "merges",
)
"""Beginnings of names of files that change what a model says. A README beside them does not, and
neither does generation_config.json, which is not used (lab/model/load.py)."""


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
    model: Model, online: bool = False, auto: Callable[[], Dtype] | None = None
) -> Base:
    """Find the base; raises UserError where it cannot exist.

    Without `online` the network is not touched, and a Hub model that is not in the cache is
    provisional. `auto` says what `dtype: auto` is where the base will be loaded, if not here."""
    dtype = (auto or machine_dtype)() if model.dtype == "auto" else model.dtype
    settings = _settings(model)
    folder = find_path(model.base)
    if folder is None:
        return _base_of_hub(model, dtype, settings, online)
    return _base_in_folder(model.base, folder, dtype, settings)


def _base_in_folder(name: str, folder: Path, dtype: Dtype, settings: str) -> Base:
    """A saved model, or a reference model where there is a card beside it."""
    if not (folder / "config.json").is_file():
        raise UserError(
            f"model.base {name!r} is {folder}, which has no config.json; give the folder of a saved"
            " model"
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
    if not HUB_ID.fullmatch(model.base):
        raise UserError(
            f"model.base {model.base!r} is no folder here and no Hub id (owner/name); shipped"
            f" models: {', '.join(reference_names())}"
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


def folder_digest(folder: Path) -> str:
    """sha256 of the names and contents of the files that make a model or an adapter what it is."""
    digests = []
    for path in sorted(folder.iterdir()):
        if path.suffix in WEIGHT_ENDINGS or path.name.startswith(SETTINGS_BEGIN):
            stat = path.stat()
            digests.append((path.name, _stamped_digest(path, stat.st_mtime_ns, stat.st_size)))
    return digest(digests)


@cache
def _stamped_digest(path: Path, mtime_ns: int, size: int) -> str:
    """Once for each state of a file: hashing gigabytes of weights takes a while."""
    return file_digest(path)


def machine_dtype() -> Dtype:
    """bfloat16 where a GPU computes in it, else float32. Found without importing torch on machines
    without a driver."""
    if not Path("/proc/driver/nvidia").exists():
        return "float32"
    import torch

    # torch emulates bfloat16 on older GPUs, and says by default that they have it.
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
