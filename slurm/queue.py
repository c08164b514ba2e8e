"""What SLURM is told and asked: sbatch, and the state of tasks from sacct, or from scontrol where
there is no accounting."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator

from lab.errors import UserError

WAITING = ("PENDING", "REQUEUED", "SUSPENDED", "CONFIGURING")
"""States of a task that will run."""
GOING = ("RUNNING", "COMPLETING", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT")
"""States of a task that runs."""
PATIENCE = 60
"""Seconds for an answer: a controller under load takes long, and `tellme status` must not hang."""


def queue(command: list[str]) -> str:
    """The id that sbatch gave; raises UserError with its own reason."""
    if shutil.which("sbatch") is None:
        raise UserError(
            "there is no sbatch on this machine; run `tellme submit` on a login node of the"
            " cluster, or `tellme run` here"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = lines[-1].removeprefix("sbatch: error: ")
        name = next(word for word in command if word.startswith("--job-name=")).partition("=")[2]
        raise UserError(
            f"sbatch refused {name}: {reason}; mend the file of"
            " run.cluster, then `tellme submit` again"
        )
    # `ID;CLUSTER` where there are several clusters.
    return done.stdout.strip().partition(";")[0]


def states(ids: Iterable[str]) -> dict[str, str]:
    """State by task, as `ID_INDEX`, of arrays that SLURM still knows; {} where there is no SLURM or
    it does not answer."""
    state_of: dict[str, str] = {}
    for number in dict.fromkeys(ids):
        state_of.update(_accounted(number) or _controlled(number))
    return state_of


def _accounted(number: str) -> list[tuple[str, str]]:
    """Tasks of an array with their states, from sacct."""
    lines = _ask("sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", number)
    tasks = []
    for line in lines:
        name, bar, state = line.partition("|")
        if bar:
            # The state of a task that was ended is `CANCELLED by UID`.
            first_word = state.partition("|")[0].split()[0]
            tasks += [(task, first_word) for task in _tasks(name)]
    return tasks


def _controlled(number: str) -> list[tuple[str, str]]:
    """The same from scontrol, which forgets an array some minutes after its end."""
    tasks = []
    for line in _ask("scontrol", "show", "job", "-o", number):
        fields = dict(re.findall(r"(\w+)=(\S+)", line))
        if "ArrayTaskId" in fields:
            name = f"{fields['ArrayJobId']}_[{fields['ArrayTaskId']}]"
            tasks += [(task, fields["JobState"]) for task in _tasks(name)]
    return tasks


def _ask(*command: str) -> list[str]:
    """Lines of an answer; none where there is no such command, or where it fails."""
    if shutil.which(command[0]) is None:
        return []
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    return done.stdout.splitlines() if done.returncode == 0 else []


def _tasks(name: str) -> Iterator[str]:
    """`7_[0-2,5%4]` is 7_0, 7_1, 7_2 and 7_5; `7_3` is itself."""
    number, _, indices = name.partition("_")
    ranges, _, _ = indices.strip("[]").partition("%")
    for part in ranges.split(","):
        first, _, rest = part.partition("-")
        last, _, _ = rest.partition(":")
        if first.isdigit():
            for index in range(int(first), int(last or first) + 1):
                yield f"{number}_{index}"
