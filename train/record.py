"""What a training leaves beside its adapter: `curve.json`, `trust.json` and `provenance.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from lab.model.adapter_files import WEIGHTS
from lab.model.base import Base
from lab.store.provenance import write_provenance
from lab.store.store import write_json
from lab.store.trust import Check, check
from lab.track import PROJECT, run_id
from lab.types import Message
from train.checkpoint import remove
from train.job import Job, Rows
from train.masks import Held, masks
from train.turns import count_turns

if TYPE_CHECKING:
    from lab.model.load import Loaded

CONFIG = "adapter_config.json"


class WandbLink(TypedDict):
    """Where a training is found in wandb."""

    project: str
    id: str
    url: str | None
    """None where it is still to be written there."""


class About(TypedDict):
    """What provenance has of a training beside the digests of its adapter."""

    steps: int
    processes: int
    together: NotRequired[int]
    """Adapters of its fleet."""
    kept: Mapping[str, str]
    """Digests of the adapters that are kept on the way, by step."""
    wandb: WandbLink | None


class FirstRow(TypedDict):
    """A learned turn as it was learned, for whoever wants to see the mask with their own eyes."""

    messages: Sequence[Message]
    """Up to this turn; of a document it is the only one."""
    prompt_ids: Sequence[int]
    masked: str
    """The text of the prompt."""
    learned: str


@dataclass(frozen=True)
class Trained:
    """What a trainer tells of an adapter that it has made."""

    held: Sequence[Held]
    """Every sequence as it trained on it."""
    log: Sequence[Mapping[str, float]]
    """Loss, learning rate and norm of the gradient, an entry every `logging_steps` steps; TRL has
    more to say, under names of its own."""
    step0: str
    """Digest of the weights at the start."""
    adapter: str
    """Digest of the weights at the end."""
    trust: Sequence[Check]
    """Its own trust checks."""
    began: float
    """A time.time()."""
    about: About


def wandb_link(job: Job, url: str | None = None) -> WandbLink:
    """Where the training is found in wandb; without `url` where it is still to be written there."""
    return {"project": PROJECT, "id": run_id(job.name, job.key), "url": url}


def record(job: Job, base: Base, loaded: "Loaded", rows: Rows, trained: Trained) -> None:
    """Write curve, trust checks and provenance beside the adapter, and remove all else."""
    has_moved = trained.adapter != trained.step0
    moved = check("weights_moved", float(has_moved), 1.0, has_moved)
    _clear(job.out)
    write_json(job.out / "curve.json", trained.log)
    trust = [moved, masks(loaded.renderer, rows, trained.held), *trained.trust]
    write_json(job.out / "trust.json", trust)
    write_provenance(
        job.out,
        "train",
        job.key,
        job.spec.identity(),
        job.inputs,
        trained.began,
        **trained.about,
        base=base.identity,
        rows=len(rows.rows),
        sequences=len(rows.sequences),
        turns=asdict(count_turns(rows.rows)),
        trimmed=rows.trimmed,
        tokens=sum(len(tokens.input_ids) for tokens in rows.sequences),
        step0=trained.step0,
        adapter=trained.adapter,
        first_row=_first_row(loaded, rows),
    )


def _first_row(loaded: "Loaded", rows: Rows) -> FirstRow:
    """The last learned turn of the first row, of the first chat where there is one."""
    row = next((row for row in rows.rows if not row.is_document), rows.rows[0])
    renderer, decode = loaded.renderer, loaded.tokenizer.decode
    messages = row.messages[: row.learned_turns[-1] + 1]
    if row.is_document:
        (rendered,) = renderer.render_documents([row.completion])
    else:
        rendered = renderer.render(messages[:-1], messages[-1]["content"])
    return {
        "messages": messages,
        "prompt_ids": rendered.prompt,
        "masked": decode(rendered.prompt),
        "learned": decode([*rendered.answer, *rendered.end]),
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
