"""Callbacks of TRL's trainer: a bar on the terminal, a run in wandb, adapters on the way, and
leaving on a signal."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import torch
from transformers import ProgressCallback, TrainerCallback

from lab.errors import first_line
from lab.preempt import Handler, listen, restore
from lab.track import curve_keys

Log: TypeAlias = dict[str, float]
"""An entry of a training's log, by name."""


class Progress(ProgressCallback):  # type: ignore[misc]
    """One bar per adapter with the last logged loss."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say whose bar it is."""
        super().on_train_begin(args, state, control, **kwargs)
        self.training_bar.set_description(self.label)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Log | None = None, **kwargs: Any
    ) -> None:
        """Show the loss; ProgressCallback would print the whole entry."""
        # The last entry, of the whole training, has no loss; other processes have no bar.
        if logs and "loss" in logs and self.training_bar:
            self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}")


class Leave(TrainerCallback):  # type: ignore[misc]
    """On a signal ends the step that is being made, saves a checkpoint, and stops: `asked` says
    that the training is not over.

    transformers' own enable_jit_checkpoint saves in mid-step, and dropout does not repeat after it.
    With several processes every one must stop after the same step, so they ask one another, and the
    launcher, which SLURM's signal reaches, leaves a file."""

    def __init__(self, file: Path) -> None:
        self.asked, self.file = False, file
        self.handlers_before: list[Handler] = []

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Hear signals, from here on."""
        self.handlers_before = listen(self._ask)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save and stop, if that was asked for and steps are left."""
        asked = self.asked or self.file.exists()
        self.asked = _is_any_asked(asked, args.device) if args.world_size > 1 else asked
        if self.asked and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave signals to whoever heard them before."""
        restore(self.handlers_before)
        self.asked &= state.global_step < state.max_steps


def _is_any_asked(asked: bool, device: torch.device) -> bool:
    """Whether one of the processes is. All of them must call it, after the same step."""
    number_asked = torch.tensor(float(asked), device=device)
    torch.distributed.all_reduce(number_asked)
    return bool(number_asked)


class Keep(TrainerCallback):  # type: ignore[misc]
    """Saves the adapter as it is after given optimizer steps: `save` has a function for each."""

    def __init__(self, save: Mapping[int, Callable[[], None]]) -> None:
        self.save = save

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save, if this is one of the steps."""
        if state.global_step in self.save:
            self.save[state.global_step]()


class Live(TrainerCallback):  # type: ignore[misc]
    """The curve in wandb while it grows; wandb sends it from a process of its own."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Log | None = None, **kwargs: Any
    ) -> None:
        """Send an entry of the log."""
        if logs and "loss" in logs and self.run:
            try:
                self.run.log(curve_keys(logs), step=state.global_step)
            # Whatever it is: a mirror may not end a training.
            except Exception as error:
                self.run = None
                print(
                    f"wandb broke off ({first_line(error)}): training goes on, `tellme sync` sends"
                    " it later",
                    file=sys.stderr,
                )
