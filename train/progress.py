"""What is seen of a training run while it goes: a bar on the terminal, a run in wandb, checkpoints to go on from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback


class Progress(TrainerCallback):  # type: ignore[misc]
    """One bar per adapter with the last logged loss."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.label, leave=False, mininterval=0.5)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()


class Keep(TrainerCallback):  # type: ignore[misc]
    """Saves the adapter as it is after given optimizer steps."""

    def __init__(self, save: dict[int, Callable[[], None]]) -> None:
        self.save = save

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in self.save:
            self.save[state.global_step]()


def newest_checkpoint(folder: Path) -> str | None:
    """The last checkpoint that was written whole: trainer_state.json is the last file of one."""
    whole = [p.parent for p in folder.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda p: int(p.name.rpartition("-")[2]))) if whole else None


@contextmanager
def tracking(report_to: list[str], folder: Path, study: str, group: str, key: str, config: dict[str, Any]) -> Iterator[None]:
    """One wandb run per adapter in `folder`/wandb, grouped by study, its id the key; offline where no key is set.

    A mirror: the trainer logs into it, nothing is read from it.
    """
    if "wandb" not in report_to:
        yield
        return
    import wandb

    keyed = os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE") or _logged_in()
    os.environ.setdefault("WANDB_SILENT", "true")
    run = wandb.init(
        project="tellme",
        id=key,
        name=group,
        group=study,
        config=config,
        resume="allow",
        dir=folder,
        mode=None if keyed else "offline",
        settings=wandb.Settings(silent=True, console="off"),
    )
    try:
        yield
    finally:
        run.finish()


def _logged_in() -> bool:
    netrc = Path.home() / ".netrc"
    return netrc.is_file() and "wandb" in netrc.read_text(errors="ignore")
