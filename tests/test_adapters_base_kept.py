"""The base is bit for bit the same before and after every adapter, or nothing is kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraModel

from foreign import equal, fresh, state
from lab.errors import TrustError
from lab.model.base import Base
from lab.model.load import digest_of_weights, load_base
from lab.specs import Stage, TrainSpec
from lab.store.store import Store
from lab.types import Fields
from tellme.study.plan import Plan
from tellme.study.run import run_plan
from tellme.study.stages import run_stage
from train.fleet import trainer


def test_every_bit_of_every_weight_is_in_the_digest(linked: Base) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        model = fresh(linked).to(dtype)
        before = digest_of_weights(model)
        for weight in model.state_dict().values():
            bits = weight.view(torch.int32 if dtype == torch.float32 else torch.int16).reshape(-1)
            bits[-1] ^= 1
            assert digest_of_weights(model) != before
            bits[-1] ^= 1
            if len(weight) > 1 and not weight[0].equal(weight[1]):
                weight[[0, 1]] = weight[[1, 0]]
                assert digest_of_weights(model) != before
                weight[[0, 1]] = weight[[1, 0]]
        assert digest_of_weights(model) == before
    assert digest_of_weights(fresh(linked)) != before, "the type of the weights"


def answers_and_grades(plan: Plan, group: str) -> tuple[Stage, Stage]:
    key = next(c.key for c in plan.cells if c.group == group and c.suite == "behavior")
    (read,) = plan.stages[key].inputs.values()
    return plan.stages[read], plan.stages[key]


def training(plan: Plan, trainer: str, lora: Fields) -> Stage:
    """A training of the plan with a single step, and settings that the schema refuses."""
    stage = next(s for s in plan.stages.values() if s.kind == "train")
    spec = stage.spec
    assert isinstance(spec, TrainSpec)
    changed = {
        "trainer": trainer,
        "lora": spec.lora.model_copy(update=lora),
        "sft": spec.sft.model_copy(update={"max_steps": 1}),
    }
    spec = spec.model_copy(update=changed)
    return Stage(slug=stage.slug, spec=spec, inputs=stage.inputs, how=stage.how)


def test_nothing_is_kept_of_an_evaluation_that_changed_the_base(
    finished: tuple[Plan, Store, Path],
    linked: Base,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan, store, _ = finished
    copy = Store(shutil.copytree(store.root, tmp_path / "runs"))
    answers, grades = answers_and_grades(plan, "seeking")
    for stage in (answers, grades, plan.final):
        shutil.rmtree(str(copy.find(stage.kind, stage.key)))
    unload = LoraModel.unload

    def leave_something(tuner: Any) -> Any:
        model = unload(tuner)
        model.get_parameter("model.layers.0.self_attn.q_proj.weight").data[0, 0] += 1e-6
        return model

    monkeypatch.setattr(LoraModel, "unload", leave_something)
    with pytest.raises(TrustError, match="base_kept:risk/behavior failed"):
        run_plan(plan, copy, allow_untrusted=True)
    assert copy.find("answers", answers.key) is None
    monkeypatch.undo()
    assert equal(state(load_base(linked).model), state(fresh(linked)))
    run_plan(plan, copy)


@pytest.mark.parametrize(
    "lora",
    [
        {"kasa_config": {"beta": 1e-4, "gamma": 1e-3}},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora"},
        {"layer_replication": [[0, 2], [1, 2]]},
    ],
)
def test_nothing_is_kept_of_a_training_that_changed_the_base(
    lora: Fields,
    finished: tuple[Plan, Store, Path],
    linked: Base,
    tmp_path: Path,
) -> None:
    plan, _, _ = finished
    store, stage = Store(tmp_path / "runs"), training(plan, "trl", lora)
    run_stage(plan.stages[stage.inputs["data"]], store)
    with pytest.raises(TrustError, match="base_kept"):
        run_stage(stage, store)
    assert store.find("train", stage.key) is None
    assert equal(state(load_base(linked).model), state(fresh(linked)))


def test_nothing_is_kept_of_a_fleet_that_changed_the_base(
    finished: tuple[Plan, Store, Path],
    linked: Base,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan, _, _ = finished
    store, stage = Store(tmp_path / "runs"), training(plan, "fleet", {})
    run_stage(plan.stages[stage.inputs["data"]], store)
    run = trainer._run

    def leave_something(one: Any, base: Base, asked: list[int]) -> None:
        run(one, base, asked)
        one.loaded.model.get_parameter("model.norm.weight").data[0] += 1e-6

    monkeypatch.setattr(trainer, "_run", leave_something)
    with pytest.raises(TrustError, match="base_kept"):
        run_stage(stage, store)
    assert store.find("train", stage.key) is None
    assert equal(state(load_base(linked).model), state(fresh(linked)))
