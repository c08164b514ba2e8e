"""An adapter that is not all there is refused by name, and names of one base are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from foreign import changed, trained_by_peft
from lab.config.read import validate
from lab.errors import UserError
from lab.model.adapter import adapted, write_adapter
from lab.model.base import Base
from lab.model.foreign import resolve_adapter
from lab.model.load import digest_of_weights, load_base
from lab.model.names import one_model
from tellme.study.planner import make_plan
from train.launch import SAVES_WHOLE, refuse_old_accelerate

WEIGHTS = "adapter_model.safetensors"
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
QWEN = "Qwen/Qwen2.5-7B-Instruct"


@pytest.fixture(scope="module")
def plain(linked: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of rank 4, of every layer and of the embedding."""
    folder = tmp_path_factory.mktemp("adapters") / "plain"
    trained_by_peft(linked, folder, target_modules=["embed_tokens", "q_proj", "down_proj"])
    return folder


@pytest.fixture(scope="module")
def rank_1(linked: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "rank-1"
    trained_by_peft(linked, folder, r=1)
    return folder


def share_of(folder: Path, process: int, processes: int, to: Path) -> Path:
    """What accelerate below 1.15 saved of an adapter under FSDP2: the share of one process, which
    is a piece of the first axis of each tensor."""
    changed(folder, to)
    shares = {}
    for name, tensor in load_file(folder / WEIGHTS).items():
        pieces = tensor.chunk(processes)
        empty = tensor[:0]
        shares[name] = pieces[process].clone() if process < len(pieces) else empty.clone()
    shares = {name: tensor for name, tensor in shares.items() if "lora_" in name}
    save_file(shares, to / WEIGHTS, metadata={"format": "pt"})
    return to


@pytest.mark.parametrize(
    ("process", "processes", "says"),
    [
        (0, 2, "is what one of several processes had of it: .*rank 2, and its B of rank 4"),
        (0, 8, "is what one of several processes had of it: .*rank 1, and its B of rank 4"),
        (7, 8, r"is empty: \d+ of its \d+ tensors have no size"),
    ],
)
def test_the_share_of_one_process_is_refused_wherever_it_comes_from(
    process: int, processes: int, says: str, plain: Path, linked: Base, tmp_path: Path
) -> None:
    folder = share_of(plain, process, processes, tmp_path / "theirs")
    with pytest.raises(UserError, match=f"{says}.*accelerate {SAVES_WHOLE[:4]}"):
        resolve_adapter("k", str(folder), linked, linked.source, False)
    # One of the Hub may come only when it is used.
    loaded = load_base(linked)
    with pytest.raises(UserError, match=says), adapted(loaded.model, folder, linked):
        pass
    assert digest_of_weights(loaded.model) == loaded.digest


def test_a_share_of_rank_1_does_not_fit_its_base(
    rank_1: Path, linked: Base, tmp_path: Path
) -> None:
    """Its A is not divided, so that only the base tells."""
    folder = share_of(rank_1, 0, 2, tmp_path / "theirs")
    resolve_adapter("k", str(folder), linked, linked.source, False)
    with (
        pytest.raises(UserError, match=r"does not fit the base .*size mismatch.*lora_B"),
        adapted(load_base(linked).model, folder, linked),
    ):
        pass
    assert digest_of_weights(load_base(linked).model) == load_base(linked).digest


def test_an_adapter_without_tensors_is_refused_and_one_of_zeros_is_not(
    plain: Path, linked: Base, tmp_path: Path
) -> None:
    nothing = changed(plain, tmp_path / "nothing")
    save_file({}, nothing / WEIGHTS)
    with pytest.raises(UserError, match="is empty: no tensor is in it"):
        resolve_adapter("k", str(nothing), linked, linked.source, False)
    untrained = changed(plain, tmp_path / "untrained")
    tensors = load_file(plain / WEIGHTS)
    zeros = {name: t * 0 if "lora_B" in name else t for name, t in tensors.items()}
    save_file(zeros, untrained / WEIGHTS)
    resolve_adapter("k", str(untrained), linked, linked.source, False)


def test_the_lab_saves_no_part_either(plain: Path, linked: Base, tmp_path: Path) -> None:
    from peft import LoraConfig

    share = load_file(share_of(plain, 0, 2, tmp_path / "share") / WEIGHTS)
    config = LoraConfig.from_pretrained(str(plain))
    with pytest.raises(UserError, match="adapter to be saved is what one of several"):
        write_adapter(share, config, linked, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_accelerate_that_saves_parts_is_refused_where_it_would() -> None:
    with pytest.raises(UserError, match=r"fsdp2 needs accelerate 1\.15\.0 or newer, and 1\.9\.0"):
        refuse_old_accelerate("fsdp2", "1.9.0")
    refuse_old_accelerate("ddp", "1.9.0")
    refuse_old_accelerate("fsdp2", SAVES_WHOLE)


@pytest.mark.parametrize(
    ("declared", "base"),
    [
        ("unsloth/Llama-3.1-8B-Instruct", LLAMA),
        ("unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", LLAMA),
        ("unsloth/meta-llama-3.1-8b-instruct-unsloth-bnb-4bit", LLAMA),
        ("unsloth/Llama-3.1-8B-Instruct-bnb-8bit", LLAMA),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", LLAMA),
        ("unsloth/qwen2.5-7b-instruct-bnb-4bit", QWEN),
        ("unsloth/gemma-2-9b-it-bnb-4bit", "google/gemma-2-9b-it"),
        ("unsloth/mistral-7b-instruct-v0.3-bnb-4bit", "mistralai/Mistral-7B-Instruct-v0.3"),
        ("unsloth/Llama-3.1-8B-Instruct-bnb-4bit", "unsloth/Llama-3.1-8B-Instruct"),
        ("/scratch/x/hub/models--meta-llama--Llama-3.1-8B-Instruct/snapshots/0e9e39f", LLAMA),
        (r"C:\x\models--Qwen--Qwen2.5-7B-Instruct\snapshots\a09a354", QWEN),
    ],
)
def test_copies_of_a_base_are_known_by_name(declared: str, base: str) -> None:
    assert one_model(declared, base)
    assert one_model(base, declared)


@pytest.mark.parametrize(
    ("declared", "base"),
    [
        ("unsloth/Llama-3.1-8B", LLAMA),
        ("unsloth/Llama-3.1-70B-Instruct-bnb-4bit", LLAMA),
        ("unsloth/Llama-3.1-8B-Instruct-GGUF", LLAMA),
        ("unsloth/Llama-3.1-8B-Instruct-bnb-2bit", LLAMA),
        ("someone/Llama-3.1-8B-Instruct", LLAMA),
        ("someone/Llama-3.1-8B-Instruct-bnb-4bit", LLAMA),
        ("unsloth/Llama-3.1-8B-Instruct", "someone/Llama-3.1-8B-Instruct"),
        ("unsloth/Phi-3.5-mini-instruct", "microsoft/Phi-3.5-mini-instruct"),
        ("/models/Llama-3.1-8B-Instruct", LLAMA),
        ("/models/Llama-3.1-8B-Instruct", "/elsewhere/Llama-3.1-8B-Instruct"),
        ("./unsloth/Llama-3.1-8B-Instruct", LLAMA),
        ("someone/meta-bird-1b", "someone/bird-1b"),
    ],
)
def test_another_model_is_not_taken_for_a_copy(declared: str, base: str) -> None:
    assert not one_model(declared, base)
    assert not one_model(base, declared)


def named(plain: Path, to: Path, declared: str | None) -> str:
    return str(changed(plain, to, base_model_name_or_path=declared))


def test_a_quantized_copy_is_taken_for_its_base_and_said(
    plain: Path, linked: Base, tmp_path: Path
) -> None:
    base = replace(linked, name=LLAMA, source=LLAMA)
    copy = "unsloth/llama-3.1-8b-instruct-unsloth-bnb-4bit"
    found = resolve_adapter("k", named(plain, tmp_path / "copy", copy), base, None, False)
    assert found.other_name == copy
    own = resolve_adapter("k", named(plain, tmp_path / "own", LLAMA), base, None, False)
    assert own.other_name is None
    # What it calls its base is in its files, and so in its identity: nothing is added to that.
    assert found.identity != own.identity


def test_the_plan_says_that_a_copy_is_taken_for_the_base(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.model.foreign.one_model", lambda one, other: "-bnb-4bit" in one)
    adapter = named(plain, tmp_path / "theirs", "unsloth/linked-bnb-4bit")
    config = {
        "study": "x",
        "model": {"base": "reference/linked"},
        "groups": {"theirs": {"adapter": adapter, "behavior": "risk"}},
    }
    plan = make_plan(validate(config, "here"))
    (note,) = (note for note in plan.notes if "unsloth" in note)
    assert "theirs: its adapter was trained on unsloth/linked-bnb-4bit" in note


@pytest.mark.parametrize(
    "declared", ["/home/them/base", "./base", "~them/base", r"C:\them\base", "a/b/c"]
)
def test_a_path_of_another_machine_is_named_with_the_way_out(
    declared: str, plain: Path, linked: Base, tmp_path: Path
) -> None:
    theirs = named(plain, tmp_path / "theirs", declared)
    with pytest.raises(UserError) as refused:
        resolve_adapter("k", theirs, linked, None, False)
    assert f"trained on {declared!r}, a path that is not here" in str(refused.value)
    assert f"`declares: {declared}`" in str(refused.value)
    resolve_adapter("k", theirs, linked, declared, False)


@pytest.mark.parametrize("declared", [None, ""])
def test_an_adapter_that_names_no_base_is_refused(
    declared: str | None, plain: Path, linked: Base, tmp_path: Path
) -> None:
    theirs = named(plain, tmp_path / "theirs", declared)
    with pytest.raises(UserError, match=r"does not say on which model .* base_model_name_or_path"):
        resolve_adapter("k", theirs, linked, None, False)
