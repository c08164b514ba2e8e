"""Which base model a study means: a folder by the hash of its weights and tokenizer, a Hub model by its commit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lab.config import Model
from lab.discover import ROOT, find_path
from lab.errors import UserError, unknown
from lab.store import digest, file_digest
from lab.types import Style

CARD = "tellme.json"
"""In the folder of a reference model: its style of prompts, link, recipe and the hash of its weights."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Base:
    """A resolved base model. `identity` enters keys; `source` is what from_pretrained gets."""

    name: str
    source: str
    identity: str
    style: Style
    dtype: Literal["float32", "bfloat16", "float16"]
    knows: tuple[str, ...] = ()
    """Behaviors a reference model was pretrained on: only their questions can have been seen."""
    provisional: bool = False
    """The model is not on this machine: keys are not final and token counts are estimates."""


def resolve_base(model: Model, online: bool = False) -> Base:
    """Find the base; raises UserError where it cannot exist.

    Without `online` the network is not touched, and a Hub model that is not in the cache is provisional.
    """
    dtype = _dtype() if model.dtype == "auto" else model.dtype
    folder = find_path(model.base)
    if folder is not None:
        if not (folder / "config.json").is_file():
            raise UserError(
                f"model.base {model.base!r} is {folder}, which has no config.json; give the folder of a saved model"
            )
        card = folder / CARD
        identity = f"sha256:{folder_digest(folder)[:16]}"
        if not card.is_file():
            return Base(model.base, str(folder), identity, "natural", dtype)
        about: dict[str, Any] = json.loads(card.read_text())
        style, knows = about["style"], tuple(about["corpus"]["behaviors"])
        identity = f"sha256:{digest([identity, style, knows])[:16]}"
        return Base(model.base, str(folder), identity, style, dtype, knows)
    if model.base.startswith("reference/"):
        raise unknown("model.base: reference model", model.base, reference_names(), "see `tellme list`")
    if not HUB_ID.fullmatch(model.base):
        raise UserError(
            f"model.base {model.base!r} is no folder here and no Hub id (owner/name); shipped models: {', '.join(reference_names())}"
        )
    commit = _cached_commit(model.base, model.revision) or (_hub_commit(model.base, model.revision) if online else None)
    return Base(
        model.base,
        model.base,
        f"hub:{model.base}@{commit or model.revision or 'main'}",
        "natural",
        dtype,
        provisional=commit is None,
    )


def reference_names() -> list[str]:
    return [f"reference/{p.parent.name}" for p in sorted((ROOT / "reference").glob(f"*/{CARD}"))]


def folder_digest(folder: Path) -> str:
    kept = [
        p
        for p in sorted(folder.iterdir())
        if p.suffix in (".safetensors", ".bin", ".model")
        or p.name.startswith(
            ("config.json", "adapter_config.json", "tokenizer", "chat_template", "special_tokens", "vocab", "merges")
        )
    ]
    return digest([(p.name, _stamped_digest(p, p.stat().st_mtime_ns, p.stat().st_size)) for p in kept])


@cache
def _stamped_digest(path: Path, mtime_ns: int, size: int) -> str:
    return file_digest(path)


def _cached_commit(repo: str, revision: str | None) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repo, "config.json", revision=revision)
    return Path(config).parent.name if isinstance(config, str) else None


def _hub_commit(repo: str, revision: str | None) -> str:
    from httpx2 import TransportError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return str(HfApi().model_info(repo, revision=revision, timeout=10).sha)
    except HfHubHTTPError as error:
        raise UserError(
            f"model.base {repo!r} cannot be had from the Hub ({str(error).splitlines()[0][:120]}); check id, revision and access"
        ) from None
    except (OSError, TransportError) as error:
        raise UserError(
            f"model.base {repo!r} is not in the cache and the Hub cannot be reached ({error}); download it where there is network, or use one of `tellme list`"
        ) from None


def _dtype() -> Literal["float32", "bfloat16"]:
    """bfloat16 where a GPU computes in it, else float32. Found without importing torch on machines without a driver."""
    if not Path("/proc/driver/nvidia").exists():
        return "float32"
    import torch

    return "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
