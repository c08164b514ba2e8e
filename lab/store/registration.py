"""What a study declared, and when. A primary contrast is registered if it was declared before what
it is about was measured, by whichever study."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict

from lab.store.store import KEY_DIGITS, digest, read_json
from lab.types import Fields

FOLDER = "registrations"
"""In the run store: a file for every declaration."""

About = Mapping[str, str]
"""The answers that a primary is about: key by the name of their cell (lab/specs.py). Those of the
base have no part in it: they say nothing of what training does."""


class Registration(TypedDict):
    """A declaration of a study."""

    study: str
    hash: str
    time: float
    """Seconds since 1970, when it was first made."""
    primary: list[object]
    """Its suite, and the sides of its contrasts."""
    about: dict[str, str]
    declared: Fields
    """The study as written, in full."""


class Standing(TypedDict):
    """What may be said of a primary."""

    status: Literal["registered", "exploratory"]
    reason: str | None
    """Why it is exploratory."""
    time: str | None
    """Of the declaration, in UTC."""
    hash: str | None
    changed: list[str]
    """Keys of the study that are not as in the likest of its earlier declarations."""


def register(
    root: Path, study: str, primary: Sequence[object], about: About, declared: Fields
) -> Registration:
    """Write what a study declares into the run store, unless it stands there: the first time
    counts."""
    content = [list(primary), dict(about), declared]
    made = digest(content)[:KEY_DIGITS]
    file = root / FOLDER / f"{study}-{made}.json"
    if not file.is_file():
        record: Registration = {
            "study": study,
            "hash": made,
            "time": time.time(),
            "primary": list(primary),
            "about": dict(about),
            "declared": declared,
        }
        _write_once(file, json.dumps(record, indent=1))
    found: Registration = read_json(file)
    return found


def _write_once(file: Path, text: str) -> None:
    """Whole or not at all; of two processes the first one's stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}-{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    try:
        os.link(aside, file)
    except FileExistsError:
        return
    finally:
        aside.unlink()


def standing(
    root: Path, study: str, primary: Sequence[object], measured: Mapping[str, tuple[str, float]]
) -> Standing:
    """What may be said of a primary. `measured` has, by the names of `About`, the key of every
    answer that it is about and when that was finished (seconds since 1970)."""
    about = {name: key for name, (key, _) in measured.items()}
    of_it = [r for r in _all(root) if digest(r["primary"]) == digest(list(primary))]
    same = [r for r in of_it if r["about"] == about]
    for record in same:
        if _is_older(record, measured):
            return _standing("registered", None, record, [])
    for record in of_it:
        # What was declared is there, and more fine-tunes of the same.
        if record["about"].items() < about.items() and _is_older(record, measured):
            return _standing("exploratory", "seeds added", same[0] if same else None, ["seeds"])
    own = same[0] if same else None
    changed = _changed(own, [r for r in _all(root) if r["study"] == study])
    return _standing("exploratory", "chosen after measuring", own, changed)


def _all(root: Path) -> list[Registration]:
    """Every declaration in a run store, the oldest first."""
    files = (root / FOLDER).glob("*.json")
    records: list[Registration] = [read_json(file) for file in files]
    return sorted(records, key=lambda record: (record["time"], record["hash"]))


def _is_older(record: Registration, measured: Mapping[str, tuple[str, float]]) -> bool:
    """Than every answer that it is about. Provenance says the second in which one was finished."""
    return all(int(record["time"]) <= measured[name][1] for name in record["about"])


def _changed(own: Registration | None, of_study: list[Registration]) -> list[str]:
    """What a study says otherwise than the likest of its earlier declarations."""
    if own is None:
        return []
    earlier = [record for record in of_study if record["time"] < own["time"]]
    return min((_differences(record, own) for record in earlier), key=len, default=[])


def _differences(one: Registration, other: Registration) -> list[str]:
    before, now = one["declared"], other["declared"]
    return sorted(key for key in {*before, *now} if before.get(key) != now.get(key))


def _standing(
    status: Literal["registered", "exploratory"],
    reason: str | None,
    record: Registration | None,
    changed: list[str],
) -> Standing:
    return {
        "status": status,
        "reason": reason,
        "time": utc(record["time"]) if record else None,
        "hash": record["hash"] if record else None,
        "changed": changed,
    }


def utc(seconds: float) -> str:
    """A time of day that means the same everywhere."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
