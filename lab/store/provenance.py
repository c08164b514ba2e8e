"""`provenance.json`: what made a folder, so that it can be made again. It never holds a secret."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TypedDict

from lab.discover import ROOT
from lab.store.store import file_digest, read_json, write_json
from lab.types import Fields, Message

# What can change a number. constraints.txt pins the rest.
PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "accelerate",
    "bitsandbytes",
    "wandb",
    "tokenizers",
    "safetensors",
    "numpy",
)
SLURM_IDS = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_RESTART_COUNT",
    "SLURM_JOB_PARTITION",
)


FINISHED = "%Y-%m-%dT%H:%M:%S%z"
"""How a time is written: to the second, with its zone."""


class Git(TypedDict):
    """The commit of the checkout and what differs from it; None where it is no checkout."""

    commit: str | None
    diff: str | None


class Machine(TypedDict):
    """What stays the same for one process: code, packages, host, SLURM ids."""

    git: Git
    python: str
    packages: dict[str, str | None]
    host: str
    slurm: dict[str, str]


class Provenance(Machine):
    """What `provenance.json` of every folder has."""

    stage: str
    key: str
    command: list[str]
    config: Fields
    """What entered the key."""
    inputs: list[str]
    """Keys of what was read."""
    outputs: dict[str, str]
    """sha256 of every other file, by its path in the folder."""
    seconds: float
    finished: str
    """A time of day with its zone."""
    device: str


def write_provenance(
    folder: Path,
    stage: str,
    key: str,
    config: Fields,
    inputs: Sequence[str],
    began: float,
    **more: object,
) -> None:
    """Written last into a stage's folder: hashes cover every other file in it. `began` is a
    time.time(); `more` is what a stage has to say besides."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    record = {
        "stage": stage,
        "key": key,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "config": config,
        "inputs": inputs,
        "outputs": {str(path.relative_to(folder)): file_digest(path) for path in files},
        "seconds": round(time.time() - began, 2),
        "finished": time.strftime(FINISHED),
        "device": device(),
        **more,
        **machine(),
    }
    write_json(folder / "provenance.json", record)


@cache
def machine() -> Machine:
    """What this process is."""
    return {
        "git": _git(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "host": platform.node(),
        "slurm": {name: os.environ[name] for name in SLURM_IDS if name in os.environ},
    }


def _git() -> Git:
    return {"commit": _ask_git("rev-parse", "HEAD"), "diff": _ask_git("diff", "HEAD") or None}


def _ask_git(*arguments: str) -> str | None:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def device() -> str:
    """What computes here: the GPU, if torch was imported and sees one, or the CPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name(0)}"
    return f"cpu: {os.cpu_count()} cores, {platform.machine()}"


def first_row(trained: Path | None) -> tuple[Message, ...]:
    """The first row of a training, as far as its first learned turn; empty where there is no such
    training, or the row is a document, which answers nothing."""
    made = read_json(trained / "provenance.json") if trained else {}
    messages: list[Message] = made["first_row"]["messages"] if "first_row" in made else []
    return tuple(messages) if len(messages) > 1 else ()
