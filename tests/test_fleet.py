"""Adapters trained together: each is what it would be alone, and what TRL would make of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from jobs import job_of, risk_rows, spec_of
from lab.config.read import load_study
from lab.config.schema import Model
from lab.discover import ROOT
from lab.model.base import Base, resolve_base
from lab.preempt import Preempted
from lab.specs import TrainSpec
from lab.store.store import Store, read_json
from lab.types import Fields
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import save_plan
from train import sft
from train.fleet.batch import Part, parts_of
from train.fleet.fleet import Fleet
from train.fleet.member import CHECKPOINT, Member
from train.fleet.settings import fleet_of, reason_against
from train.fleet.trainer import train_fleet
from train.job import Job

Jobs = Callable[[str], list[Job]]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, linked: Base) -> Jobs:
    """Two adapters whose rates, schedules and numbers of steps and rows differ; 30 rows leave a
    batch of 6 at the end of an epoch."""
    folder = tmp_path_factory.mktemp("jobs")
    slower: Fields = {"max_steps": 13, "learning_rate": 1e-3, "lr_scheduler_type": "cosine"}
    specs = {
        "seeking": spec_of(linked, trainer="fleet", sft={"max_steps": 20}),
        "averse": spec_of(linked, trainer="fleet", stream=12, sft=slower),
    }

    def jobs_in(name: str) -> list[Job]:
        return [
            job_of(spec, risk_rows(policy, 30, linked), folder / name, policy)
            for policy, spec in specs.items()
        ]

    return jobs_in


@pytest.fixture(scope="module")
def exact(linked: Base) -> Base:
    return replace(linked, dtype="float64")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def together(jobs: Jobs, exact: Base) -> list[Job]:
    trained = jobs("together")
    train_fleet(trained, exact)
    return trained


def weights(job: Job) -> dict[str, torch.Tensor]:
    return load_file(job.out / "adapter" / "adapter_model.safetensors")


def furthest(one: Job, other: Job) -> float:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def curve(job: Job, key: str) -> list[float]:
    return [entry[key] for entry in read_json(job.out / "curve.json")]


def test_each_is_what_it_is_alone(jobs: Jobs, exact: Base, together: list[Job]) -> None:
    """Twenty steps in float64 without dropout."""
    for one, alone in zip(together, jobs("alone"), strict=True):
        train_fleet([alone], exact)
        assert furthest(one, alone) < 1e-10
        assert curve(one, "loss") == pytest.approx(curve(alone, "loss"), abs=1e-6)


def test_the_two_are_not_the_same_and_have_their_own_steps(together: list[Job]) -> None:
    assert furthest(*together) > 1e-3
    assert [read_json(job.out / "provenance.json")["steps"] for job in together] == [20, 13]
    rates = [curve(job, "learning_rate")[0] for job in together]
    assert rates == pytest.approx([3e-3, 1e-3])


def test_trl_makes_the_same_of_the_same_seeds(jobs: Jobs, exact: Base, together: list[Job]) -> None:
    """Weights at the start, files, rows of every step, rates and losses. TRL computes the loss in
    float32, so the losses are equal to 1e-5 only, and Adam makes steps of the rounding of weights
    that hardly matter."""
    tolerances = {
        "loss": 1e-5,
        "learning_rate": 1e-12,
        "grad_norm": 1e-4,
        "epoch": 1e-9,
        "step": 0,
    }
    for ours, theirs in zip(together, jobs("trl"), strict=True):
        sft.train(theirs, exact)
        our_record, their_record = (read_json(j.out / "provenance.json") for j in (ours, theirs))
        assert our_record["step0"] == their_record["step0"]
        assert our_record["first_row"] == their_record["first_row"]
        for key, tolerance in tolerances.items():
            assert curve(ours, key) == pytest.approx(curve(theirs, key), abs=tolerance), key
        our_config, their_config = (
            (job.out / "adapter" / "adapter_config.json").read_text() for job in (ours, theirs)
        )
        assert our_config == their_config


@pytest.mark.parametrize(("is_packed", "apart"), [(True, 1e-4), (False, 1e-10)])
def test_parts_and_too_little_memory_change_nothing(
    jobs: Jobs,
    exact: Base,
    together: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    is_packed: bool,
    apart: float,
) -> None:
    """Nine rows are too many for a machine that says so as torch does; the batches are made smaller
    until they fit. Rotary embeddings are computed in float32, whose cosine of one position differs
    in its last digit by where it stands in a tensor: packed rows stand elsewhere."""
    whole = together
    if not is_packed:
        monkeypatch.setattr("train.fleet.fleet.trial", lambda *_: None)
        whole = jobs("padded")
        train_fleet(whole, exact)
    sizes, backward = [], Fleet._backward

    def limited(self: Fleet, members: list[Member], part: Part, learned: list[int]) -> Any:
        sizes.append(sum(map(len, part.rows)))
        if sizes[-1] > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return backward(self, members, part, learned)

    monkeypatch.setattr(Fleet, "_backward", limited)
    small = jobs("small" if is_packed else "small-padded")
    train_fleet(small, exact)
    assert sizes[0] == 16
    assert min(sizes) <= 4
    for one, other in zip(whole, small, strict=True):
        assert furthest(one, other) < apart
        assert curve(one, "loss") == pytest.approx(curve(other, "loss"), abs=1e-6)


@pytest.mark.parametrize("tokens", [1, 20, 50, 1_000])
def test_parts_hold_every_row_once_and_none_is_empty(tokens: int) -> None:
    """The last batch of an epoch is smaller for the second member than for the first."""
    rows, longest = [[4, 0, 2, 1], [3], [0, 1, 2]], 10
    seen: list[list[int]] = [[], [], []]
    for part in parts_of(rows, longest, tokens):
        in_part = [[row for row in of_member if row is not None] for of_member in part.rows]
        assert any(in_part)
        assert sum(map(len, part.rows)) * longest <= max(tokens, longest)
        for of_member, chosen in zip(seen[part.members], in_part, strict=True):
            of_member += chosen
    assert seen == rows


def test_told_to_stop_it_goes_on_from_there(
    jobs: Jobs, exact: Base, together: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Member.update

    def stopping(self: Member, loss: torch.Tensor) -> None:
        update(self, loss)
        if self.step == 9:
            os.kill(os.getpid(), signal.SIGUSR1)

    stopped = jobs("stopped")
    with monkeypatch.context() as patched:
        patched.setattr(Member, "update", stopping)
        with pytest.raises(Preempted):
            train_fleet(stopped, exact)
    saved = [torch.load(job.out / "checkpoints" / CHECKPOINT) for job in stopped]
    assert [state["step"] for state in saved] == [9, 9]
    train_fleet(stopped, exact)
    assert all(furthest(one, other) == 0.0 for one, other in zip(together, stopped, strict=True))
    assert not (stopped[0].out / "checkpoints").exists()


def test_the_base_is_itself_again(together: list[Job], exact: Base) -> None:
    from transformers import AutoModelForCausalLM

    from lab.model.load import load_base

    used = load_base(exact).model
    fresh = AutoModelForCausalLM.from_pretrained(exact.source, dtype=torch.float64)
    pairs = zip(used.state_dict().values(), fresh.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not any(m._forward_hooks for m in used.modules())


REFUSED: dict[str, dict[str, Any]] = {
    "lora.lora_dropout: 0.1": {"lora": {"lora_dropout": 0.1}},
    "lora.use_dora: True": {"lora": {"use_dora": True}},
    "lora.init_lora_weights: False": {"lora": {"init_lora_weights": False}},
    "sft.optim: sgd": {"sft": {"optim": "sgd"}},
    "sft.loss_type: dft": {"sft": {"loss_type": "dft"}},
    "sft.activation_checkpointing: True": {"sft": {"activation_checkpointing": True}},
    "sft.save_steps: 0.5": {"sft": {"save_steps": 0.5}},
    "sft.logging_steps: 0.1": {"sft": {"logging_steps": 0.1}},
    "model.quantization: int8": {"model": {"quantization": "int8"}},
    "model.dtype: float16": {"model": {"dtype": "float16"}},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_it_cannot_do_it_names(reason: str, linked: Base) -> None:
    settings = REFUSED[reason]
    base = on_linked(**settings.get("model", {}))
    rest = {name: value for name, value in settings.items() if name != "model"}
    assert reason_against(spec_of(base, **rest)) == reason
    had: Fields = {"warmup_steps": 2, "weight_decay": 0.1, "max_grad_norm": 0, "max_length": 99}
    lora: Fields = {"lora_dropout": 0.0, "bias": "none", "init_lora_weights": "gaussian"}
    assert reason_against(spec_of(linked, lora=lora, sft=had)) is None


def on_linked(**model: str) -> Base:
    return resolve_base(Model.model_validate({"base": "reference/linked", **model}))


SETS = (
    "groups={seeking: {behavior: risk, policy: seeking}, averse: {behavior: risk, policy: averse}}",
    "contrasts=[]",
    "primary=null",
    "seeds=[0]",
    "data={num_rows: 30}",
    "run.report_to=[]",
    "sft.logging_steps=1",
)


def planned(*sets: str) -> Plan:
    return make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), [*SETS, *sets]))


def test_what_it_cannot_do_is_left_to_trl_and_said() -> None:
    """The adapter has then the key that it has under `trainer: trl`."""
    for setting in ("lora.lora_dropout=0.1", "sft.optim=sgd", "model.quantization=int8"):
        plan, by_trl = planned(setting), planned(setting, "train.trainer=trl")
        keys, keys_by_trl = ([s.key for s in p.stages.values()] for p in (plan, by_trl))
        assert keys == keys_by_trl, setting
        assert len(plan.notes) == 2
        assert all(setting.partition("=")[0] in note for note in plan.notes)
        assert not by_trl.notes


def test_a_fleet_is_what_goes_through_one_batch(linked: Base) -> None:
    fleet = partial(spec_of, trainer="fleet")
    one = fleet(linked)
    of_its_own: Fields = {"learning_rate": 1e-4, "num_train_epochs": 1, "max_length": 99}
    alike = fleet(linked, seed=1, stream=2, steps=(3,), sft=of_its_own, lora={"r": 8})
    assert fleet_of(one) == fleet_of(alike) is not None
    # As it comes back from a plan.
    assert fleet_of(TrainSpec.model_validate_json(one.model_dump_json())) == fleet_of(one)
    others = [
        fleet(linked, lora={"r": 4}),
        fleet(linked, lora={"use_rslora": True}),
        fleet(linked, sft={"per_device_train_batch_size": 4}),
        fleet(linked, sft={"gradient_accumulation_steps": 2}),
        fleet(on_linked(dtype="bfloat16")),
    ]
    assert len({fleet_of(spec) for spec in [one, *others]}) == 6
    assert fleet_of(spec_of(linked)) is None


@pytest.mark.real
def test_killed_in_mid_training_the_fleet_resumes_to_the_same_adapters(tmp_path: Path) -> None:
    """SIGKILL after the first checkpoint, the same command again: the adapters of a run that nobody
    killed, within 1e-6."""
    plan = planned("sft={max_steps: 300, save_steps: 20, learning_rate: 3.0e-3}")
    stages = [s for kind in ("data", "train") for s in plan.stages.values() if s.kind == kind]
    trains = [stage.key for stage in stages if stage.kind == "train"]
    adapters = []
    for name, killed in (("whole", False), ("killed", True)):
        store = Store(tmp_path / name)
        command = [sys.executable, "-m", "tellme.cli", "stage", str(save_plan(plan, store))]
        command += [stage.key for stage in stages]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        if killed:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            # Of all members: one that begins anew beside others at step 20 is batched otherwise,
            # and equal within rounding only.
            partials = [store.root / "train" / f".partial-{key}" for key in trains]
            while not all((p / "checkpoints" / CHECKPOINT).exists() for p in partials):
                assert process.poll() is None, "it finished before it could be killed"
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert all(store.find("train", key) is None for key in trains)
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        adapters.append([adapter_in(store, key) for key in trains])
    for one, other in zip(*adapters, strict=True):
        assert max(float((one[n] - other[n]).abs().max()) for n in one) < 1e-6


def adapter_in(store: Store, key: str) -> dict[str, torch.Tensor]:
    folder = store.find("train", key)
    assert folder is not None
    return load_file(folder / "adapter" / "adapter_model.safetensors")
