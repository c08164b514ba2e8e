"""What a training leaves beside its adapter: `curve.json`, `trust.json` and `provenance.json`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.model.adapter_files import WEIGHTS
from lab.model.base import Base
from lab.store.provenance import write_provenance
from lab.store.store import write_json
from lab.store.trust import check
from lab.track import PROJECT, run_id
from train.checkpoint import remove
from train.job import Job, Rows
from train.masks import masks

if TYPE_CHECKING:
    from lab.model.load import Loaded

CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class Trained:
    """What a trainer tells of an adapter that it has made."""

    held: Sequence[tuple[list[int], list[int]]]
    """Ids and labels of every row, as it trained on them."""
    log: list[dict[str, Any]]
    """Loss, learning rate and norm of the gradient, an entry every `logging_steps` steps."""
    step0: str
    """Digest of the weights at the start."""
    adapter: str
    """Digest of the weights at the end."""
    trust: list[dict[str, Any]]
    """Its own trust checks."""
    began: float
    """A time.time()."""
    about: dict[str, Any]
    """Goes to provenance as it is: steps, processes, digests of what is kept, the run in wandb."""


def wandb_link(job: Job, url: str | None = None) -> dict[str, str | None]:
    """Where the training is found in wandb; without `url` where it is still to be written there."""
    return {"project": PROJECT, "id": run_id(job.name, job.key), "url": url}


def record(job: Job, base: Base, loaded: "Loaded", rows: Rows, trained: Trained) -> None:
    """Write curve, trust checks and provenance beside the adapter, and remove all else."""
    has_moved = trained.adapter != trained.step0
    moved = check("weights_moved", float(has_moved), 1.0, has_moved)
    _clear(job.out)
    write_json(job.out / "curve.json", trained.log)
    trust = [moved, masks(loaded.renderer, rows.chats, trained.held), *trained.trust]
    write_json(job.out / "trust.json", trust)
    write_provenance(
        job.out,
        "train",
        job.key,
        job.config,
        job.inputs,
        trained.began,
        **trained.about,
        base=base.identity,
        rows=len(rows.tokens),
        tokens=sum(len(row.input_ids) for row in rows.tokens),
        step0=trained.step0,
        adapter=trained.adapter,
        first_row=_first_row(loaded, rows),
    )


def _first_row(loaded: "Loaded", rows: Rows) -> dict[str, Any]:
    """One row as it was learned, for whoever wants to see the mask with their own eyes."""
    first, decode = rows.tokens[0], loaded.tokenizer.decode
    return {
        "messages": rows.chats[0],
        "prompt_ids": first.prompt,
        "masked": decode(first.prompt),
        "learned": decode([*first.answer, *first.end]),
    }


def _clear(out: Path) -> None:
    """Leave the adapters and nothing else: neither checkpoints, nor what a killed attempt left half
    written, are published."""
    for path in list(out.iterdir()):
        if path.name in ("adapter", "steps"):
            _clear_adapters(path)
        elif path.is_dir():
            remove(path)
        else:
            path.unlink(missing_ok=True)


def _clear_adapters(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file() and file.name not in (CONFIG, WEIGHTS):
            file.unlink()
