"""A base is loaded whole or not at all: nothing that its files lack is made up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from families import save_family
from lab.config.schema import Model
from lab.errors import UserError
from lab.model.base import Base, reference_names, resolve_base
from lab.model.foreign import Adapter
from lab.model.load import load_base
from lab.strict import Strict


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_family("llama3", tmp_path_factory.mktemp("tiny"))


def configured(folder: Path, **more: Any) -> None:
    """Let the folder's config.json say something else."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | more))


def weighed(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Let the folder's file hold other tensors."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def without(name: str) -> Callable[[Path], None]:
    """Leave out the tensors that have this in their name."""

    def keep(tensors: dict[str, Any]) -> dict[str, Any]:
        return {n: tensor for n, tensor in tensors.items() if name not in n}

    return lambda folder: weighed(folder, keep)


def prefixed(folder: Path) -> None:
    weighed(folder, lambda tensors: {f"base_model.model.{n}": t for n, t in tensors.items()})


def one_more(folder: Path) -> None:
    weighed(folder, lambda tensors: tensors | {"score.weight": tensors[NORM].clone()})


def as_olmo(folder: Path) -> None:
    configured(folder, model_type="olmo2", architectures=["Olmo2ForCausalLM"])


def with_one_layer(folder: Path) -> None:
    configured(folder, num_hidden_layers=1, layer_types=None)


NORM = "model.norm.weight"
DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "every name with a prefix": (prefixed, "lacks .* and .* more"),
    "a layer is not there": (without(".layers.1."), "lacks 'model.layers.1."),
    "a tensor is not there": (without(NORM), f"lacks '{NORM}';"),
    "no head": (without("lm_head.weight"), "lacks 'lm_head.weight'"),
    "a tensor too many": (one_more, "has besides 'score.weight'"),
    "more layers said": (
        lambda folder: configured(folder, num_hidden_layers=3),
        "lacks 'model.layers.2.",
    ),
    "fewer layers said": (with_one_layer, "has besides 'model.layers.1."),
    "another width said": (
        lambda folder: configured(folder, intermediate_size=128),
        "has in another shape 'model.layers.0.mlp",
    ),
    "another architecture said": (as_olmo, "lacks .*_norm"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_weights_that_do_not_cover_the_model_are_refused_by_name(
    damage: str, tiny: Path, tmp_path: Path
) -> None:
    folder, (change, says) = Path(shutil.copytree(tiny, tmp_path / "base")), DAMAGE[damage]
    change(folder)
    base = resolve_base(Model(base=str(folder), dtype="float32"))
    with pytest.raises(UserError, match=rf"the file {says}") as refused:
        load_base(base)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", reference_names())
def test_reference_models_are_whole(name: str) -> None:
    assert load_base(resolve_base(Model(base=name))).digest


def test_a_base_with_an_adapter_in_its_folder_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "base"))
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="holds an adapter as well"):
        resolve_base(Model(base=str(folder)))


class Spec(Strict):
    base: Base
    adapter: Adapter | None = None


def test_a_base_and_an_adapter_are_themselves_again_after_a_plan_was_written(tiny: Path) -> None:
    template = tiny / "chat_template.jinja"
    chat = {"system": "none", "template": str(template), "kwargs": {"a": [1, None]}}
    model = Model.model_validate({"base": str(tiny), "dtype": "float32", "chat": chat})
    adapters = (None, Adapter("owner/name", "hub:owner/name@abc", "abc"), Adapter("/x", "1", None))
    for base in (resolve_base(model), resolve_base(Model(base="reference/linked"))):
        for adapter in adapters:
            spec = Spec(base=base, adapter=adapter)
            again = Spec.model_validate_json(spec.model_dump_json())
            assert again == Spec.model_validate(spec.model_dump(mode="json")) == spec
            assert hash(again.base) == hash(base)
            assert hash(again.adapter) == hash(adapter)
            assert again.base.config == base.config
            assert again.base.model == base.model
            assert type(again.base) is Base
