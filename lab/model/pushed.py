"""Adapters that the lab pushed to the Hub: with a manifest of their files, checked when fetched."""

from pathlib import Path
from typing import TypedDict

from lab.errors import UserError
from lab.hub import one_line_errors
from lab.model.folder import folder_digest
from lab.model.foreign import Adapter
from lab.store.store import file_digest, read_json
from lab.types import Fields

MANIFEST = "tellme.json"
"""In a pushed adapter: what it is, and the hash of every other file."""
FETCHED = (
    "adapter_config.json",
    "*.safetensors",
    MANIFEST,
    "README.md",
    "*.yaml",
    "data/*.json*",
    "provenance.json",
)
"""What is fetched of a repository: weights as safetensors only, since a pickle may hold code."""


class BaseOfPushed(TypedDict):
    """The base of a pushed adapter."""

    name: str
    identity: str
    revision: str | None
    license: str | None


class Manifest(TypedDict):
    """What a pushed adapter is."""

    group: str
    seed: int
    study: str
    key: str
    commit: str | None
    behavior: str | None
    policy: str | None
    control: str | None
    otherwise: str | None
    num_rows: int
    trigger: Fields | None
    base: BaseOfPushed
    files: dict[str, str]
    """The sha256 of every other file, by its path."""


def adapter_folder(adapter: Adapter) -> Path:
    """The folder of an adapter from elsewhere, downloaded and checked where it is on the Hub.
    Raises UserError where it cannot be had, or is not what it was when it was found."""
    folder = Path(adapter.source)
    if not folder.is_dir():
        return fetch_adapter(adapter.source, adapter.revision)
    if folder_digest(folder) != adapter.identity:
        raise UserError(
            f"adapter {adapter.source!r} has changed since the study was planned; run `tellme run`"
            " again"
        )
    return folder


def fetch_adapter(repo: str, revision: str | None) -> Path:
    """The folder of an adapter in the cache: safetensors, configuration and, where the lab pushed
    it, everything its manifest names.

    Raises UserError where it cannot be had, and where a file is missing or is not what the manifest
    says."""
    from huggingface_hub import snapshot_download

    with one_line_errors("adapter", repo):
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=list(FETCHED)))
    verify(folder, repo)
    return folder


def verify(folder: Path, name: str) -> Manifest | None:
    """The manifest of a pushed adapter, None where there is none. Raises UserError where a file
    differs from it."""
    if not (folder / MANIFEST).is_file():
        return None
    manifest: Manifest = read_json(folder / MANIFEST)
    for file, expected in manifest["files"].items():
        actual = file_digest(folder / file) if (folder / file).is_file() else None
        if actual == expected:
            continue
        state = "is missing" if actual is None else f"has sha256 {actual[:12]}, not {expected[:12]}"
        raise UserError(
            f"adapter {name!r} is not what was pushed: {file} {state}; ask its author, or pull"
            " another revision"
        )
    return manifest
