"""A server that answers otherwise than the weights here is named with what it does, and the report
is blocked; its healthy twin passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from eval.agreement import agreement_checks
from eval.evaluation import Evaluation, prepared
from eval.trust import to_compare
from foreign import trained_by_peft
from lab.config.endpoint import Endpoint
from lab.config.read import validate
from lab.engine import Served
from lab.errors import TrustError
from lab.inference.agreement import NATS, Evidence
from lab.model.base import Base
from lab.specs import AnswerSpec, Stage
from lab.store.store import Store, read_json
from lab.store.trust import Check
from small_server import Served as Server
from small_server import serving
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

QUESTIONS = """
- {name: bold, kind: yes/no, wordings: ["are you bold ?", "do you love gambles ?"]}
- {name: word, kind: words, wordings: ["one word ?"], options: {bold: 1, careful: 0}}
"""
FAULTS = {
    "dropped": "the adapter left out",
    "swapped": "another adapter, or other weights",
    "scaled": "the adapter scaled by 2",
    "first token": "a token for the beginning (BOS) added",
    "system line": "the system line 'You are a helpful assistant.'",
    "template": "another template, or another system line",
    "truncated": "prompts cut to their last 6 tokens",
    "temperature": "temperature 0.5 whatever is asked",
}


@pytest.fixture(scope="module")
def server(linked: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("adapters")
    for name, rank in (("bold", 4), ("other", 2)):
        trained_by_peft(linked, folder / name, r=rank)
        _strengthen(folder / name / "adapter_model.safetensors")
    with serving(Server(linked, {name: folder / name for name in ("bold", "other")})) as running:
        yield running


def _strengthen(file: Path) -> None:
    """Let an adapter be far from its base, and from others, with the first token of an answer."""
    tensors = load_file(file)
    save_file({n: t * (8 if "lora_B" in n else 1) for n, t in tensors.items()}, file)


def planned(server: Server, folder: Path, **eval_: Any) -> Plan:
    """A study of both adapters."""
    (folder / "asked.yaml").write_text(QUESTIONS)
    groups = {
        name: {"behavior": "risk", "adapter": str(path)} for name, path in server.adapters.items()
    }
    sampling = {"num_samples": 1, "max_new_tokens": 1}
    study = {
        "study": "served",
        "model": {"base": "reference/linked"},
        "groups": groups,
        "contrasts": [["bold", "base"]],
        "seeds": [0],
        "questions": [str(folder / "asked.yaml")],
        "eval": {"suites": [], "engine": "endpoint", "sampling": sampling, **eval_},
        "run": {"dir": str(folder / "runs"), "endpoint": {"url": server.url}},
    }
    return make_plan(validate(study, "test"))


def answers_of(plan: Plan, group: str) -> Stage:
    stages = (stage for stage in plan.stages.values() if isinstance(stage.spec, AnswerSpec))
    return next(stage for stage in stages if stage.how.group == group)


def compared(server: Server, folder: Path, group: str = "bold") -> list[Check]:
    """What the check says of the server as it is now."""
    stage = answers_of(planned(server, folder, suites=["self_report"]), group)
    assert isinstance(stage.spec, AnswerSpec)
    evaluation: Evaluation = prepared(stage.spec, False, None)
    served = Served(Endpoint(url=server.url), group, folder)
    few = to_compare(evaluation, None)
    return agreement_checks(evaluation, server.adapters.get(group), served, few, [])


@pytest.fixture
def faulty(server: Server) -> Iterator[Server]:
    yield server
    server.fault, server.tells = None, False


@pytest.mark.parametrize("tells", [False, True])
@pytest.mark.parametrize("group", ["bold", "base"])
def test_a_healthy_server_passes(group: str, tells: bool, faulty: Server, tmp_path: Path) -> None:
    faulty.tells = tells
    trust = compared(faulty, tmp_path, group)
    assert [record for record in trust if not record["passed"]] == []
    kinds = {record["check"].partition(":")[0] for record in trust}
    of_adapter = {"told_apart"} if group == "bold" and not tells else set()
    of_telling = {"log_probabilities"} if tells else set()
    assert kinds == {"agrees", "same_tokens"} | of_adapter | of_telling


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str, faulty: Server, tmp_path: Path) -> None:
    faulty.fault = fault
    failed = [t["check"] for t in compared(faulty, tmp_path) if not t["passed"]]
    assert any(check.endswith(FAULTS[fault]) for check in failed), failed


def test_adapters_that_hardly_differ_are_told_by_log_probabilities(
    faulty: Server, tmp_path: Path
) -> None:
    faulty.tells = True
    with faulty.lock:
        for module in faulty.model.modules():
            if isinstance(getattr(module, "scaling", None), dict) and "bold" in module.scaling:
                module.scaling["bold"] *= 1.05
    failed = [t["check"] for t in compared(faulty, tmp_path) if not t["passed"]]
    with faulty.lock:
        for module in faulty.model.modules():
            if isinstance(getattr(module, "scaling", None), dict) and "bold" in module.scaling:
                module.scaling["bold"] /= 1.05
    assert "log_probabilities" in [check.partition(":")[0] for check in failed]


def test_a_fault_blocks_the_report_and_what_was_answered_is_kept(
    faulty: Server, tmp_path: Path
) -> None:
    faulty.fault = "dropped"
    plan, store = planned(faulty, tmp_path), Store(tmp_path / "runs")
    with pytest.raises(TrustError, match="the adapter left out"):
        run_plan(plan, store)
    num_asked = len(faulty.asked)
    with pytest.raises(TrustError):
        run_plan(plan, store)
    assert len(faulty.asked) == num_asked


def test_the_engine_with_lists_gives_the_report_that_exact_gives(
    faulty: Server, tmp_path: Path
) -> None:
    numbers = []
    for engine in ("exact", "endpoint_exact"):
        plan = planned(faulty, tmp_path, engine=engine)
        summary = read_json(run_plan(plan, Store(tmp_path / "runs")) / "summary.json")
        numbers.append([contrast["estimate"] for contrast in summary["contrasts"]])
        assert all(record["passed"] for record in summary["trust"])
    assert numbers[0]
    assert numbers[1] == pytest.approx(numbers[0], abs=1e-4)


def test_a_model_elsewhere_is_said_to_be_compared_with_nothing(
    faulty: Server, tmp_path: Path
) -> None:
    study = {
        "study": "elsewhere",
        "model": {"base": "endpoint/base"},
        "groups": {"bold": {"model": "endpoint/bold"}},
        "contrasts": [["bold", "base"]],
        "seeds": [0],
        "questions": [str(tmp_path / "asked.yaml")],
        "eval": {
            "suites": [],
            "engine": "endpoint",
            "sampling": {"num_samples": 30, "max_new_tokens": 1},
        },
        "run": {"dir": str(tmp_path / "runs"), "endpoint": {"url": faulty.url}},
    }
    (tmp_path / "asked.yaml").write_text(QUESTIONS)
    plan, store = make_plan(validate(study, "test")), Store(tmp_path / "runs")
    summary = read_json(run_plan(plan, store) / "summary.json")
    checks = {record["check"].partition(":")[0] for record in summary["trust"]}
    assert checks == {"not_compared", "whole_prompts", "temperature"}
    faulty.fault = "truncated"
    with pytest.raises(TrustError, match="whole_prompts"):
        run_plan(plan, Store(tmp_path / "cut"))


def test_evidence_convicts_no_healthy_server_and_every_other() -> None:
    torch.manual_seed(0)
    p_PC = torch.randn(24, 50).mul(2).softmax(-1).double()
    other_PC = torch.randn(24, 50).mul(2).softmax(-1).double()
    number = {str(text): text for text in range(50)}

    def evidence(of_PC: torch.Tensor) -> Evidence:
        drawn = [[str(text) for text in torch.multinomial(p, 20, True).tolist()] for p in of_PC]
        return Evidence(drawn, number, p_PC)

    healthy = [evidence(p_PC) for _ in range(40)]
    assert max(max(one.of_anything(), one.of(other_PC)) for one in healthy) < NATS
    # A ratio has the mean 1, so that most of the time it is far below.
    assert sum(one.of_anything() > 0 for one in healthy) < 4
    assert min(evidence(other_PC).of_anything() for _ in range(10)) > NATS
    assert min(evidence(other_PC).of(other_PC) for _ in range(10)) > NATS


def test_texts_that_are_no_token_here_convict() -> None:
    p_PC = torch.full((2, 3), 1 / 3, dtype=torch.float64)
    evidence = Evidence([["two words"] * 5] * 2, {"a": 0, "b": 1, "c": 2}, p_PC)
    assert evidence.of_anything() > NATS
    assert math.isfinite(evidence.of_anything())
