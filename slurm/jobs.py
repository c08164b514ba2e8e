"""From what is missing to arrays: one task per adapter in each of data, train and eval, every task
after its own of before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from slurm.cluster import Cluster

SCRIPT = Path(__file__).with_name("stage.sbatch")
ORDER = ("data", "train", "eval")
NONE: Mapping[str, Iterable[str]] = {}
LARGEST_ARRAY = 1000
"""Tasks of one array; SLURM's own default limit (MaxArraySize) is 1,001."""


@dataclass(frozen=True)
class Job:
    """An array: the keys of the stages that each task runs, in order."""

    name: str
    kind: str
    tasks: tuple[tuple[str, ...], ...]
    after: str | None = None
    """The array whose task of the same number must have succeeded."""
    waits: tuple[str, ...] = ()
    """Tasks of earlier attempts that must have succeeded, as `ID_INDEX`."""


def arrays(
    units: list[dict[str, list[str]]], live: Mapping[str, Iterable[str]] = NONE
) -> list[Job]:
    """Arrays for units of work, each the missing keys of one adapter by kind. `live` has, by key,
    the tasks in the queue that make what it reads.

    Units that miss the same kinds and wait for the same tasks go together, so that task i of one
    array is the adapter of task i of the one before: a failed member takes only its own along."""
    alike: dict[tuple[tuple[str, tuple[str, ...]], ...], list[dict[str, list[str]]]] = {}
    for unit in units:
        kinds = [kind for kind in ORDER if unit.get(kind)]
        needs = [{task for key in unit[kind] for task in live.get(key, ())} for kind in kinds]
        waits = map(tuple, map(sorted, needs))
        alike.setdefault(tuple(zip(kinds, waits, strict=True)), []).append(unit)
    jobs: list[Job] = []
    for chain, members in alike.items():
        for start in range(0, len(members), LARGEST_ARRAY):
            part, before = members[start : start + LARGEST_ARRAY], None
            for kind, tasks in chain:
                name = f"{kind}{sum(job.kind == kind for job in jobs)}"
                keys = tuple(tuple(unit[kind]) for unit in part)
                jobs.append(Job(name, kind, keys, before, tasks))
                before = name
    return jobs


def last_of_each(jobs: list[Job]) -> list[Job]:
    """Arrays that no other array waits for: the report waits for these."""
    return [job for job in jobs if job.name not in {other.after for other in jobs}]


def sbatch(
    job: Job, cluster: Cluster, study: str, folder: Path, *, heavy: bool, gpus: int, after: str = ""
) -> list[str]:
    """The command that queues an array. `after` is a value of --dependency, `gpus` those of one
    task."""
    needs = cluster.heavy if heavy else cluster.light
    options = {
        "job-name": f"{study}-{job.name}",
        "array": f"0-{len(job.tasks) - 1}%{cluster.at_once}",
        # sbatch reads % and a letter as a placeholder, wherever in the path.
        "output": str(folder).replace("%", "%%") + f"/{job.name}-%a.log",
        "open-mode": "append",
        "partition": cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "time": needs.time,
        "cpus-per-task": needs.cpus,
        "mem": needs.memory,
        "gpus-per-node": gpus or None,
        "signal": f"B:USR1@{cluster.notice}",
        "dependency": after or None,
        "kill-on-invalid-dep": "yes" if after else None,
    }
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return [
        "sbatch",
        "--parsable",
        "--requeue",
        *given,
        *needs.options,
        str(SCRIPT),
        str(folder),
        job.name,
    ]


def script(commands: Iterable[tuple[str, list[str]]]) -> str:
    """Commands as a shell script that does the same, the id of each array in a variable of its
    name."""
    lines = (
        (
            name,
            " ".join(word if word.startswith("--dependency=") else quote(word) for word in command),
        )
        for name, command in commands
    )
    return "".join(f"{name}=$({command})\n" for name, command in lines)
