"""What must hold before a study's adapters are served: every fault that is planted is named, and
nothing is served then."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from lab.errors import TrustError, UserError
from lab.model.adapter import digest_of_file
from lab.model.base import Base
from lab.store.store import Store
from lab.store.trust import Check
from served import ROW, some_models
from tellme.serve.checks import refuse_failed, serving_checks
from tellme.serve.models import ServedModel, offer_of, offer_of_folder
from tellme.serve.request import read_request
from tellme.serve.vllm import vllm_command
from tellme.serve.worker import Worker
from tellme.study.plan import Plan


def checked(models: dict[str, ServedModel]) -> list[Check]:
    worker = Worker(models)
    try:
        return serving_checks(worker)
    finally:
        worker.close()


def failed(checks: list[Check]) -> set[str]:
    return {one["check"] for one in checks if not one["passed"]}


def test_an_adapter_that_does_nothing_is_refused(linked: Base, tmp_path: Path) -> None:
    models = some_models(linked, tmp_path, number=1)
    trained = tmp_path / "s0"
    file = trained / "adapter" / "adapter_model.safetensors"
    save_file({k: v * 0 if "lora_B" in k else v for k, v in load_file(file).items()}, file)
    made = {"adapter": digest_of_file(trained / "adapter"), "first_row": {"messages": ROW}}
    (trained / "provenance.json").write_text(json.dumps(made))
    checks = checked(models)
    assert failed(checks) == {"adapter_applied:bold-s0"}
    with pytest.raises(TrustError, match="adapter_applied:bold-s0 failed"):
        refuse_failed(checks)


def test_adapters_that_change_places_are_refused(linked: Base, tmp_path: Path) -> None:
    models = some_models(linked, tmp_path, number=2)
    one, other = models["bold-s0"], models["bold-s1"]
    swapped = {
        "bold-s0": replace(one, adapter=other.adapter),
        "bold-s1": replace(other, adapter=one.adapter),
    }
    assert failed(checked(models)) == set()
    assert failed(checked(models | swapped)) == {"right_adapter:bold-s0", "right_adapter:bold-s1"}


def test_a_server_that_leaves_an_adapter_on_is_refused(
    linked: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = some_models(linked, tmp_path, number=2)
    put_on = Worker._put_on
    monkeypatch.setattr(Worker, "_put_on", lambda self, _: put_on(self, self.models["bold-s0"]))
    assert failed(checked(models)) == {"served:base", "served:bold-s1"}


def test_an_adapter_that_changes_while_it_is_served_is_not_asked(
    linked: Base, tmp_path: Path
) -> None:
    models = some_models(linked, tmp_path, number=2)
    worker = Worker(models)
    refuse_failed(serving_checks(worker))
    file = tmp_path / "s0" / "adapter" / "adapter_model.safetensors"
    save_file({name: tensor * 2 for name, tensor in load_file(file).items()}, file)
    body = {"messages": [{"role": "user", "content": "hi"}], "continuations": ["yes"]}
    other, changed = (
        worker.ask(read_request(body | {"model": name})) for name in ("base", "bold-s0")
    )
    worker.close()
    assert other.result().scored
    with pytest.raises(TrustError, match="bold-s0"):
        changed.result()


def test_a_study_offers_its_base_and_every_adapter(finished: tuple[Plan, Store, Path]) -> None:
    plan, store, folder = finished
    offer = offer_of(plan.final, plan.stages, store)
    assert offer == offer_of_folder(folder)
    assert list(offer.models) == ["base", *plan.adapters]
    assert not offer.left_out
    worker = Worker(offer.models)
    try:
        refuse_failed(serving_checks(worker))
    finally:
        worker.close()
    words = vllm_command(offer, "127.0.0.1", 8000).split()
    rank = words[words.index("--max-lora-rank") + 1]
    assert rank == "8"
    named = [word.partition("=")[0] for word in words[words.index("--lora-modules") + 1 :]]
    assert named == list(plan.adapters)


def test_an_adapter_that_is_not_trained_yet_is_named(
    finished: tuple[Plan, Store, Path], tmp_path: Path
) -> None:
    plan, _, _ = finished
    with pytest.raises(UserError, match=r"seeking-s0.*tellme run"):
        offer_of(plan.final, plan.stages, Store(tmp_path))
