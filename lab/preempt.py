"""A process that is about to be stopped (SIGUSR1) saves what it has and leaves; the same command goes on from there."""

from __future__ import annotations

import signal
from typing import Any

CODE = 75
"""What the command returns then; EX_TEMPFAIL of sysexits.h. slurm/stage.sbatch knows it."""


class Preempted(Exception):
    """Stopped between two states that can be gone on from."""


def listen() -> None:
    """Leave at once when told to: a stage that is not training begins again. Training saves first (train/progress.py)."""
    signal.signal(signal.SIGUSR1, _leave)


def _leave(*_: Any) -> None:
    raise Preempted("told to stop (SIGUSR1)")
