"""The run store: `runs/<stage>/<slug>-<key>/`, written aside and published by one rename."""

import fcntl
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab.errors import TrustError, UserError
from lab.types import Fields

ODD = re.compile(r"[^\w.=+-]+")
"""What no folder's name should hold: slashes, spaces, line breaks."""
PART = 40
"""Characters of what a user calls a thing that stand in a folder's name, which has several parts
and may have 255 bytes."""
KEY_DIGITS = 10
"""Hex digits. Among ten thousand folders two have the same key with a chance of 5 in 100,000, and a
name that ends in ten digits can still be read and typed."""
KEPT = "asked.jsonl"
"""In the folder of a stage that asks a server: its replies as they came. They were paid for, so
that they outlast whatever else goes wrong with the stage."""
DIGITS = 16
"""Of a digest of content, as it enters keys."""


def digest(value: object) -> str:
    """sha256 of a JSON-able value in canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def slug_part(called: str) -> str:
    """What a user calls a thing, as a part of a folder's name."""
    return ODD.sub("-", called)[:PART].strip("-.") or "rows"


def make_key(stage: str, version: int, config: Fields, inputs: Sequence[str]) -> str:
    """The key of a stage's output. `inputs` are the keys of what it reads, which stand for their
    content."""
    return digest([stage, version, config, list(inputs)])[:KEY_DIGITS]


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """A run folder. What has its final name in it is complete, and is never changed."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().resolve()

    def check_writable(self) -> None:
        """Raises UserError where nothing can be written, before anything is done."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            trial = self.root / f".write-{os.getpid()}"
            trial.touch()
            trial.unlink()
        except OSError as error:
            raise UserError(
                f"run folder {str(self.root)!r} cannot be written ({error.strerror}); choose"
                " another with --set run.dir=PATH"
            ) from None

    def find(self, stage: str, key: str) -> Path | None:
        """The published folder of a key, whatever its slug; None where there is none yet."""
        folders = sorted((self.root / stage).glob(f"*-{key}"))
        return next((f for f in folders if not f.name.startswith(".")), None)

    def publish(self, stage: str, slug: str, key: str, write: Callable[[Path], None]) -> Path:
        """The folder of a key, after `write` has filled it if it is not there yet: `publish_all` of
        one."""
        self.publish_all(stage, {key: slug}, lambda folders: write(folders[key]))
        published = self.find(stage, key)
        assert published is not None
        return published

    def publish_all(
        self, stage: str, slugs: dict[str, str], write: Callable[[dict[str, Path]], None]
    ) -> None:
        """Let `write` fill the scratch folders, by key, of what is not there yet, then rename each
        to its final name.

        A second process with the same key waits for the first and takes its result. A killed stage
        leaves its scratch folder, which the next attempt receives again: training resumes from the
        checkpoints in it. A first attempt that refuses its input leaves nothing but what was
        asked of a server."""
        folder = self.root / stage
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as locks:
            # In order, so that two processes with keys in common do not wait for one another.
            for key in sorted(slugs):
                locks.enter_context(lock(self.root / ".locks" / key))
            missing = [key for key in slugs if not self.find(stage, key)]
            scratch = {key: folder / f".partial-{key}" for key in missing}
            new = [path for path in scratch.values() if not path.exists()]
            for path in scratch.values():
                path.mkdir(exist_ok=True)
            try:
                if scratch:
                    write(scratch)
            except (UserError, TrustError):
                for path in new:
                    if not (path / KEPT).exists():
                        shutil.rmtree(path)
                raise
            for key, path in scratch.items():
                os.rename(path, folder / f"{slugs[key]}-{key}")


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Held by one process at a time, and let go when it ends, however it ends. The file stays:
    removing it would race."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_json(path: Path, value: object) -> None:
    """Write valid JSON always: it has no word for a number that is none, so that becomes null."""
    text = json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def finite(value: Any) -> Any:
    """The value with None for every number in it that is not finite."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
