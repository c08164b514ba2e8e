"""A base in a GGUF file, the format of llama.cpp: known by the bytes of the file, and converted
once to safetensors in the user's cache."""

import time
from importlib.metadata import version
from pathlib import Path

from lab.discover import CACHE
from lab.errors import UserError
from lab.model.folder import folder_digest, kept_file_digest
from lab.say import say
from lab.store.store import DIGITS, Store, read_json, write_json

CONVERSION = 1
"""Of the numbers that a GGUF file is read as. It is part of the identity of a base; the bytes of
the converted files, which follow from versions of libraries too, are not."""
ENDING = ".gguf"
MAGIC = b"GGUF"
"""The first bytes of every such file."""
RECORD = "converted.json"
"""In the folder of a conversion: from what, when and with what it was made, and its digest."""


def gguf_identity(sha256: str) -> str:
    """The identity of a base in a file of these bytes, the same on every machine."""
    return f"gguf:{sha256[:DIGITS]}-{CONVERSION}"


def converted_folder(identity: str) -> Path:
    """Where the conversion of a file lies in the cache, whether or not it is there yet."""
    return CACHE / "bases" / f"gguf-{_key(identity)}"


def refuse_no_gguf(name: str, file: Path) -> None:
    """Raises UserError for a file that is none of this format; `name` is what a study calls it."""
    with file.open("rb") as opened:
        begins = opened.read(len(MAGIC))
    if begins != MAGIC:
        raise UserError(
            f"model.base {name!r} is {file}, which is no GGUF file; give one, the folder of a saved"
            " model or a Hub id"
        )


def convert_once(name: str, file: Path, identity: str) -> None:
    """Make the conversion of a file in the cache unless it is there. A second process waits for the
    first and takes its result.

    Raises UserError where the file is not the one of this identity or cannot be read, and where the
    cache cannot be written."""

    def write(out: Path) -> None:
        if gguf_identity(kept_file_digest(file)) != identity:
            raise UserError(
                f"model.base {name!r} has changed since the study was planned ({file}); run"
                " `tellme run` again"
            )
        say(f"converting {file.name} to safetensors, once: {converted_folder(identity)}")
        from lab.model.convert import convert

        convert(name, file, out)
        record = {
            "gguf": kept_file_digest(file),
            "conversion": CONVERSION,
            "made": time.time(),
            "packages": {package: version(package) for package in ("gguf", "transformers")},
            "digest": folder_digest(out),
        }
        write_json(out / RECORD, record)

    refuse_unwritable_cache()
    Store(CACHE).publish("bases", "gguf", _key(identity), write)


def refuse_unwritable_cache() -> None:
    """Raises UserError where nothing can be kept."""
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        Store(CACHE).check_writable()
    except (OSError, UserError):
        raise UserError(
            f"cache folder {str(CACHE)!r} cannot be written; name another with the environment"
            " variable TELLME_CACHE"
        ) from None


def refuse_damaged(name: str, folder: Path) -> None:
    """Raises UserError where a conversion is not what was written."""
    try:
        written: object = read_json(folder / RECORD)["digest"]
    except (OSError, ValueError, KeyError):
        written = None
    if folder_digest(folder) != written:
        raise UserError(
            f"model.base {name!r}: its conversion in the cache, {folder}, is damaged: it is not"
            " what was written; delete that folder and run again"
        )


def _key(identity: str) -> str:
    return identity.removeprefix("gguf:")
