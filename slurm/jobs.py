"""From what is missing to arrays: one task per adapter in each of data, train and answers, every
task after its own of before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from slurm.cluster import Cluster

SCRIPT = Path(__file__).with_name("stage.sbatch")
"""What every task runs."""
ORDER = ("data", "train", "answers")
"""Kinds of arrays, each after those before it."""
NONE: Mapping[str, Iterable[str]] = {}
LARGEST_ARRAY = 1000
"""Tasks of one array; SLURM's own default limit (MaxArraySize) is 1,001."""

Unit = Mapping[str, list[str]]
"""The missing keys of one adapter by kind."""


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


@dataclass(frozen=True)
class Link:
    """A part of the chain of arrays that a unit goes through."""

    kind: str
    waits: tuple[str, ...]


def arrays(units: Iterable[Unit], live: Mapping[str, Iterable[str]] = NONE) -> list[Job]:
    """Arrays for units of work, each the missing keys of one adapter by kind. `live` has, by key,
    the tasks in the queue that make what it reads.

    Units that miss the same kinds and wait for the same tasks go together, so that task i of one
    array is the adapter of task i of the one before: a failed member takes only its own along."""
    alike: dict[tuple[Link, ...], list[Unit]] = {}
    for unit in units:
        alike.setdefault(_chain(unit, live), []).append(unit)
    jobs: list[Job] = []
    for chain, members in alike.items():
        for start in range(0, len(members), LARGEST_ARRAY):
            _add_chain(jobs, chain, members[start : start + LARGEST_ARRAY])
    return jobs


def _chain(unit: Unit, live: Mapping[str, Iterable[str]]) -> tuple[Link, ...]:
    """The kinds that a unit misses, with the live tasks that each must wait for."""
    links = []
    for kind in ORDER:
        if unit.get(kind):
            tasks = {task for key in unit[kind] for task in live.get(key, ())}
            links.append(Link(kind, tuple(sorted(tasks))))
    return tuple(links)


def _add_chain(jobs: list[Job], chain: tuple[Link, ...], members: list[Unit]) -> None:
    """One array per link for so many units, each after the one before; their names are numbered
    within their kind."""
    before = None
    for link in chain:
        number = sum(job.kind == link.kind for job in jobs)
        name = f"{link.kind}{number}"
        tasks = tuple(tuple(unit[link.kind]) for unit in members)
        jobs.append(Job(name, link.kind, tasks, before, link.waits))
        before = name


def last_of_each(jobs: list[Job]) -> list[Job]:
    """Arrays that no other array waits for: the report waits for these."""
    awaited = {job.after for job in jobs}
    return [job for job in jobs if job.name not in awaited]


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
        # A task that comes back to the queue goes on in its log.
        "open-mode": "append",
        "partition": cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "time": needs.time,
        "cpus-per-task": needs.cpus,
        "mem": needs.memory,
        "gpus-per-node": gpus or None,
        # To the shell of the script alone (B:), which hands it on to the work.
        "signal": f"B:USR1@{cluster.notice}",
        "dependency": after or None,
        # Else what waits for a failed task would stay in the queue for good.
        "kill-on-invalid-dep": "yes" if after else None,
    }
    return [
        "sbatch",
        "--parsable",
        "--requeue",
        *(f"--{name}={value}" for name, value in options.items() if value is not None),
        *needs.options,
        str(SCRIPT),
        str(folder),
        job.name,
    ]


def script(commands: Iterable[tuple[str, list[str]]]) -> str:
    """Commands as a shell script that does the same, the id of each array in a variable of its
    name."""
    return "".join(f"{name}=$({' '.join(map(_word, command))})\n" for name, command in commands)


def _word(word: str) -> str:
    """A word of a command, quoted for a shell, which must yet see the variables with ids."""
    return word if word.startswith("--dependency=") else quote(word)
