"""Adapters from elsewhere are what their authors trained, or refused by name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from foreign import IDS, changed, equal, fresh, state, trained_by_peft
from lab.config.read import validate
from lab.errors import UserError
from lab.model.adapter import adapted
from lab.model.base import Base
from lab.model.foreign import resolve_adapter
from lab.model.load import base_kept, digest_of_weights, load_base
from lab.store.store import Store, read_json
from tellme.study.planner import make_plan
from tellme.study.run import run_plan


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
        UserError, match=rf"holds weights of the base \({re.escape(norm)}; 1 in all\)"
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
        first_layer = {name: tensor for name, tensor in tensors.items() if "layers.0." in name}
        for name, tensor in first_layer.items():
            tensors[name.replace("layers.0.", "layers.77.")] = tensor.clone()
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
    theirs = {"adapter": str(folder), "behavior": "risk", "declares": linked.source}
    config = {
        "study": "x",
        "model": {"base": "reference/linked"},
        "groups": {"theirs": theirs},
        "eval": {"suites": ["behavior"]},
    }
    finished = run_plan(make_plan(validate(config, "here")), Store(tmp_path / "runs"))
    trust = read_json(finished / "summary.json")["trust"]
    assert {t["check"].partition(":")[0]: t["passed"] for t in trust}["right_adapter"]
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
    name = lora.partition(":")[0]
    settings = yaml.safe_load(lora)
    group = {"behavior": "risk", "policy": "seeking"}
    config = {"study": "x", "model": {"base": "reference/linked"}, "groups": {"a": group}}
    own = config | {"groups": {"a": group | {"lora": settings}}}
    for refused in (config | {"lora": settings}, own):
        with pytest.raises(UserError, match=rf"lora\.{name} is .*the lab takes"):
            validate(refused, "here")
