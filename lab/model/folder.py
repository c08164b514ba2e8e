"""A folder of a model or an adapter: which of its files make it what it is, and their digest."""

import shutil
from functools import cache
from pathlib import Path

from lab.discover import CACHE
from lab.errors import UserError
from lab.store.store import digest, file_digest

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


def folder_digest(folder: Path) -> str:
    """sha256 of the names and contents of the files that make a model or an adapter what it is."""
    paths = sorted(folder.iterdir())
    counted = [p for p in paths if p.suffix in WEIGHT_ENDINGS or p.name.startswith(SETTINGS_BEGIN)]
    return digest([(path.name, kept_file_digest(path)) for path in counted])


def weights_on_disk(path: Path) -> int:
    """Bytes of a file of weights, or of all those of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.iterdir() if p.suffix in WEIGHT_ENDINGS)


def refuse_full_disk(folder: Path, needed: int) -> None:
    """Raises UserError where a folder of the cache has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"cache folder {str(CACHE)!r} has {free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB"
            " are needed; name another with the environment variable TELLME_CACHE"
        )


def kept_file_digest(path: Path) -> str:
    """sha256 of a file's bytes, once for each state of it: hashing gigabytes of weights takes a
    while."""
    stat = path.stat()
    return _stamped_digest(path, stat.st_mtime_ns, stat.st_size)


@cache
def _stamped_digest(path: Path, mtime_ns: int, size: int) -> str:
    return file_digest(path)
