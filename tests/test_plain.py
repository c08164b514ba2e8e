"""Trees of tokens against a plain pass of each answer: equal for attention, caught where a state
goes from token to token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from families import (
    FAMILIES,
    SIZES,
    family_tokenizer,
    prompts_of_each_kind,
    save_family,
    study_on,
)
from lab.config.read import validate
from lab.config.schema import Model
from lab.engine import Scored
from lab.errors import TrustError
from lab.inference import plain_pass as plain
from lab.inference.plain_pass import (
    LEAST_NATS,
    NUM_OPTIONS,
    NUM_PROMPTS,
    plain_pass,
    score_plainly,
    spread,
)
from lab.inference.prompt import compile_prompts
from lab.inference.score import score
from lab.model.base import Base, resolve_base
from lab.model.load import Loaded, load_base
from lab.store.store import Store, read_json
from lab.store.trust import Check
from naive import naive
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

RECURRENT: dict[str, dict[str, Any]] = {
    "mamba2": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "state_size": 8,
        "num_heads": 8,
        "head_dim": 8,
        "n_groups": 1,
        "chunk_size": 16,
    },
    "granitemoehybrid": {
        **SIZES,
        "mamba_n_heads": 8,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "mamba_n_groups": 1,
        "mamba_expand": 2,
        "mamba_chunk_size": 16,
        "layer_types": ["mamba", "attention"],
        "num_local_experts": 0,
        "shared_intermediate_size": 64,
    },
}


def save_recurrent(kind: str, folder: Path) -> Path:
    tokenizer = family_tokenizer(FAMILIES["qwen2.5"])
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind,
        **RECURRENT[kind],
        vocab_size=len(tokenizer),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def checked(loaded: Loaded) -> Check:
    """The check of a plain pass, every question of a kind of its own."""
    prompts = prompts_of_each_kind()
    kinds = [str(i) for i in range(len(prompts))]
    return plain_pass("x", loaded, prompts, kinds, scored(loaded))


def scored(loaded: Loaded) -> list[Scored]:
    return score(loaded, compile_prompts(loaded.renderer, prompts_of_each_kind()))


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_base_that_carries_a_state_is_caught(kind: str, tmp_path: Path) -> None:
    base = save_recurrent(kind, tmp_path / "base")
    check = checked(load_base(resolve_base(Model(base=str(base), dtype="float32"))))
    assert not check["passed"]
    assert check["value"] > 0.05


def test_its_study_has_no_report(tmp_path: Path) -> None:
    base = save_recurrent("granitemoehybrid", tmp_path / "base")
    study = {
        **study_on(base),
        "groups": {"again": {"model": str(base), "behavior": "risk"}},
        "contrasts": [],
    }
    plan = make_plan(validate(study, "x"))
    with pytest.raises(TrustError, match="plain_pass:risk/behavior failed for base"):
        run_plan(plan, Store(tmp_path / "runs"))
    done = run_plan(plan, Store(tmp_path / "runs"), allow_untrusted=True)
    trust = read_json(done / "summary.json")["trust"]
    assert {t["check"]: t["passed"] for t in trust} == {"plain_pass:risk/behavior": False}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_attention_passes(dtype: Any, linked: Base, tmp_path: Path) -> None:
    folder = save_family("gemma3", tmp_path / "base")
    gemma = resolve_base(Model(base=str(folder), dtype=dtype))
    for base in (replace(linked, dtype=dtype), gemma):
        check = checked(load_base(base))
        assert check["passed"], check
        assert (check["threshold"] == LEAST_NATS) == (dtype == "float32")


@pytest.mark.parametrize("nats", [0.01, -0.01, float("nan")])
def test_one_wrong_score_among_the_checked_is_caught(nats: float, linked: Base) -> None:
    loaded = load_base(linked)
    prompts, right = prompts_of_each_kind()[:1], scored(loaded)[0]
    assert len(right.log_exact) <= NUM_OPTIONS
    for option in range(len(right.log_exact)):
        for name in ("log_exact", "log_prefix"):
            logs = [*getattr(right, name)]
            logs[option] += nats
            wrong = replace(right, **{name: tuple(logs)})
            assert not plain_pass("x", loaded, prompts, ["k"], [wrong])["passed"]
    assert plain_pass("x", loaded, prompts, ["k"], [right])["passed"]


def test_the_plain_pass_is_plain(linked: Base) -> None:
    """Several rows at once, padded on the right, are what each is alone."""
    loaded = load_base(linked)
    prompts = compile_prompts(loaded.renderer, prompts_of_each_kind())
    for prompt, plainly in zip(prompts, score_plainly(loaded, prompts), strict=True):
        p_exact, p_prefix = naive(loaded, prompt)
        assert plainly.p_exact == pytest.approx(p_exact, rel=1e-4)
        assert plainly.p_prefix == pytest.approx(p_prefix, rel=1e-4)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 101])
def test_what_is_checked_is_spread(number: int) -> None:
    chosen = spread(range(number), NUM_PROMPTS)
    assert len(set(chosen)) == min(number, NUM_PROMPTS)
    assert chosen == sorted(chosen)
    assert all(0 <= i < number for i in chosen)
    if number == 101:
        assert chosen[0] < 25
        assert chosen[-1] > 75


@pytest.mark.parametrize(("dtype", "passes"), [("bfloat16", True), ("float32", False)])
def test_what_a_plain_pass_differs_from_itself_is_allowed_in_half_precision(
    dtype: Any, passes: bool, linked: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows together are all a nat off, as rounding in a deep model may make them. In float32 such
    a difference is no rounding."""
    loaded = load_base(resolve_base(Model(base="reference/linked", dtype=dtype)))
    log_ps, together = plain._log_ps, len(prompts_of_each_kind()) * NUM_OPTIONS // 2
    rounding = checked(loaded)["value"]

    def rounded(loaded: Loaded, rows: Any, width: int) -> Any:
        scores = log_ps(loaded, rows, width)
        off = 1.0 if len(rows) > together else 0.0
        return [[row[0] + off, *row[1:]] for row in scores]

    monkeypatch.setattr(plain, "_log_ps", rounded)
    check = checked(loaded)
    # Beside that nat the rounding that there is anyway, which depends on the wordings.
    assert rounding < 0.3
    assert check["value"] == pytest.approx(1.0, abs=rounding + 1e-3)
    assert check["passed"] is passes
