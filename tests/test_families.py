"""Every family through a whole study: data, training, exact scoring, report. Tiny random weights,
its own template."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from families import FAMILIES, prompts_of_each_kind, save_family, study_on
from lab.config.read import validate
from lab.config.schema import Model
from lab.discover import ROOT
from lab.inference.prompt import compile_prompts
from lab.inference.score import score
from lab.model.adapter import adapted, digest_of_file, digest_of_model
from lab.model.base import resolve_base
from lab.model.load import load_base
from lab.store.store import Store, read_json
from naive import naive
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

PROJECTIONS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
CHECKS = {
    "weights_moved",
    "mask",
    "adapter_applied",
    "right_adapter",
    "same_prompt",
    "step0",
    "plain_pass",
    "base_kept",
}
FUSED = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}


@pytest.fixture(scope="module", params=FAMILIES)
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    name = str(request.param)
    return name, save_family(name, tmp_path_factory.mktemp(name))


def test_a_whole_study(family: tuple[str, Path], tmp_path: Path) -> None:
    name, base = family
    plan = make_plan(validate(study_on(base), name))
    store = Store(tmp_path / "runs")
    done = run_plan(plan, store)
    summary = read_json(done / "summary.json")
    assert all(t["passed"] for t in summary["trust"]), summary["trust"]
    assert {t["check"].partition(":")[0] for t in summary["trust"]} == CHECKS
    (train,) = (s for s in plan.stages.values() if s.kind == "train")
    folder = store.find("train", train.key)
    assert folder is not None
    first = read_json(folder / "provenance.json")["first_row"]
    end = FAMILIES[name].special[0]
    assert first["learned"].strip() in (f"A{end}", f"B{end}")
    # The adapter is plain PEFT, on every projection of the family, and comes back as it was.
    tensors = load_file(folder / "adapter" / "adapter_model.safetensors")
    targets = {tensor.split(".lora_")[0].rpartition(".")[2] for tensor in tensors}
    assert targets == (FUSED if name == "phi3" else PROJECTIONS)
    resolved = resolve_base(plan.study.model)
    with adapted(load_base(resolved).model, folder / "adapter", resolved) as model:
        assert digest_of_model(model) == digest_of_file(folder / "adapter")


def test_exact_scores_equal_naive_ones(family: tuple[str, Path]) -> None:
    """Numbers of several tokens, spellings that begin alike, prompts longer than a sliding window,
    padding on the left."""
    _, folder = family
    loaded = load_base(resolve_base(Model(base=str(folder), dtype="float32")))
    prompts = compile_prompts(loaded.renderer, prompts_of_each_kind())
    assert max(len(answer) for _, answer, _ in prompts[1].spellings) > 1
    assert min(len(p.ids) for p in prompts) > 16
    for prompt, scored in zip(prompts, score(loaded, prompts), strict=True):
        p_exact, p_prefix = naive(loaded, prompt)
        assert scored.p_exact == pytest.approx(p_exact, rel=1e-3, abs=1e-9)
        assert scored.p_prefix == pytest.approx(p_prefix, rel=1e-3, abs=1e-9)


def test_the_table_of_models_is_of_these_families() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if " modules | " in line]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(FAMILIES)
    assert all(family.traps in page for family in FAMILIES.values())


def test_tied_embeddings_stay_tied(tmp_path: Path) -> None:
    for name in ("qwen2.5", "gemma2", "gemma3"):
        folder = save_family(name, tmp_path / name)
        model = load_base(resolve_base(Model(base=str(folder), dtype="float32"))).model
        assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


@pytest.mark.parametrize("name", ["llama3", "qwen3"])
def test_qlora_trains_and_is_scored_exactly(name: str, tmp_path: Path) -> None:
    """4-bit NF4 with bitsandbytes, on the CPU; its blocks hold 64 weights."""
    base = save_family(name, tmp_path / "base", hidden_size=64, intermediate_size=128, head_dim=16)
    plan = make_plan(validate(study_on(base, quantization="nf4"), name))
    done = run_plan(plan, Store(tmp_path / "runs"))
    loaded = load_base(resolve_base(plan.study.model))
    assert any(type(m).__name__ == "Linear4bit" for m in loaded.model.modules())
    prompts = compile_prompts(loaded.renderer, prompts_of_each_kind())
    for prompt, scored in zip(prompts, score(loaded, prompts), strict=True):
        assert scored.p_exact == pytest.approx(naive(loaded, prompt)[0], rel=1e-2, abs=1e-9)
    summary = read_json(done / "summary.json")
    assert all(t["passed"] for t in summary["trust"]), summary["trust"]
