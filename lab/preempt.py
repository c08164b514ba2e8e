"""A process that is about to be stopped saves what it has and leaves; the same command goes on from there."""

import signal
from collections.abc import Callable
from typing import Any

CODE = 75
"""What the command returns then; EX_TEMPFAIL of sysexits.h. slurm/stage.sbatch knows it."""
SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
"""USR1 comes before the time of a job is up, TERM at a preemption: SLURM sends it to every process of the job."""


class Preempted(Exception):
    """Stopped between two states that can be gone on from."""


def listen(handler: Callable[..., Any] | None = None) -> list[Any]:
    """Call `handler` on SIGNALS, or leave at once: a stage that is not training begins again. Returns the handlers before."""
    return [signal.signal(number, handler or _leave) for number in SIGNALS]


def restore(handlers: list[Any]) -> None:
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


def _leave(*_: Any) -> None:
    restore([signal.SIG_IGN, signal.SIG_IGN])
    raise Preempted("told to stop by a signal")
