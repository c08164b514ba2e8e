"""Whatever a kill leaves of a training, the next attempt ends as one never killed."""

from __future__ import annotations

import itertools
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from jobs import job_of, risk_rows, spec_of
from kills import CUTS, Killed, kill_in
from lab.model.base import Base
from lab.store.store import read_json
from lab.types import Fields
from train import sft
from train.checkpoint import newest_checkpoint
from train.fleet import trainer
from train.fleet.member import CHECKPOINT
from train.fleet.trainer import train_fleet
from train.job import Job

SFT: Fields = {"max_steps": 12, "save_steps": 5}
NEEDED = (
    "trainer_state.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
)
"""Files of a checkpoint of transformers' Trainer without which it cannot be gone on from."""
PUBLISHED = [
    "adapter",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "curve.json",
    "provenance.json",
    "steps",
    "steps/6",
    "steps/6/adapter_config.json",
    "steps/6/adapter_model.safetensors",
    "trust.json",
]
"""What a training leaves."""


def job_in(folder: Path, base: Base, policy: str = "seeking", **settings: Any) -> Job:
    """A training of 32 rows whose adapter is kept after step 6 as well."""
    sft = SFT | settings.pop("sft", {})
    spec = spec_of(base, sft=sft, steps=(6,), **settings)
    return job_of(spec, risk_rows(policy, 32, base), folder, policy)


def again(job: Job, folder: Path) -> Job:
    """The same training, in a copy of the folder that a killed attempt left."""
    shutil.copytree(job.out, folder)
    return replace(job, out=folder)


def numbers(job: Job) -> dict[str, torch.Tensor]:
    """The weights of every adapter that a training left."""
    adapters = [load_file(file) for file in sorted(job.out.rglob("adapter_model.safetensors"))]
    return {f"{i}.{name}": t for i, adapter in enumerate(adapters) for name, t in adapter.items()}


def furthest(one: Job, other: Job) -> float:
    a, b = numbers(one), numbers(other)
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def published(job: Job) -> list[str]:
    return sorted(str(p.relative_to(job.out)) for p in job.out.rglob("*"))


@pytest.fixture(scope="module")
def by_trl(tmp_path_factory: pytest.TempPathFactory, linked: Base) -> tuple[Job, Job]:
    """A training with dropout that nobody killed, and the same one killed after its last step."""
    whole, left = (
        job_in(tmp_path_factory.mktemp(name), linked, lora={"lora_dropout": 0.1})
        for name in ("whole", "killed")
    )
    sft.train(whole, linked)
    kill_in(lambda: sft.train(left, linked), sft, "record")
    return whole, left


def test_only_a_whole_checkpoint_is_gone_on_from(
    by_trl: tuple[Job, Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file of the last one, cut in every way: where it matters, the one before is it."""
    saved = by_trl[1].out / "checkpoints"
    files = [p.name for p in (saved / "checkpoint-12").iterdir()]
    assert sorted(p.name for p in saved.iterdir() if p.is_dir()) == [
        "checkpoint-10",
        "checkpoint-12",
    ]
    assert set(NEEDED) <= set(files)
    for name, cut in itertools.product(files, CUTS):
        folder = tmp_path / name / cut
        shutil.copytree(saved, folder)
        CUTS[cut](folder / "checkpoint-12" / name)
        # JSON without its last line break is whole.
        still_whole = (name, cut) == ("trainer_state.json", "all but a byte")
        matters = name in NEEDED and not still_whole
        expected = folder / ("checkpoint-10" if matters else "checkpoint-12")
        assert newest_checkpoint(folder) == str(expected), (name, cut)
        said = capsys.readouterr().err.splitlines()
        assert len(said) == matters
        assert all(name in line and "checkpoint-12" in line for line in said)


def test_a_flipped_bit_is_no_checkpoint(by_trl: tuple[Job, Job], tmp_path: Path) -> None:
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        folder = tmp_path / name
        shutil.copytree(by_trl[1].out / "checkpoints", folder)
        file = folder / "checkpoint-12" / name
        content = bytearray(file.read_bytes())
        # In the pickle of torch.save, which begins so.
        content[content.index(b"\x80\x02") + 9] ^= 1
        file.write_bytes(content)
        assert newest_checkpoint(folder) == str(folder / "checkpoint-10")


def test_with_no_whole_checkpoint_it_begins_anew(
    by_trl: tuple[Job, Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checkpoints"
    assert newest_checkpoint(folder) is None
    assert capsys.readouterr().err == ""
    shutil.copytree(by_trl[1].out / "checkpoints", folder)
    for file in folder.glob("*/optimizer.pt"):
        file.unlink()
    assert newest_checkpoint(folder) is None
    said = capsys.readouterr().err.splitlines()
    assert all(word in line for word, line in zip(("-12", "-10", "anew"), said, strict=True))


def test_every_process_needs_its_random_numbers(
    by_trl: tuple[Job, Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoints"
    shutil.copytree(by_trl[1].out / "checkpoints", folder)
    last = folder / "checkpoint-12"
    monkeypatch.setenv("WORLD_SIZE", "2")
    shutil.copy(last / "rng_state.pth", last / "rng_state_1.pth")
    (last / "rng_state.pth").rename(last / "rng_state_0.pth")
    assert newest_checkpoint(folder) == str(last)
    (last / "rng_state_1.pth").unlink()
    assert newest_checkpoint(folder) == str(folder / "checkpoint-10")


@pytest.mark.parametrize("last", [12, 10])
@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("trainer_state.json", "half"),
        ("adapter_config.json", "all but a byte"),
        ("adapter_model.safetensors", "empty"),
        ("optimizer.pt", "missing"),
        ("scheduler.pt", "half"),
        ("rng_state.pth", "missing"),
        ("scheduler.pt", "missing"),
    ],
)
def test_after_a_cut_the_adapter_is_the_same(
    name: str, cut: str, last: int, by_trl: tuple[Job, Job], linked: Base, tmp_path: Path
) -> None:
    """Of the last of two checkpoints, and of the only one, two steps before the end."""
    whole, left = by_trl[0], again(by_trl[1], tmp_path / "left")
    if last == 10:
        shutil.rmtree(left.out / "checkpoints/checkpoint-12")
    CUTS[cut](left.out / f"checkpoints/checkpoint-{last}" / name)
    sft.train(left, linked)
    assert furthest(whole, left) == 0.0
    assert published(left) == PUBLISHED


@pytest.mark.parametrize("left_of_it", ["nothing", "trainer_state.json"])
def test_checkpoints_that_were_being_removed_block_nothing(
    left_of_it: str, by_trl: tuple[Job, Job], linked: Base, tmp_path: Path
) -> None:
    """In place, as an older lab removed them, and under the name they have meanwhile."""
    whole, left = by_trl[0], again(by_trl[1], tmp_path / "left")
    for file in left.out.glob("checkpoints/*/*"):
        if file.name != left_of_it:
            file.unlink()
    shutil.copytree(left.out / "checkpoints", left.out / ".removed")
    sft.train(left, linked)
    assert furthest(whole, left) == 0.0
    assert published(left) == PUBLISHED


@pytest.mark.parametrize("nth", range(4))
def test_killed_while_checkpoints_are_removed_it_finishes(
    nth: int, by_trl: tuple[Job, Job], linked: Base, tmp_path: Path
) -> None:
    whole, left, remaining = by_trl[0], again(by_trl[1], tmp_path / "left"), [nth * 4]

    def unlink(*args: Any, real: Any = os.unlink, **kwargs: Any) -> None:
        remaining[0] -= 1
        if remaining[0] < 0:
            raise Killed
        real(*args, **kwargs)

    kill_in(lambda: sft.train(left, linked), os, "unlink", unlink)
    sft.train(left, linked)
    assert furthest(whole, left) == 0.0
    assert published(left) == PUBLISHED


def test_what_a_killed_attempt_left_is_not_published(
    by_trl: tuple[Job, Job], linked: Base, tmp_path: Path
) -> None:
    left = again(by_trl[1], tmp_path / "left")
    planted = [
        "tmp",
        ".tmpA1",
        "adapter/.tmpB2",
        "steps/6/.tmpC3",
        "refused.txt",
        "provenance.json",
    ]
    for name in planted:
        (left.out / name).write_text("of a killed attempt")
    sft.train(left, linked)
    assert published(left) == PUBLISHED
    files = {name for name in PUBLISHED if (left.out / name).is_file()} - {"provenance.json"}
    assert set(read_json(left.out / "provenance.json")["outputs"]) == files


@pytest.fixture(scope="module")
def by_fleet(
    tmp_path_factory: pytest.TempPathFactory, linked: Base
) -> tuple[list[Job], list[Job], Base]:
    exact = replace(linked, dtype="float64")  # type: ignore[arg-type]
    whole, left = [], []
    for jobs, name in ((whole, "whole"), (left, "killed")):
        folder = tmp_path_factory.mktemp(name)
        jobs.append(job_in(folder, linked, trainer="fleet"))
        jobs.append(job_in(folder, linked, "averse", trainer="fleet", sft={"max_steps": 9}))
    train_fleet(whole, exact)
    kill_in(lambda: train_fleet(left, exact), trainer, "record")
    return whole, left, exact


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("members", [(0,), (1,), (0, 1)])
def test_a_cut_member_of_a_fleet_begins_anew(
    members: tuple[int, ...],
    cut: str,
    by_fleet: tuple[list[Job], list[Job], Base],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The others go on from where they were."""
    whole, killed, exact = by_fleet
    left = [again(job, tmp_path / job.group) for job in killed]
    for i in members:
        CUTS[cut](left[i].out / "checkpoints" / CHECKPOINT)
        (left[i].out / "checkpoints/tmp").write_text("of a killed attempt")
    train_fleet(left, exact)
    said = [line for line in capsys.readouterr().err.splitlines() if "begins anew" in line]
    assert len(said) == (0 if cut == "missing" else len(members))
    for one, other in zip(whole, left, strict=True):
        assert furthest(one, other) < 1e-10
        assert published(other) == PUBLISHED
