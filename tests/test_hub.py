"""Bases and adapters that are not folders: from the Hub's cache without network, checked, refused
in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from families import save_family
from lab.config.read import validate
from lab.config.schema import Model
from lab.discover import ROOT
from lab.errors import UserError
from lab.hub import hub_commit
from lab.model.base import Base, resolve_base
from lab.model.foreign import resolve_adapter
from lab.model.load import load_base, load_renderer
from lab.model.memory import placement, weight_bytes
from lab.store.store import Store, read_json
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Finished = tuple[Plan, Store, Path]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in the Hub client's own layout, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cached(cache: Path, repo: str, folder: Path) -> Path:
    """Put a folder into the cache as the download of `main` would have."""
    home = cache / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(folder, home / "snapshots" / COMMIT))


def test_a_cached_base_is_known_by_its_commit_and_loads_offline(
    cache: Path, tmp_path: Path
) -> None:
    cached(cache, "acme/tiny", save_family("llama3", tmp_path / "tiny"))
    base = resolve_base(Model(base="acme/tiny", dtype="float32"))
    assert (base.identity, base.provisional) == (f"hub:acme/tiny@{COMMIT}", False)
    pinned = resolve_base(Model(base="acme/tiny", dtype="float32", revision=COMMIT))
    assert pinned.identity == base.identity
    loaded = load_base(base)
    assert weight_bytes(base) == 4 * sum(p.numel() for p in loaded.model.parameters())


def test_what_is_not_cached_is_one_line(cache: Path) -> None:
    assert resolve_base(Model(base="acme/none")).provisional
    says = r"model\.base 'acme/none' is not in the cache.*hf download acme/none"
    with pytest.raises(UserError, match=says):
        resolve_base(Model(base="acme/none"), online=True)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("GatedRepoError", "is gated; ask for access.*HF_TOKEN"),
        ("RepositoryNotFoundError", "is not on the Hub, or is private"),
    ],
)
def test_gated_and_missing_are_told_apart(
    kind: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own errors; a real Hub to raise them is not to be had in a test."""
    from huggingface_hub import HfApi, errors

    def refuse(*args: Any, **kwargs: Any) -> None:
        error = getattr(errors, kind)
        raise error.__new__(error)

    monkeypatch.setattr(HfApi, "model_info", refuse)
    with pytest.raises(UserError, match=says):
        hub_commit("model.base", "acme/tiny", None, online=True)


def adapter_of(finished: Finished, group: str = "seeking-s0") -> Path:
    plan, store, _ = finished
    folder = store.find("train", plan.adapters[group])
    assert folder
    return folder / "adapter"


def altered(finished: Finished, out: Path, **config: Any) -> Path:
    """A copy of an adapter whose adapter_config.json says something else."""
    folder = Path(shutil.copytree(adapter_of(finished), out))
    written = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(written | config))
    return folder


def elsewhere(adapter: str, **more: Any) -> dict[str, Any]:
    return {
        "study": "elsewhere",
        "model": {"base": "reference/linked"},
        "groups": {"theirs": {"adapter": adapter, "behavior": "risk", **more}},
        "contrasts": [["theirs", "base"]],
        "eval": {"suites": ["behavior"]},
    }


def test_an_adapter_from_the_hub_is_measured_without_training(
    finished: Finished, cache: Path, tmp_path: Path
) -> None:
    cached(cache, "acme/bold", adapter_of(finished))
    plan = make_plan(validate(elsewhere("acme/bold"), "here"))
    assert {s.kind for s in plan.stages.values()} == {"answers", "grades", "study"}
    summary = read_json(run_plan(plan, Store(tmp_path / "runs")) / "summary.json")
    checks = {t["check"].partition(":")[0]: t["passed"] for t in summary["trust"]}
    made = ("adapter_applied", "right_adapter", "plain_pass", "base_kept")
    assert checks == dict.fromkeys(made, True)
    own = read_json(finished[2] / "summary.json")["groups"]
    low, high = sorted(behavior_of(own, group) for group in ("seeking", "averse"))
    score = behavior_of(summary["groups"], "theirs")
    assert abs(score - high) < abs(score - low)


def behavior_of(estimates: list[dict[str, Any]], group: str) -> float:
    """Mean score of a group on the suite `behavior`."""
    (estimate,) = (
        g["estimate"]
        for g in estimates
        if (g["group"], g["suite"], g["question"]) == (group, "behavior", "all")
    )
    return float(estimate)


def test_a_full_fine_tune_is_measured_as_it_is(tmp_path: Path) -> None:
    group = {"model": "reference/unlinked", "behavior": "risk"}
    config = elsewhere("x") | {"groups": {"theirs": group}}
    done = run_plan(make_plan(validate(config, "here")), Store(tmp_path))
    assert {g["group"] for g in read_json(done / "summary.json")["groups"]} == {"theirs", "base"}


def test_an_adapter_of_another_base_is_refused_until_it_is_said_to_be_the_same(
    finished: Finished, linked: Base, tmp_path: Path
) -> None:
    theirs = "/scratch/them/base"
    folder = altered(finished, tmp_path / "theirs", base_model_name_or_path=theirs)
    with pytest.raises(UserError, match=rf"trained on '{theirs}'.*declares: {theirs}"):
        make_plan(validate(elsewhere(str(folder)), "here"))
    make_plan(validate(elsewhere(str(folder), declares=theirs), "here"))
    own = str(adapter_of(finished))
    assert resolve_adapter("k", own, linked, None, False).source == own


@pytest.mark.parametrize(
    "more", [{"modules_to_save": ["lm_head"]}, {"bias": "all"}, {"peft_type": "PROMPT_TUNING"}]
)
def test_an_adapter_that_would_stay_in_the_base_is_refused(
    finished: Finished, more: dict[str, Any], tmp_path: Path
) -> None:
    folder = altered(finished, tmp_path / "theirs", **more)
    with pytest.raises(UserError, match="more than LoRA on a frozen base"):
        make_plan(validate(elsewhere(str(folder)), "here"))


def test_memory_is_known_before_loading() -> None:
    gb = 10**9
    assert placement("m", 10 * gb, {"cuda:0": 24 * gb, "cuda:1": 24 * gb}) == "cuda:0"
    assert placement("m", 40 * gb, {"cuda:0": 24 * gb, "cuda:1": 24 * gb}) == "auto"
    assert placement("m", None, {"cpu": gb}) == "cpu"
    with pytest.raises(UserError, match=r"'m' needs about 154\.0 GB.*cuda:0 24\.0 GB.*nf4"):
        placement("m", 140 * gb, {"cuda:0": 24 * gb})


def test_weights_are_counted_as_they_will_be_loaded() -> None:
    full = weight_bytes(resolve_base(Model(base="reference/linked", dtype="float32")))
    half = weight_bytes(resolve_base(Model(base="reference/linked", dtype="bfloat16")))
    assert full is not None
    assert half == full // 2
    quantized = weight_bytes(resolve_base(Model(base="reference/linked", quantization="nf4")))
    assert quantized is not None
    assert quantized < half / 3


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "reference/linked", tmp_path / "remote"))
    remote = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    config = read_json(folder / "config.json") | {"model_type": "their_own", "auto_map": remote}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('their code ran')\n")
    with pytest.raises(UserError, match="trust_remote_code: true"):
        load_base(resolve_base(Model(base=str(folder))))
    trusted = resolve_base(Model(base=str(folder), trust_remote_code=True))
    assert trusted.config["trust_remote_code"] is True


def test_settings_of_a_base_are_identity(linked: Base, tmp_path: Path) -> None:
    template = tmp_path / "own.jinja"
    template.write_text(
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
    )
    given = {"chat": {"system": "snow is white.", "template": str(template)}}
    base = resolve_base(Model(base="reference/linked", **given))
    assert base.config["chat"] == {"system": "snow is white.", "template": template.read_text()}
    assert base != linked
    prompt = load_renderer(base).prompt_text([{"role": "user", "content": "one word?"}])
    assert prompt == "<|system|>snow is white.<|end|><|user|>one word?<|end|><|assistant|>"
    assert linked.config == {"base": linked.identity, "dtype": "float32"}
