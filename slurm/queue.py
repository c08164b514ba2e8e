"""What SLURM is told and asked: sbatch, and the state of tasks from sacct, or from scontrol where
there is no accounting."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator

from lab.errors import UserError

WAITING = ("PENDING", "REQUEUED", "SUSPENDED", "CONFIGURING")
GOING = ("RUNNING", "COMPLETING", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT")


def queue(command: list[str]) -> str:
    """The id that sbatch gave; raises UserError with its own reason."""
    if shutil.which("sbatch") is None:
        raise UserError(
            "there is no sbatch on this machine; run `tellme submit` on a login node of the"
            " cluster, or `tellme run` here"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix(
            "sbatch: error: "
        )
        raise UserError(
            f"sbatch refused {command[3].partition('=')[2]}: {reason}; mend the file of"
            " run.cluster, then `tellme submit` again"
        )
    return done.stdout.strip().partition(";")[0]


def states(ids: Iterable[str]) -> dict[str, str]:
    """State by task, as `ID_INDEX`, of arrays that SLURM still knows; {} where there is no SLURM or
    it does not answer."""
    found: dict[str, str] = {}
    for number in dict.fromkeys(ids):
        for task, state in _accounted(number) or _controlled(number):
            found[task] = state
    return found


def _accounted(number: str) -> list[tuple[str, str]]:
    lines = _ask("sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", number)
    pairs = (line.split("|")[:2] for line in lines if "|" in line)
    return [(task, state.split()[0]) for name, state in pairs for task in _tasks(name)]


def _controlled(number: str) -> list[tuple[str, str]]:
    found = []
    for line in _ask("scontrol", "show", "job", "-o", number):
        fields = dict(re.findall(r"(\w+)=(\S+)", line))
        if "ArrayTaskId" in fields:
            name = f"{fields['ArrayJobId']}_[{fields['ArrayTaskId']}]"
            found += [(task, fields["JobState"]) for task in _tasks(name)]
    return found


def _ask(*command: str) -> list[str]:
    if shutil.which(command[0]) is None:
        return []
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.splitlines() if done.returncode == 0 else []


def _tasks(name: str) -> Iterator[str]:
    """`7_[0-2,5%4]` is 7_0, 7_1, 7_2 and 7_5; `7_3` is itself."""
    number, _, indices = name.partition("_")
    for part in indices.strip("[]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            yield from (
                f"{number}_{i}" for i in range(int(first), int(last.partition(":")[0] or first) + 1)
            )
