"""Checkpoints of a training that is under way: which are whole, which to go on from, and how they
are removed."""

import json
import os
import shutil
import sys
import zipfile
import zlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

SHARDED = ("pytorch_model_fsdp.bin", "optimizer.bin")
"""What accelerate writes of weights and optimizer that processes hold shares of (FSDP)."""
HELD_BY_EACH = ("adapter_config.json", "adapter_model.safetensors", "optimizer.pt")
"""What PEFT and transformers write of them where every process has all of it."""
REMOVED = ".removed"
"""Name of a folder that is being removed."""


def newest_checkpoint(folder: Path) -> str | None:
    """The last checkpoint that is whole. Every newer one is removed, with a line, or transformers
    would take it for the most recent and remove those that come."""
    numbered = {int(path.name.partition("-")[2]): path for path in folder.glob("checkpoint-*")}
    for _, checkpoint in sorted(numbered.items(), reverse=True):
        missing = damaged(checkpoint)
        if missing is None:
            return str(checkpoint)
        say(f"{checkpoint} is passed over: {missing} is not there whole")
        if first_process():
            remove(checkpoint)
    if numbered:
        say(f"no checkpoint in {folder} is whole: training begins anew")
    return None


def damaged(checkpoint: Path) -> str | None:
    """The first file that transformers' Trainer needs and that is not whole; None where all are."""
    return next((name for name in _needed(checkpoint) if not whole(checkpoint / name)), None)


def whole(file: Path) -> bool:
    """Whether a file of JSON, of safetensors or of torch.save can be read to its end."""
    try:
        if file.suffix == ".json":
            return isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
        if file.suffix == ".safetensors":
            # Opening one compares what its header lists with the size of the file.
            with safe_open(file, framework="pt"):
                return True
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (OSError, ValueError, SafetensorError, zipfile.BadZipFile, zlib.error):
        return False


def remove(folder: Path) -> None:
    """Under a name that no resume looks at: removed in part, it would pass for one to go on from.
    What an earlier removal left under that name goes too."""
    aside = folder.with_name(REMOVED)
    if aside.exists():
        shutil.rmtree(aside)
    if folder.exists():
        folder.rename(aside)
        shutil.rmtree(aside)


def say(line: str) -> None:
    """To stderr, once however many processes train together."""
    if first_process():
        print(line, file=sys.stderr, flush=True)


def first_process() -> bool:
    """Whether this is the process that writes, of those that train together."""
    return os.environ.get("RANK", "0") == "0"


def _needed(checkpoint: Path) -> list[str]:
    sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"
    state = SHARDED if sharded else HELD_BY_EACH
    return ["trainer_state.json", *state, "scheduler.pt", *_random_states(checkpoint)]


def _random_states(checkpoint: Path) -> list[str]:
    """One process writes a file, several write one each; another number of them may go on."""
    each = [f"rng_state_{i}.pth" for i in range(int(os.environ.get("WORLD_SIZE", "1")))]
    alone = "rng_state.pth"
    by_several = (checkpoint / each[0]).exists() and not (checkpoint / alone).exists()
    return each if by_several else [alone]
