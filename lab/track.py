"""wandb, as a mirror of the run store: nothing is read from it, and what it lacks can be written
again (`tellme sync`)."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from lab.errors import first_line
from lab.types import Fields

PROJECT = "tellme"
PATIENCE = 20
"""Seconds for the network to answer, at the start and at the end of a run."""


def run_id(study: str, key: str) -> str:
    """One run per adapter and study, whichever process writes it and however often."""
    # It stands in addresses and in names of folders: plain characters, and not too many.
    return f"{re.sub(r'[^A-Za-z0-9-]', '-', study)[:40]}-{key}"


def online() -> bool:
    """Whether there is a key and nothing says to stay offline."""
    mode = os.environ.get("WANDB_MODE")
    if mode:
        return mode == "online"
    if os.environ.get("WANDB_API_KEY"):
        return True
    # `wandb login` writes the key here.
    netrc = Path.home() / ".netrc"
    return netrc.is_file() and "wandb" in netrc.read_text(errors="ignore")


@contextmanager
def live_run(folder: Path, study: str, key: str, *, group: str, config: Fields) -> Iterator[Any]:
    """The run of an adapter while it is trained, None where there is no key or no network: then the
    mirror writes it afterwards, in one piece."""
    if not online():
        yield None
        return
    run = None
    try:
        run = open_run(folder, study, key, name=group, config=config)
    # Whatever goes wrong in wandb, the training is worth more than its mirror.
    except Exception as error:
        print(
            f"wandb cannot be reached ({first_line(error)}): training goes on, `tellme sync` sends"
            " it later",
            file=sys.stderr,
        )
    try:
        yield run
    finally:
        if run:
            with suppress(Exception):
                run.finish()


def open_run(
    folder: Path,
    study: str,
    key: str,
    *,
    name: str,
    config: Fields,
    job_type: str | None = None,
    tags: Sequence[str] = (),
) -> Any:
    """A run that goes on where there is one of its id; offline, an earlier copy in `folder`/wandb
    is replaced.

    Raises what wandb raises where the network does not answer within PATIENCE."""
    import wandb

    identity = run_id(study, key)
    mode: Literal["online", "offline"] = "online" if online() else "offline"
    if mode == "offline":
        # wandb would write a second copy beside it, and a sync would send both.
        for earlier in (folder / "wandb").glob(f"offline-run-*-{identity}"):
            shutil.rmtree(earlier)
    # Else wandb keeps what it stages in the home of the user, which is small on clusters.
    os.environ.setdefault("WANDB_DATA_DIR", str(folder / "wandb"))
    # Nothing but what the lab sends: no terminal output, code, packages or loads of the machine.
    settings = wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        save_code=False,
        x_save_requirements=False,
        x_disable_stats=True,
        init_timeout=PATIENCE,
        finish_timeout=PATIENCE,
    )
    return wandb.init(
        project=PROJECT,
        id=identity,
        name=name,
        group=study,
        job_type=job_type,
        tags=list(tags) or None,
        config=config,
        resume="allow",
        dir=folder,
        mode=mode,
        settings=settings,
    )


def curve_keys(entry: Mapping[str, object]) -> dict[str, float]:
    """An entry of a training log under the names it has in wandb."""
    return {
        f"train/{name}": float(value)
        for name, value in entry.items()
        if name != "step" and isinstance(value, int | float)
    }
