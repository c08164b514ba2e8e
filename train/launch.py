"""One training by several processes, one per GPU: `accelerate launch` of this module with the
arguments of train/sft.py."""

import logging
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version

from lab.config.schema import Sharding
from lab.discover import ROOT
from lab.errors import UserError
from lab.model.base import Base
from lab.preempt import CODE, Preempted, end_with, listen, restore
from lab.strict import Strict
from train.job import Job
from train.sft import STOP, train

REFUSED = "refused.txt"
"""File in the stage's folder with what a process said of the settings."""
SAVES_WHOLE = "1.15.0"
"""Of accelerate: the first version that gathers an adapter under FSDP2 (its pull request 4206)."""
LAUNCH = "launch"
"""First argument of this module where it is to start the processes, not to be one of them."""
PARENT = "TELLME_PARENT"
"""In the environment: the id of the process that started this one."""


class Order(Strict):
    """What each process is told to train, as one of its arguments."""

    job: Job
    base: Base


def launch(processes: int, sharding: Sharding, job: Job, base: Base) -> None:
    """Train as `train.sft.train` does, with as many processes. Raises what it raises, and UserError
    where the installed accelerate cannot save what they hold shares of."""
    refuse_old_accelerate(sharding, version("accelerate"))
    stop, refused, provenance = (job.out / name for name in (STOP, REFUSED, "provenance.json"))
    # What an earlier attempt left would be taken for the word of this one.
    for file in (stop, refused, provenance):
        file.unlink(missing_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT), PARENT: str(os.getpid())}
    command = _command(processes, sharding, job, base)
    launcher = subprocess.Popen(command, cwd=ROOT, env=environment)
    handlers_before = listen(lambda _number, _frame: stop.touch())
    try:
        code = launcher.wait()
    finally:
        launcher.terminate()
        restore(handlers_before)
    stopped = stop.exists()
    # Or it would stop the next start as well.
    stop.unlink(missing_ok=True)
    if refused.exists():
        raise UserError(refused.read_text(encoding="utf-8"))
    if stopped and not provenance.exists():
        raise Preempted(f"{job.group} was told to stop and saved what it had")
    if code:
        raise RuntimeError(
            f"one of {processes} processes that train {job.group} failed (exit {code}); what it"
            " said stands above"
        )


def refuse_old_accelerate(sharding: Sharding, installed: str) -> None:
    """Raises UserError for a version that saves the first process's share of the adapter in a
    checkpoint as if it were all of it, so that a resumed training would go on from a part."""
    if sharding == "fsdp2" and Version(installed) < Version(SAVES_WHOLE):
        raise UserError(
            f"run.sharding: fsdp2 needs accelerate {SAVES_WHOLE} or newer, and {installed} is"
            " installed, which saves a part of the adapter in its checkpoints; install it as"
            " constraints.txt says"
        )


def _command(processes: int, sharding: Sharding, job: Job, base: Base) -> list[str]:
    """This module as launcher, which starts it again as each of the processes."""
    settings = Path(__file__).with_name(f"{sharding}.yaml")
    order = Order(job=job, base=base).model_dump_json()
    command = [sys.executable, "-m", "train.launch", LAUNCH]
    command += ["--config_file", str(settings), "--num_processes", str(processes)]
    # Any free port: two trainings on one machine would want the same.
    command += ["--main_process_port", "0"]
    return [*command, "-m", "train.launch", order]


def main(order: Order) -> None:
    """What each process does."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        train(order.job, order.base)
    except UserError as error:
        (order.job.out / REFUSED).write_text(str(error), encoding="utf-8")
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
        main(Order.model_validate_json(sys.argv[1]))
