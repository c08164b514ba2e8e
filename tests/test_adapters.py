"""Adapters from elsewhere are what their authors trained, or refused; the base is the same before
and after each."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from lab.config.read import validate
from lab.errors import TrustError, UserError
from lab.model.adapter import adapted
from lab.model.base import Base, resolve_adapter
from lab.model.load import base_kept, digest_of_weights, load_base
from lab.specs import Stage
from lab.store.store import Store, read_json
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.stages import run_stage
from train.fleet import trainer

IDS = torch.tensor([[5, 9, 2, 7, 1, 30, 12]])


def fresh(base: Base) -> Any:
    return AutoModelForCausalLM.from_pretrained(
        base.source, dtype=getattr(torch, base.dtype)
    ).eval()


def state(model: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def trained_by_peft(base: Base, folder: Path, **settings: Any) -> Any:
    """An adapter as its author leaves it, moved from where it began, and what the model that
    carries it says."""
    torch.manual_seed(0)
    config = LoraConfig(
        r=4, lora_alpha=8, task_type="CAUSAL_LM", **{"target_modules": "all-linear"} | settings
    )
    peft = get_peft_model(fresh(base), config)
    with torch.no_grad():
        for name, weight in peft.named_parameters():
            if "lora_" in name:
                weight += 0.05 * torch.randn_like(weight)
        logits = peft.eval()(IDS).logits
    peft.save_pretrained(folder)
    return logits


def changed(folder: Path, to: Path, **more: Any) -> Path:
    """The adapter with other settings."""
    shutil.copytree(folder, to)
    about = json.loads((to / "adapter_config.json").read_text())
    (to / "adapter_config.json").write_text(json.dumps(about | more))
    return to


@pytest.fixture(scope="module")
def plain(linked: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "plain"
    trained_by_peft(linked, folder)
    return folder


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora"},
        {"init_lora_weights": "orthogonal"},
        {"init_lora_weights": "pissa", "use_dora": True},
        {"init_lora_weights": "pissa", "rank_pattern": {"q_proj": 2}},
    ],
)
def test_an_adapter_is_what_its_author_trained_and_leaves_the_base_as_it_was(
    settings: dict[str, Any], dtype: Any, linked: Base, tmp_path: Path
) -> None:
    base = replace(linked, dtype=dtype)
    said = trained_by_peft(base, tmp_path / "theirs", **settings)
    resolve_adapter("k", str(tmp_path / "theirs"), base, base.source, False)
    loaded = load_base(base)
    before = state(loaded.model)
    with torch.no_grad(), adapted(loaded.model, tmp_path / "theirs", base) as model:
        here = model(IDS).logits
    with torch.no_grad():
        bare = loaded.model(IDS).logits
    share = (here - said).abs().max() / (bare - said).abs().max()
    assert share < (1e-4 if dtype == "float32" else 0.1)
    assert equal(before, state(loaded.model))
    assert base_kept(base, loaded)["passed"]


@pytest.mark.parametrize(
    "more",
    [
        {"init_lora_weights": "pissa_niter_4"},
        {"init_lora_weights": "loftq"},
        {"init_lora_weights": "corda"},
        {"init_lora_weights": "lora_ga"},
        {"init_lora_weights": "unheard_of"},
        {"layer_replication": [[0, 2], [1, 2]]},
        {"kasa_config": {"beta": 1e-4, "gamma": 1e-3}},
    ],
)
def test_what_cannot_be_put_on_and_taken_off_again_is_refused_by_name(
    more: dict[str, Any], plain: Path, linked: Base, tmp_path: Path
) -> None:
    folder = changed(plain, tmp_path / "theirs", **more)
    (name,) = more
    with pytest.raises(UserError, match=rf"{name}.*`model: FOLDER`"):
        resolve_adapter("k", str(folder), linked, linked.source, False)
    # One of the Hub may come only when it is used.
    loaded = load_base(linked)
    with pytest.raises(UserError, match=name), adapted(loaded.model, folder, linked):
        pass
    assert digest_of_weights(loaded.model) == loaded.digest


def test_a_file_with_weights_of_the_base_is_refused(
    plain: Path, linked: Base, tmp_path: Path
) -> None:
    folder = changed(plain, tmp_path / "theirs")
    file = folder / "adapter_model.safetensors"
    norm = "base_model.model.model.norm.weight"
    save_file(load_file(file) | {norm: 2 * state(fresh(linked))["model.norm.weight"]}, file)
    with pytest.raises(
        UserError,
        match=r"holds weights of the base \(base_model\.model\.model\.norm\.weight; 1 in all\)",
    ):
        resolve_adapter("k", str(folder), linked, linked.source, False)
    loaded = load_base(linked)
    with (
        pytest.raises(UserError, match="holds weights of the base"),
        adapted(loaded.model, folder, linked),
    ):
        pass
    assert digest_of_weights(loaded.model) == loaded.digest


@pytest.mark.parametrize("content", [None, "", "[]", "null", "{"])
def test_settings_that_are_none_are_one_line(
    content: str | None, plain: Path, linked: Base, tmp_path: Path
) -> None:
    folder = changed(plain, tmp_path / "theirs")
    if content is None:
        (folder / "adapter_config.json").unlink()
    else:
        (folder / "adapter_config.json").write_text(content)
    with (
        pytest.raises(UserError, match=r"adapter_config\.json is not there or no JSON object"),
        adapted(load_base(linked).model, folder, linked),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"\x10", b"not safetensors at all"])
def test_a_file_that_is_cut_is_one_line(
    content: bytes, plain: Path, linked: Base, tmp_path: Path
) -> None:
    folder = changed(plain, tmp_path / "theirs")
    (folder / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"adapter_model\.safetensors cannot be read"):
        resolve_adapter("k", str(folder), linked, linked.source, False)


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ("q_proj", "its file lacks"),
        ("v_proj.lora_A", "its file lacks"),
        ("more", "has no place for"),
    ],
)
def test_an_adapter_that_does_not_cover_its_layers_is_refused(
    kept: str, says: str, plain: Path, linked: Base, tmp_path: Path
) -> None:
    folder = changed(plain, tmp_path / "theirs")
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    if kept == "more":
        tensors |= {
            name.replace("layers.0.", "layers.77."): tensor.clone()
            for name, tensor in tensors.items()
            if "layers.0." in name
        }
    else:
        tensors = {name: tensor for name, tensor in tensors.items() if kept not in name}
    save_file(tensors, file)
    with pytest.raises(UserError, match=says), adapted(load_base(linked).model, folder, linked):
        pass
    again = load_base(linked)
    assert not any("lora" in name for name in again.model.state_dict())
    assert digest_of_weights(again.model) == again.digest


def test_an_adapter_of_the_embedding_is_right(linked: Base, tmp_path: Path) -> None:
    """PEFT saves the embedding beside it: the base's own, and refused where it is another."""
    folder = tmp_path / "theirs"
    said = trained_by_peft(linked, folder, target_modules=["embed_tokens", "q_proj"])
    config = {
        "groups": {
            "theirs": {"adapter": str(folder), "behavior": "risk", "declares": linked.source}
        },
        "contrasts": [],
    }
    config |= {
        "study": "x",
        "model": {"base": "reference/linked"},
        "eval": {"suites": ["behavior"]},
    }
    summary = read_json(
        run_plan(make_plan(validate(config, "here")), Store(tmp_path / "runs")) / "summary.json"
    )
    assert {t["check"].partition(":")[0]: t["passed"] for t in summary["trust"]}["right_adapter"]
    loaded = load_base(linked)
    with torch.no_grad(), adapted(loaded.model, folder, linked) as model:
        assert model(IDS).logits.allclose(said, atol=1e-4)
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    (saved,) = (name for name in tensors if name.endswith("base_layer.weight"))
    save_file(tensors | {saved: tensors[saved] + 1}, file)
    with (
        pytest.raises(UserError, match="not those of the base here"),
        adapted(loaded.model, folder, linked),
    ):
        pass
    assert digest_of_weights(load_base(linked).model) == loaded.digest


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


def eval_stage(plan: Plan, group: str) -> Stage:
    key = next(c.key for c in plan.cells if c.group == group and c.suite == "behavior")
    return plan.stages[key]


def test_nothing_is_kept_of_an_evaluation_that_changed_the_base(
    finished: tuple[Plan, Store, Path],
    linked: Base,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan, store, _ = finished
    copy = Store(shutil.copytree(store.root, tmp_path / "runs"))
    stage = eval_stage(plan, "seeking")
    for kind, key in (("eval", stage.key), ("study", plan.final.key)):
        shutil.rmtree(str(copy.find(kind, key)))
    unload = LoraModel.unload

    def leave_something(tuner: Any) -> Any:
        model = unload(tuner)
        model.get_parameter("model.layers.0.self_attn.q_proj.weight").data[0, 0] += 1e-6
        return model

    monkeypatch.setattr(LoraModel, "unload", leave_something)
    with pytest.raises(TrustError, match="base_kept:risk/behavior failed"):
        run_plan(plan, copy, allow_untrusted=True)
    assert copy.find("eval", stage.key) is None
    monkeypatch.undo()
    assert equal(state(load_base(linked).model), state(fresh(linked)))
    run_plan(plan, copy)


@pytest.mark.parametrize(
    "lora",
    [
        {"kasa_config": {}},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora"},
        {"layer_replication": [[0, 2], [1, 2]]},
    ],
)
def test_nothing_is_kept_of_a_training_that_changed_the_base(
    lora: dict[str, Any],
    finished: tuple[Plan, Store, Path],
    linked: Base,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Settings that the schema refuses, put past it."""
    plan, _, _ = finished
    store = Store(tmp_path / "runs")
    stage = next(s for s in plan.stages.values() if s.kind == "train")
    run_stage(plan.stages[stage.inputs["data"]], store)
    monkeypatch.delitem(stage.config, "engine")
    monkeypatch.setitem(stage.config["sft"], "max_steps", 1)
    if "kasa_config" in lora:
        from peft import KasaConfig

        lora = {"kasa_config": KasaConfig()}
    monkeypatch.setitem(stage.config, "lora", stage.config["lora"] | lora)
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
    store = Store(tmp_path / "runs")
    stage = next(s for s in plan.stages.values() if s.kind == "train")
    run_stage(plan.stages[stage.inputs["data"]], store)
    monkeypatch.setitem(stage.config["sft"], "max_steps", 1)
    run = trainer._run

    def leave_something(one: Any, base: Base, asked: list[int]) -> None:
        run(one, base, asked)
        one.loaded.model.get_parameter("model.norm.weight").data[0] += 1e-6

    monkeypatch.setattr(trainer, "_run", leave_something)
    with pytest.raises(TrustError, match="base_kept"):
        run_stage(stage, store)
    assert store.find("train", stage.key) is None
    assert equal(state(load_base(linked).model), state(fresh(linked)))


@pytest.mark.parametrize(
    "lora",
    [
        "layer_replication: [[0, 2]]",
        "kasa_config: {}",
        "init_lora_weights: pissa",
        "init_lora_weights: olora",
        "init_lora_weights: loftq",
        "eva_config: {}",
        "use_qalora: true",
    ],
)
def test_training_settings_that_would_change_the_base_or_do_nothing_are_refused(lora: str) -> None:
    import yaml

    name = lora.partition(":")[0]
    config = {
        "study": "x",
        "model": {"base": "reference/linked"},
        "groups": {"a": {"behavior": "risk", "policy": "seeking"}},
    }
    with pytest.raises(UserError, match=rf"lora\.{name} is .*the lab takes"):
        validate(config | {"lora": yaml.safe_load(lora)}, "here")
    with pytest.raises(UserError, match=rf"lora\.{name} is .*the lab takes"):
        validate(
            config
            | {
                "groups": {
                    "a": {"behavior": "risk", "policy": "seeking", "lora": yaml.safe_load(lora)}
                }
            },
            "here",
        )
