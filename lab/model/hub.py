"""The Hugging Face Hub: what a repository's revision is, files of it, and adapters whose hashes
were checked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.errors import UserError, first_line
from lab.store.store import file_digest, read_json

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
MANIFEST = "tellme.json"
"""In a pushed adapter: what it is, and the hash of every other file."""
DATASET = re.compile(
    r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)@(?P<revision>[0-9a-f]{40})/(?P<path>.+)"
)


def split_revision(given: str) -> tuple[str, str | None]:
    """`owner/name@revision` as its two parts; without `@` the second is None."""
    repo, _, revision = given.partition("@")
    return repo, revision or None


def hub_commit(
    what: str, repo: str, revision: str | None, online: bool, file: str = "config.json"
) -> str | None:
    """The commit of a Hub repository: of the cached copy if there is one, else asked of the Hub
    where `online` allows it."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = try_to_load_from_cache(repo, file, revision=revision)
    if isinstance(cached, str):
        return Path(cached).parent.name
    if not online:
        return None
    with one_line_errors(what, repo):
        return str(HfApi().model_info(repo, revision=revision, timeout=10).sha)


def download(what: str, repo: str, revision: str | None, file: str, kind: str = "model") -> Path:
    """A file of a repository, from the cache where it is there."""
    from huggingface_hub import hf_hub_download

    with one_line_errors(what, repo):
        return Path(hf_hub_download(repo, file, revision=revision, repo_type=kind))


def dataset_file(given: str) -> Path:
    """The file that `hf://datasets/OWNER/NAME@COMMIT/PATH` names. Raises UserError without a full
    commit: a branch may move."""
    found = DATASET.fullmatch(given)
    if not found:
        raise UserError(
            f"file {given!r} must look like hf://datasets/OWNER/NAME@COMMIT/PATH with a full commit"
            " of 40 digits; the page of the dataset lists its commits"
        )
    return download("file", found["repo"], found["revision"], found["path"], "dataset")


@contextmanager
def one_line_errors(what: str, repo: str) -> Iterator[None]:
    """What the Hub's client raises, as one line that says what to do."""
    from httpx2 import TransportError
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise UserError(
            f"{what} {repo!r} is gated; ask for access on its page, then `hf auth login` or set"
            " HF_TOKEN"
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"{what} {repo!r} is not on the Hub, or is private; check the id, or `hf auth login`"
            " with an account that may read it"
        ) from None
    except (
        errors.LocalEntryNotFoundError,
        TransportError,
        errors.OfflineModeIsEnabled,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise UserError(
            f"{what} {repo!r} is not in the cache and the Hub cannot be reached"
            f" ({first_line(error)}); download it where there is network (`hf download {repo}`), or"
            " use one of `tellme list`"
        ) from None
    except (
        errors.RevisionNotFoundError,
        errors.EntryNotFoundError,
        errors.HfHubHTTPError,
    ) as error:
        raise UserError(
            f"{what} {repo!r} cannot be had from the Hub ({first_line(error)}); check id, revision"
            " and access"
        ) from None


def fetch_adapter(repo: str, revision: str | None) -> Path:
    """The folder of an adapter in the cache: safetensors, configuration and, where the lab pushed
    it, everything its manifest names. Raises UserError where a file is missing or is not what the
    manifest says."""
    from huggingface_hub import snapshot_download

    patterns = [
        "adapter_config.json",
        "*.safetensors",
        MANIFEST,
        "README.md",
        "*.yaml",
        "data/*.json*",
        "provenance.json",
    ]
    with one_line_errors("adapter", repo):
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=patterns))
    verify(folder, repo)
    return folder


def verify(folder: Path, name: str) -> dict[str, Any] | None:
    """The manifest of a pushed adapter, None where there is none. Raises UserError where a file
    differs from it."""
    if not (folder / MANIFEST).is_file():
        return None
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    for file, expected in manifest["files"].items():
        found = file_digest(folder / file) if (folder / file).is_file() else None
        if found != expected:
            state = (
                "is missing" if found is None else f"has sha256 {found[:12]}, not {expected[:12]}"
            )
            raise UserError(
                f"adapter {name!r} is not what was pushed: {file} {state}; ask its author, or pull"
                " another revision"
            )
    return manifest
