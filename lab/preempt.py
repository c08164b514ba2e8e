"""A process that is about to be stopped saves what it has and leaves; the same command goes on from
there."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from threading import Thread
from types import FrameType
from typing import TypeAlias

CODE = 75
"""What the command returns then; EX_TEMPFAIL of sysexits.h. slurm/stage.sbatch knows it."""
SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
"""USR1 comes before the time of a job is up, TERM at a preemption: SLURM sends it to every process
of the job."""
Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None
"""What is called on a signal, or what stands for nothing and for the system's own."""
POLL = 0.5
"""Seconds between looks for the parent: no signal tells of its end on every system."""


class Preempted(Exception):
    """Stopped between two states that can be gone on from."""


def listen(handler: Handler = None) -> list[Handler]:
    """Call `handler` on SIGNALS, or leave at once: a stage that is not training begins again.
    Returns the handlers before, for `restore`."""
    return [signal.signal(number, handler or _leave) for number in SIGNALS]


def restore(handlers: Sequence[Handler]) -> None:
    """Put back what `listen` returned."""
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


def _leave(_number: int, _frame: FrameType | None) -> None:
    # A second signal must not interrupt the leaving.
    restore([signal.SIG_IGN, signal.SIG_IGN])
    raise Preempted("told to stop by a signal")


def end_with(parent: int) -> None:
    """End this process within a second of the one that started it, however that one ends. `parent`
    is the id that it gave: one that is gone already is seen too."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        # sys.exit would end this thread alone.
        os._exit(CODE)

    Thread(target=watch, daemon=True).start()
