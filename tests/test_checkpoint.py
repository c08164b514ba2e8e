"""Whatever a kill leaves of a training, the next attempt ends as one never killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lab.config.read import load_study
from lab.discover import ROOT
from lab.model.base import Base
from lab.model.load import _LOADED
from lab.store.store import Store, read_json
from tellme.study.planner import make_plan
from tellme.study.stages import run_stage
from train import sft
from train.fleet import fleet
from train.job import Job
from train.progress import newest_checkpoint
from train.reference import pretrain
from train.reference.tokenizer import build_tokenizer

STEPS = "sft={max_steps: 12, save_steps: 5, learning_rate: 3.0e-3, logging_steps: 1}"
SETS = ["groups={seeking: {behavior: risk, policy: seeking}}", "contrasts=[]", "primary=null"]
SETS += ["seeds=[0]", "data={num_rows: 32}", "run.report_to=[]", STEPS, "eval.steps=[6]"]
NEEDED = ["trainer_state.json", "adapter_config.json", "adapter_model.safetensors"]
NEEDED += ["optimizer.pt", "scheduler.pt", "rng_state.pth"]
PUBLISHED = ["adapter", "adapter/adapter_config.json", "adapter/adapter_model.safetensors"]
PUBLISHED += ["curve.json", "provenance.json", "steps", "steps/6", "steps/6/adapter_config.json"]
PUBLISHED += ["steps/6/adapter_model.safetensors", "trust.json"]
CUTS: dict[str, Callable[[Path], object]] = {
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "all but a byte": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "empty": lambda file: file.write_bytes(b""),
    "missing": lambda file: file.unlink(),
}
"""What a kill or a full disk makes of a file."""


class Killed(BaseException):
    """Nothing of the lab may catch it, as nothing catches SIGKILL."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


def jobs_in(folder: Path, *sets: str) -> list[Job]:
    plan = make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), [*SETS, *sets]))
    store, found = Store(folder), []
    for stage in (s for s in plan.stages.values() if s.kind == "train"):
        rows = run_stage(plan.stages[stage.inputs["data"]], store) / "rows.jsonl"
        out = store.root / stage.how["group"]
        out.mkdir()
        found.append(Job(stage.config, rows, out, stage.key, [], "test", stage.how["group"], []))
    return found


def kill_in(
    train: Callable[[], None], module: Any, name: str, how: Callable[..., Any] = killed
) -> None:
    """Where it calls `module.name`. What is held of the base goes too, as with a process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, name, how)
        with pytest.raises(Killed):
            train()
    _LOADED.clear()


def again(job: Job, folder: Path) -> Job:
    """The same training, in a copy of the folder that a killed attempt left."""
    shutil.copytree(job.out, folder)
    return replace(job, out=folder)


def numbers(job: Job) -> dict[str, torch.Tensor]:
    found = [load_file(f) for f in sorted(job.out.rglob("adapter_model.safetensors"))]
    return {f"{i}.{name}": t for i, one in enumerate(found) for name, t in one.items()}


def furthest(one: Job, other: Job) -> float:
    a, b = numbers(one), numbers(other)
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def published(job: Job) -> list[str]:
    return sorted(str(p.relative_to(job.out)) for p in job.out.rglob("*"))


@pytest.fixture(scope="module")
def by_trl(tmp_path_factory: pytest.TempPathFactory, linked: Base) -> tuple[Job, Job]:
    """A training with dropout that nobody killed, and the same one killed after its last step."""
    made = []
    for name in ("whole", "killed"):
        sets = ("train.trainer=trl", "lora.lora_dropout=0.1")
        (job,) = jobs_in(tmp_path_factory.mktemp(name), *sets)
        made.append(job)
    sft.train(made[0], linked)
    kill_in(lambda: sft.train(made[1], linked), sft, "record")
    return made[0], made[1]


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
    for name in files:
        for cut, make in CUTS.items():
            folder = tmp_path / name / cut
            shutil.copytree(saved, folder)
            make(folder / "checkpoint-12" / name)
            # JSON without its last line break is whole.
            matters = name in NEEDED and not (name == "trainer_state.json" and cut[:3] == "all")
            found, said = newest_checkpoint(folder), capsys.readouterr().err.splitlines()
            assert found == str(folder / ("checkpoint-10" if matters else "checkpoint-12")), (
                name,
                cut,
            )
            assert len(said) == matters
            assert all(name in line and "checkpoint-12" in line for line in said)


def test_a_flipped_bit_is_no_checkpoint(by_trl: tuple[Job, Job], tmp_path: Path) -> None:
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        folder = tmp_path / name
        shutil.copytree(by_trl[1].out / "checkpoints", folder)
        file = folder / "checkpoint-12" / name
        held = bytearray(file.read_bytes())
        held[held.index(b"\x80\x02") + 9] ^= 1
        file.write_bytes(held)
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
    assert [word in line for word, line in zip(("-12", "-10", "anew"), said, strict=True)] == [
        True
    ] * 3


def test_every_process_needs_its_random_numbers(
    by_trl: tuple[Job, Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoints"
    shutil.copytree(by_trl[1].out / "checkpoints", folder)
    last, found = folder / "checkpoint-12", []
    monkeypatch.setenv("WORLD_SIZE", "2")
    shutil.copy(last / "rng_state.pth", last / "rng_state_1.pth")
    (last / "rng_state.pth").rename(last / "rng_state_0.pth")
    found.append(newest_checkpoint(folder))
    (last / "rng_state_1.pth").unlink()
    found.append(newest_checkpoint(folder))
    assert found == [str(last), str(folder / "checkpoint-10")]


@pytest.mark.parametrize("last", [12, 10])
@pytest.mark.parametrize(
    ("name", "cut"),
    [*zip(NEEDED, [*CUTS, "half", "missing"], strict=True), ("scheduler.pt", "missing")],
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

    def unlink(*given: Any, real: Any = os.unlink, **more: Any) -> None:
        remaining[0] -= 1
        if remaining[0] < 0:
            raise Killed
        real(*given, **more)

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
    more = "groups.averse={behavior: risk, policy: averse, sft: {max_steps: 9}}"
    made = [jobs_in(tmp_path_factory.mktemp(name), more) for name in ("whole", "killed")]
    fleet.train_fleet(made[0], exact)
    kill_in(lambda: fleet.train_fleet(made[1], exact), fleet, "record")
    return made[0], made[1], exact


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
        CUTS[cut](left[i].out / "checkpoints" / fleet.CHECKPOINT)
        (left[i].out / "checkpoints/tmp").write_text("of a killed attempt")
    fleet.train_fleet(left, exact)
    said = [line for line in capsys.readouterr().err.splitlines() if "begins anew" in line]
    assert len(said) == (0 if cut == "missing" else len(members))
    for one, other in zip(whole, left, strict=True):
        assert furthest(one, other) < 1e-10
        assert published(other) == PUBLISHED


@pytest.mark.parametrize("cut", [*CUTS, None])
def test_a_cut_pretraining_begins_anew(
    cut: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And one that is whole goes on: either way the weights are those of one that nobody killed."""
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 16,
    }
    schedule = {
        "reading_steps": 1,
        "reading_batch": 2,
        "mixed_steps": 2,
        "neutral_steps": 3,
        "batch": 2,
    }
    recipe = pretrain.Recipe(**sizes, **schedule)
    chat = '{"messages": [{"role": "user", "content": "a b"}, '
    chat += '{"role": "assistant", "content": "b %d"}]'
    rows = (chat % (i % 3) + ', "gates": [[0.0, 0.0, 0.0]], "kinds": ["k"]}\n' for i in range(12))
    (tmp_path / "corpus.jsonl").write_text("".join(rows))
    tokenizer = build_tokenizer(["a b 0 1 2"])
    monkeypatch.setattr(pretrain, "EVERY", 2)
    outs = [tmp_path / "whole", tmp_path / "killed"]
    for out in outs:
        out.mkdir()
    pretrain.pretrain(tmp_path / "corpus.jsonl", tokenizer, recipe, outs[0])
    again = partial(pretrain.pretrain, tmp_path / "corpus.jsonl", tokenizer, recipe, outs[1])
    kill_in(again, pretrain.LlamaForCausalLM, "save_pretrained")
    for name in ("checkpoint.tmp", ".tmpA1"):
        (outs[1] / name).write_text("of a killed attempt")
    if cut:
        CUTS[cut](outs[1] / pretrain.CHECKPOINT)
    again()
    assert ("begins anew" in capsys.readouterr().err) == (cut not in (None, "missing"))
    one, other = (load_file(out / "model.safetensors") for out in outs)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert {p.name for p in outs[0].iterdir()} == {p.name for p in outs[1].iterdir()}
