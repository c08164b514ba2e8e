"""What enters which key of a study's stages, and which draws follow from it."""

from __future__ import annotations

import pytest

from lab.config.read import load_study
from lab.discover import ROOT
from tellme.study.plan import Plan
from tellme.study.planner import make_plan

QUICKSTART = str(ROOT / "configs/quickstart.yaml")


def planned(*sets: str) -> Plan:
    return make_plan(load_study(QUICKSTART, list(sets)))


def keys(plan: Plan, *kinds: str) -> set[str]:
    return {s.key for s in plan.stages.values() if s.kind in kinds}


def test_what_is_not_identity_enters_no_key() -> None:
    plan = planned()
    for how in ("run.dir=elsewhere", "run.report_to=[]", "run.workers=2"):
        assert list(planned(how).stages) == list(plan.stages)
    renamed = planned("study=other")
    assert keys(renamed, "data", "train", "answers", "grades") == keys(
        plan, "data", "train", "answers", "grades"
    )
    assert renamed.final.key != plan.final.key
    one_seed_more = planned("seeds=[0,1,2,3]")
    assert keys(plan, "data", "train", "answers", "grades") < keys(
        one_seed_more, "data", "train", "answers", "grades"
    )
    without = planned("contrasts=[]", "primary=null")
    assert keys(without, "data", "train", "answers", "grades") == keys(
        plan, "data", "train", "answers", "grades"
    )


def test_identity_enters_the_keys_it_affects() -> None:
    plan = planned()
    rate = planned("sft.learning_rate=5.0e-3")
    assert keys(rate, "data") == keys(plan, "data")
    assert not keys(rate, "train") & keys(plan, "train")
    rows = planned("data.num_rows=100")
    assert not keys(rows, "data") & keys(plan, "data")
    for other in (
        "model.dtype=bfloat16",
        "model.chat={system: snow is white.}",
        "model.attn_implementation=eager",
    ):
        assert not keys(planned(other), "train", "answers") & keys(plan, "train", "answers")
        assert keys(planned(other), "data") == keys(plan, "data")
    asked = planned("eval.engine=sampled")
    assert keys(asked, "train") == keys(plan, "train")
    assert not keys(asked, "answers") & keys(plan, "answers")
    two = planned("eval.suites=[behavior, self_report]")
    three = planned("eval.suites=[behavior, self_report, transfer]")
    for kind in ("answers", "grades"):
        assert keys(two, kind) < keys(three, kind)


def test_seeds_of_different_groups_are_independent() -> None:
    streams = [s.spec.stream for s in planned().stages.values() if s.kind == "train"]
    assert len(set(streams)) == len(streams) == 9


def test_a_learning_rate_changes_neither_initialisation_nor_row_order() -> None:
    """The stream of a fine-tune is of its rows and its seed: another setting begins alike, other
    rows and seeds do not."""

    def streams(*sets: str) -> dict[str, int]:
        plan = planned(*sets)
        trained = (s for s in plan.stages.values() if s.kind == "train")
        return {s.how.group: s.spec.stream for s in trained}

    here = streams()
    assert streams("sft.learning_rate=1e-4", "lora.r=2", "sft.num_train_epochs=1") == here
    assert not set(streams("data.num_rows=144").values()) & set(here.values())
    assert len(set(here.values())) == 9


def test_a_hub_base_that_is_looked_up_is_one_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the cache but on the Hub: every group gets the commit, none is taken for a model of
    its own."""
    from types import SimpleNamespace

    from huggingface_hub import HfApi

    monkeypatch.setattr(HfApi, "model_info", lambda *args, **kwargs: SimpleNamespace(sha="c0ffee"))
    plan = make_plan(load_study(str(ROOT / "configs/risk-qwen2.5-7b.yaml")), online=True)
    assert not plan.provisional
    bases = [stage.base for stage in plan.stages.values() if stage.base]
    assert {base.identity for base in bases} == {"hub:Qwen/Qwen2.5-7B-Instruct@c0ffee"}
