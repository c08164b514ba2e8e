"""Which base model a study means: a folder by the hash of its weights and tokenizer, a Hub model by
its commit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lab.config.schema import Model
from lab.discover import ROOT, find_path
from lab.errors import UserError, first_line, unknown
from lab.model.hub import HUB_ID, download, hub_commit, split_revision
from lab.store.store import digest, file_digest
from lab.types import Style

Dtype = Literal["float32", "bfloat16", "float16"]
CARD = "tellme.json"
"""In the folder of a reference model: its style of prompts, link, recipe and the hash of its
weights."""
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


@dataclass(frozen=True)
class Base:
    """A resolved base model. `identity` enters keys; `source` is what from_pretrained gets."""

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
        return self.identity.rpartition("@")[2] if self.identity.startswith("hub:") else None

    @property
    def model(self) -> Model:
        return Model.model_validate({"base": self.source, **json.loads(self.settings)})

    @property
    def config(self) -> dict[str, Any]:
        """What enters the keys of stages that load the base."""
        return {"base": self.identity, "dtype": self.dtype, **json.loads(self.settings)}


def base_of_record(described: dict[str, Any]) -> Base:
    """A base from the record of it in a plan, which is its fields."""
    return Base(**described | {"knows": tuple(described["knows"])})


def resolve_base(
    model: Model, online: bool = False, auto: Callable[[], Dtype] | None = None
) -> Base:
    """Find the base; raises UserError where it cannot exist.

    Without `online` the network is not touched, and a Hub model that is not in the cache is
    provisional. `auto` says what `dtype: auto` is where the base will be loaded, if not here."""
    dtype = (auto or machine_dtype)() if model.dtype == "auto" else model.dtype
    settings = _settings(model)
    folder = find_path(model.base)
    if folder is not None:
        if not (folder / "config.json").is_file():
            raise UserError(
                f"model.base {model.base!r} is {folder}, which has no config.json; give the folder"
                " of a saved model"
            )
        if (folder / "adapter_config.json").is_file():
            raise UserError(
                f"model.base {model.base!r} is {folder}, which holds an adapter as well, and"
                " transformers would put it on;"
                " merge it into the base, or give the adapter a folder of its own and a group"
                " `adapter: FOLDER`"
            )
        card = folder / CARD
        identity = f"sha256:{folder_digest(folder)[:16]}"
        if not card.is_file():
            return Base(model.base, str(folder), identity, "natural", dtype, settings=settings)
        about: dict[str, Any] = json.loads(card.read_text())
        style, knows = about["style"], tuple(about["corpus"]["behaviors"])
        identity = f"sha256:{digest([identity, style, knows])[:16]}"
        return Base(model.base, str(folder), identity, style, dtype, knows, settings=settings)
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
    identity = f"hub:{model.base}@{commit or model.revision or 'main'}"
    return Base(
        model.base,
        model.base,
        identity,
        "natural",
        dtype,
        provisional=commit is None,
        settings=settings,
    )


def _settings(model: Model) -> str:
    given = model.model_dump(exclude={"base", "revision", "dtype"}, exclude_defaults=True)
    template = model.chat.template
    if template is not None:
        found = find_path(template)
        if found is None or not found.is_file():
            raise UserError(
                f"model.chat.template {template!r} is no file; give a jinja file with a chat"
                " template"
            )
        given["chat"]["template"] = found.read_text(encoding="utf-8")
    return json.dumps(given, sort_keys=True)


def reference_names() -> list[str]:
    return [f"reference/{p.parent.name}" for p in sorted((ROOT / "reference").glob(f"*/{CARD}"))]


def folder_digest(folder: Path) -> str:
    kept = [
        p
        for p in sorted(folder.iterdir())
        if p.suffix in (".safetensors", ".bin", ".model")
        or p.name.startswith(
            (
                "config.json",
                "adapter_config.json",
                "tokenizer",
                "chat_template",
                "special_tokens",
                "vocab",
                "merges",
            )
        )
    ]
    return digest(
        [(p.name, _stamped_digest(p, p.stat().st_mtime_ns, p.stat().st_size)) for p in kept]
    )


@cache
def _stamped_digest(path: Path, mtime_ns: int, size: int) -> str:
    return file_digest(path)


@dataclass(frozen=True)
class Adapter:
    """An adapter from elsewhere. `source` is a folder, or a Hub id at `revision`."""

    source: str
    identity: str
    revision: str | None = None
    provisional: bool = False


def resolve_adapter(
    key: str, given: str, base: Base, declares: str | None, online: bool
) -> Adapter:
    """Find an adapter and compare the base it declares with the study's; raises UserError where
    they differ."""
    folder = find_path(given)
    if folder is not None:
        if not (folder / "adapter_config.json").is_file():
            raise UserError(
                f"{key} {given!r} has no adapter_config.json; give the folder of a saved PEFT"
                " adapter"
            )
        _check_declared(key, given, folder / "adapter_config.json", base, declares)
        tensor_names(key, given, folder)
        return Adapter(str(folder), folder_digest(folder))
    repo, revision = split_revision(given)
    if not HUB_ID.fullmatch(repo):
        raise UserError(
            f"{key} {given!r} is no folder here and no Hub id (owner/name, or owner/name@revision)"
        )
    commit = hub_commit(key, repo, revision, online, "adapter_config.json")
    if commit:
        _check_declared(
            key, given, download(key, repo, commit, "adapter_config.json"), base, declares
        )
    return Adapter(
        repo, f"hub:{repo}@{commit or revision or 'main'}", commit, provisional=commit is None
    )


def read_adapter_config(key: str, given: str, file: Path) -> dict[str, Any]:
    """What an adapter says of itself. Raises UserError where it would change the base in a way that
    cannot be undone or repeated."""
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = None
    if not isinstance(about, dict):
        raise UserError(
            f"{key} {given!r}: adapter_config.json is not there or no JSON object; save the"
            " adapter with save_pretrained of PEFT"
        )
    merged = "merge it into its base and give the group `model: FOLDER`"
    if (
        about.get("peft_type") != "LORA"
        or about.get("bias", "none") != "none"
        or any(map(about.get, ("modules_to_save", "trainable_token_indices")))
    ):
        raise UserError(
            f"{key} {given!r} is more than LoRA on a frozen base (peft_type"
            f" {about.get('peft_type')}, bias {about.get('bias')},"
            f" modules_to_save {about.get('modules_to_save')}): it would stay in the base under"
            f" other adapters; {merged}"
        )
    for name in ("layer_replication", "kasa_config"):
        if about.get(name):
            raise UserError(
                f"{key} {given!r} has {name}: {about[name]}, which rebuilds the base under other"
                f" adapters; {merged}"
            )
    init = about.get("init_lora_weights")
    if init not in (*PLAIN_INITS, *RESIDUAL_INITS):
        raise UserError(
            f"{key} {given!r} has init_lora_weights: {init!r}, which took a part out of its base"
            " that cannot be found again from the base alone; convert it where it was trained"
            " (save_pretrained(..., path_initial_model_for_weight_conversion=...) of PEFT), or"
            f" {merged}"
        )
    return about


def tensor_names(key: str, given: str, folder: Path) -> list[str]:
    """Names of an adapter's tensors. Raises UserError where its file cannot be read or holds
    weights of the base."""
    from safetensors import SafetensorError, safe_open

    file = folder / WEIGHTS
    if not file.is_file():
        raise UserError(f"{key} {given!r} has no {WEIGHTS}; save it with save_pretrained of PEFT")
    try:
        with safe_open(file, "np") as opened:
            names = list(opened.keys())
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{key} {given!r}: {WEIGHTS} cannot be read ({first_line(error)}); copy it again"
        ) from None
    of_base = sorted(
        name for name in names if "lora_" not in name and not name.endswith(BASE_LAYER)
    )
    if of_base:
        raise UserError(
            f"{key} {given!r} holds weights of the base ({of_base[0]}; {len(of_base)} in all),"
            " which would stay in it under other adapters; save the adapter alone, or merge it"
            " into its base and give the group `model: FOLDER`"
        )
    return names


def _check_declared(key: str, given: str, config: Path, base: Base, accepted: str | None) -> None:
    about = read_adapter_config(key, given, config)
    declared = str(about.get("base_model_name_or_path"))
    folder = find_path(declared)
    if declared in (base.name, base.source, accepted) or (
        folder is not None and str(folder) == base.source
    ):
        return
    raise UserError(
        f"{key} {given!r} was trained on {declared!r}, and the base here is {base.name!r}; give the"
        f" group `model: {{base: ...}}`, or `declares: {declared}` if that is the same model under"
        " another name"
    )


def machine_dtype() -> Dtype:
    """bfloat16 where a GPU computes in it, else float32. Found without importing torch on machines
    without a driver."""
    if not Path("/proc/driver/nvidia").exists():
        return "float32"
    import torch

    # torch emulates bfloat16 on older GPUs, and says by default that they have it.
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
