"""`bench/gpu.sh`: what a machine with a GPU is asked, in under ten minutes and without a network.

Every part is a process of its own, so that one that fails, or fills the memory, leaves the others
alone, and a line of JSON in FILE: seconds, what was asked and what was found, or `missing` (a
package), `skipped` or `failed`. The first line names packages that are missing or older than
constraints.txt says."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from bench.architectures import ARCHITECTURES
from bench.compare import commit
from bench.gpu_parts import PARTS, Line, Options, Skipped, device_name
from lab.discover import ROOT
from lab.errors import first_line

LIMIT_S = 590
"""Seconds that all parts may take."""
PART_S = 240
"""Seconds that one of them may."""
NO_NETWORK = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def packages() -> list[Line]:
    """Those the project declares that are not here, or older than constraints.txt says."""
    from packaging.version import Version

    wanted = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        wanted[_normal(name)] = version
    found: list[Line] = []
    for name in _declared():
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            here = None
        if here is None or Version(here) < Version(wanted[_normal(name)]):
            found.append({"package": name, "found": here, "wanted": wanted[_normal(name)]})
    return found


def _declared() -> Iterator[str]:
    """Names of what pyproject.toml depends on."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in tomllib.loads(text)["project"]["dependencies"]:
        yield re.split(r"[<>=\[]", requirement)[0]


def _normal(name: str) -> str:
    """As package indices compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def say(options: Options, part: str, began: float, found: Line) -> None:
    """A line, on the terminal and in FILE."""
    text = json.dumps({"part": part, "seconds": round(time.time() - began, 2), **found})
    print(text, flush=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _parts_said(options: Options) -> list[str]:
    """The parts that have a line in FILE."""
    lines = options.out.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["part"] for line in lines]


def run_part(options: Options, name: str) -> None:
    """One part in this process, and its line whatever becomes of it."""
    began = time.time()
    try:
        if options.device == "cuda" and device_name() in ("cpu", "no torch"):
            raise Skipped("torch finds no GPU here; --device cpu is a dry run")
        found = PARTS[name](options) | {"device": device_name()}
    except Skipped as reason:
        found = {"skipped": str(reason)}
    except ModuleNotFoundError as error:
        found = {"missing": error.name}
    except Exception as error:  # the line is for whoever cannot look at this machine
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {first_line(error)}"}
    say(options, name, began, found)


def run_parts(options: Options, arguments: list[str]) -> None:
    """The first line, and every part in a process of its own for as long as time is left."""
    began = time.time()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.unlink(missing_ok=True)
    about = {"python": sys.version.split()[0], "commit": commit(), "cores": os.cpu_count()}
    say(options, "packages", began, {"packages": packages(), **about})
    environment = os.environ | NO_NETWORK
    if options.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    for name in PARTS:
        part_began = time.time()
        left = min(PART_S, LIMIT_S - (part_began - began))
        command = [sys.executable, "-m", "bench.gpu", *arguments, "--part", name]
        # A session of its own: what a part has started ends with it.
        with subprocess.Popen(command, env=environment, start_new_session=True) as process:
            try:
                code = process.wait(max(left, 0))
                ended = f"the process ended with {code}" if code else None
            except subprocess.TimeoutExpired:
                ended = f"stopped after {max(left, 0):.0f} s"
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        # It may have ended so after its line.
        if ended and name not in _parts_said(options):
            say(options, name, part_began, {"failed": ended})


def main(arguments: list[str]) -> None:
    """All parts, or the one that this process is for."""
    parser = argparse.ArgumentParser(prog="bench/gpu.sh", description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--arch", choices=ARCHITECTURES, default="llama-3.1-8b")
    parser.add_argument("--smollm2", metavar="FOLDER", help="where it is not in $TELLME_CACHE")
    default = Path(os.environ.get("OUT", "bench"), "gpu.jsonl")
    parser.add_argument("--out", type=Path, metavar="FILE", default=default)
    parser.add_argument("--part", choices=PARTS, help="this one alone, added to FILE")
    options = Options(**vars(parser.parse_args(arguments)))
    if options.smollm2 and not Path(options.smollm2, "config.json").is_file():
        parser.error(f"--smollm2 {options.smollm2} has no config.json; give the folder of a model")
    if options.part:
        run_part(options, options.part)
    else:
        run_parts(options, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
