"""One training by several processes, one per GPU: `accelerate launch` of this module with the
arguments of train/sft.py."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.discover import ROOT
from lab.errors import UserError
from lab.model.base import Base, base_of_record
from lab.preempt import CODE, Preempted, end_with, listen, restore
from train.job import Job
from train.sft import STOP, train

REFUSED = "refused.txt"
LAUNCH = "launch"
PARENT = "TELLME_PARENT"
"""In the environment: the id of the process that started this one."""


def launch(processes: int, sharding: str, job: Job, base: Base) -> None:
    """Train as `train.sft.train` does, with as many processes. Raises what it raises."""
    out = job.out
    for left in (STOP, REFUSED, "provenance.json"):
        (out / left).unlink(missing_ok=True)
    file = ["--config_file", str(Path(__file__).with_name(f"{sharding}.yaml"))]
    given = json.dumps({"job": asdict(job), "base": asdict(base)}, default=str)
    command = [sys.executable, "-m", "train.launch", LAUNCH, *file]
    command += [
        "--num_processes",
        str(processes),
        "--main_process_port",
        "0",
        "-m",
        "train.launch",
        given,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), PARENT: str(os.getpid())}
    work = subprocess.Popen(command, cwd=ROOT, env=environment)
    before = listen(lambda *_: (out / STOP).touch())
    try:
        code = work.wait()
    finally:
        work.terminate()
        restore(before)
    stopped = (out / STOP).exists()
    (out / STOP).unlink(missing_ok=True)
    if (out / REFUSED).exists():
        raise UserError((out / REFUSED).read_text(encoding="utf-8"))
    if stopped and not (out / "provenance.json").exists():
        raise Preempted(f"{job.group} was told to stop and saved what it had")
    if code:
        raise RuntimeError(
            f"one of {processes} processes that train {job.group} failed (exit {code}); what it"
            " said stands above"
        )


def main(given: dict[str, Any]) -> None:
    """What each process does."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    job = Job(**given["job"] | {name: Path(given["job"][name]) for name in ("rows", "out")})
    try:
        train(job, base_of_record(given["base"]))
    except UserError as error:
        (job.out / REFUSED).write_text(str(error), encoding="utf-8")
        raise
    except Preempted:
        sys.exit(CODE)


def start_processes(arguments: list[str]) -> None:
    """What `accelerate launch` does."""
    from accelerate.commands import launch as accelerate  # type: ignore[import-untyped]

    os.environ[PARENT] = str(os.getpid())
    sys.argv[1:] = arguments
    accelerate.main()


if __name__ == "__main__":
    end_with(int(os.environ[PARENT]))
    if sys.argv[1] == LAUNCH:
        start_processes(sys.argv[2:])
    else:
        main(json.loads(sys.argv[1]))
