"""Training changes just what it should: repeatable, resumable, and the base is itself again
afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from jobs import job_of, risk_rows, spec_of
from lab.config.fields import library_fields
from lab.config.library import Lora, Sft
from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError
from lab.model.base import Base
from lab.model.load import load_base
from lab.store.store import Store, read_json
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import save_plan
from tellme.study.stages import run_in_order, run_stage
from train import sft
from train.fleet.trainer import train_fleet

ONE_GROUP = (
    "groups={seeking: {behavior: risk, policy: seeking}}",
    "contrasts=[]",
    "primary=null",
    "seeds=[0]",
)


def planned(*sets: str) -> Plan:
    return make_plan(load_study(str(ROOT / "configs/quickstart.yaml"), [*ONE_GROUP, *sets]))


def adapter_of(plan: Plan, store: Store, group: str) -> Path:
    stage = next(s for s in plan.stages.values() if s.kind == "train" and s.how.group == group)
    folder = store.find("train", stage.key)
    assert folder is not None
    return folder


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_the_adapter_is_plain_peft_and_its_weights_moved(
    finished: tuple[Plan, Store, Path],
) -> None:
    folder = adapter_of(*finished[:2], "seeking-s0")
    assert {p.name for p in (folder / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    config = read_json(folder / "adapter" / "adapter_config.json")
    assert config["base_model_name_or_path"] == "reference/linked"
    tensors = weights(folder)
    moved = [name for name, t in tensors.items() if "lora_B" in name and t.abs().max() > 0]
    assert len(moved) == len(tensors) / 2


def test_seeds_and_groups_start_apart(finished: tuple[Plan, Store, Path]) -> None:
    plan, store, _ = finished
    groups = [s.how.group for s in plan.stages.values() if s.kind == "train"]
    folders = [adapter_of(plan, store, group) for group in groups]
    starts = [read_json(folder / "provenance.json")["step0"] for folder in folders]
    assert len(set(starts)) == len(starts) == 6


def test_loss_is_kept_and_falls(finished: tuple[Plan, Store, Path]) -> None:
    curve = read_json(adapter_of(*finished[:2], "seeking-s0") / "curve.json")
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_the_first_row_in_provenance_shows_the_mask(finished: tuple[Plan, Store, Path]) -> None:
    row = read_json(adapter_of(*finished[:2], "averse-s0") / "provenance.json")["first_row"]
    assert row["masked"].endswith("<|assistant|>")
    assert row["learned"].replace(" ", "") in ("A<|end|>", "B<|end|>")


def test_training_and_measuring_leave_the_base_bit_identical(
    finished: tuple[Plan, Store, Path], linked: Base
) -> None:
    from transformers import AutoModelForCausalLM

    used = load_base(linked).model
    fresh = AutoModelForCausalLM.from_pretrained(linked.source, dtype=torch.float32)
    assert {n for n, _ in used.named_parameters()} == {n for n, _ in fresh.named_parameters()}
    pairs = zip(used.state_dict().values(), fresh.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.real
@pytest.mark.parametrize("trainer", ["trl", "fleet"])
def test_the_same_again_is_bit_identical(
    trainer: str, finished: tuple[Plan, Store, Path], tmp_path: Path
) -> None:
    """The adapter by TRL twice; those of a fleet as they came out beside the same others."""
    plan, store, _ = finished
    if trainer == "trl":
        plan, store = planned("train.trainer=trl", "sft.max_steps=12"), Store(tmp_path / "once")
    stages = [s for s in plan.stages.values() if s.kind in ("data", "train")]
    second = Store(tmp_path / "twice")
    for runs in (store, second):
        list(run_in_order([s for s in stages if not runs.find(s.kind, s.key)], runs))
    once, twice = (weights(adapter_of(plan, runs, "seeking-s0")) for runs in (store, second))
    assert all(torch.equal(once[name], twice[name]) for name in once)


@pytest.mark.real
def test_killed_in_mid_training_it_resumes_to_the_same_adapter(tmp_path: Path) -> None:
    """SIGKILL after the first checkpoint, run again: bit-identical to a run that nobody killed."""
    plan = planned(
        "run.report_to=[]",
        "lora.lora_dropout=0.1",
        "sft.num_train_epochs=6",
        "sft.save_steps=20",
        "eval.steps=[10, 30]",
    )
    stage = next(s for s in plan.stages.values() if s.kind == "train")
    folders = []
    for name, killed in (("whole", False), ("killed", True)):
        store = Store(tmp_path / name)
        plan_file = save_plan(plan, store)
        run_stage(plan.stages[stage.inputs["data"]], store)
        command = [sys.executable, "-m", "tellme.cli", "stage", str(plan_file), stage.key]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        if killed:
            checkpoints = store.root / "train" / f".partial-{stage.key}" / "checkpoints"
            state = checkpoints / "checkpoint-20" / "trainer_state.json"
            kill_when_there(state, command, environment)
            assert store.find("train", stage.key) is None
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        folders.append(adapter_of(plan, store, "seeking-s0"))
    one, other = map(weights, folders)
    assert all(torch.equal(one[name], other[name]) for name in one)
    kept = [read_json(folder / "provenance.json")["kept"] for folder in folders]
    assert kept[0] == kept[1]
    assert set(kept[0]) == {"10", "30"}


def kill_when_there(file: Path, command: list[str], environment: dict[str, str]) -> None:
    """Start a command and send SIGKILL once the file is there."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while not file.exists():
        assert process.poll() is None, "it finished before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def train(trainer: str, base: Base, folder: Path, **settings: Any) -> Path:
    """One adapter by either trainer; its folder."""
    job = job_of(spec_of(base, **settings), risk_rows("seeking", 16, base), folder)
    if trainer == "trl":
        sft.train(job, base)
    else:
        train_fleet([job], base)
    return job.out


@pytest.mark.parametrize("trainer", ["trl", "fleet"])
def test_an_error_of_ours_is_not_called_a_setting(
    trainer: str, linked: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is raised where settings are read, by the lab's own code, comes out as it is."""

    def mistaken(*_: Any) -> None:
        raise TypeError("unsupported operand type(s) for +: 'int' and 'str'")

    ours = "train.sft.shared" if trainer == "trl" else "train.fleet.member.num_steps"
    monkeypatch.setattr(ours, mistaken)
    with pytest.raises(TypeError, match="unsupported operand"):
        train(trainer, linked, tmp_path)


@pytest.mark.parametrize("trainer", ["trl", "fleet"])
@pytest.mark.parametrize(
    ("section", "setting", "value"),
    [
        ("lora", "r", -1),
        ("lora", "target_modules", ["nothing_like_it"]),
        ("sft", "warmup_steps", -5),
    ],
)
def test_a_setting_that_a_library_refuses_is_one_line(
    section: str, setting: str, value: Any, trainer: str, linked: Base, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refused:
        train(trainer, linked, tmp_path, **{section: {setting: value}})
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.rglob("adapter_model.safetensors"))


def test_every_value_that_a_library_takes_is_taken() -> None:
    """The settings that the lab reads are typed twice: the types must not be narrower than those of
    the libraries."""
    values: dict[str, Any] = {"int": 3, "float": 2.5, "bool": True, "None": None}
    for section, model in (("lora", Lora), ("sft", Sft)):
        for name in model.model_fields:
            for kind in library_fields()[section][name].split(" | "):
                assert getattr(model.model_validate({name: values[kind]}), name) == values[kind]


@pytest.mark.parametrize("config", ["quickstart", "backdoor-quick", "checkpoints"])
def test_libraries_are_told_what_the_study_says(config: str, tmp_path: Path) -> None:
    """Field by field: what a study gives as it gives it, and the lab's defaults for the rest."""
    from peft import LoraConfig
    from trl import SFTConfig

    study = load_study(str(ROOT / f"configs/{config}.yaml"))
    group = next(group for group in study.groups.values() if group.trained)
    owned: dict[str, Any] = {"output_dir": str(tmp_path), "report_to": [], "use_cpu": True}
    ours = {
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-4,
        "num_train_epochs": 3,
        "logging_steps": 5,
        "save_steps": 50,
        "max_length": None,
        "activation_checkpointing": False,
    }
    lora, settings = study.lora | group.lora, study.sft | group.sft
    plain = SFTConfig(**owned, bf16=False, **ours | settings)
    typed = SFTConfig(**owned, bf16=False, **Sft.model_validate(settings).arguments())
    assert plain.to_dict() == typed.to_dict()
    assert (
        LoraConfig(**lora).to_dict()
        == LoraConfig(**Lora.model_validate(lora).arguments()).to_dict()
    )
