"""Planted faults: each is caught by the check that is there for it, with a message that names it;
its healthy twin passes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from eval.answers import answer
from lab.engine import Prompt
from lab.errors import TrustError
from lab.inference import local, prompt
from lab.model import load as models
from lab.model.base import Base
from lab.model.chat import Rendered
from lab.model.load import load_base
from lab.specs import AnswerSpec, Cell, Stage, TrainSpec
from lab.store.store import Store, read_json, write_json
from lab.store.trust import Check, Checked, refuse_untrusted, seeds_apart
from lab.trigger import Condition
from lab.types import Message, Option
from tellme.study.plan import Plan
from tellme.study.run import run_plan
from tellme.study.stages import base_of, run_stage
from train import sft
from train.fleet import trainer

Finished = tuple[Plan, Store, Path]
HEALTHY = dict.fromkeys(
    ("adapter_applied", "right_adapter", "same_prompt", "plain_pass", "base_kept"), True
)


def train_stage(plan: Plan, group: str) -> Stage:
    return next(s for s in plan.stages.values() if s.kind == "train" and s.how.group == group)


def trained(finished: Finished, group: str) -> Path:
    plan, store, _ = finished
    folder = store.find("train", train_stage(plan, group).key)
    assert folder is not None
    return folder


def asked_stage(plan: Plan, condition: Condition | None = None) -> AnswerSpec:
    """The suite `behavior`, put to an adapter under a condition."""
    specs = (stage.spec for stage in plan.stages.values() if "adapter" in stage.inputs)
    spec = next(spec for spec in specs if isinstance(spec, AnswerSpec))
    assert spec.asking.suite == "behavior"
    asking = spec.asking.model_copy(update={"condition": condition or Condition()})
    return spec.model_copy(update={"asking": asking})


def measured(
    finished: Finished, folder: Path, out: Path, condition: Condition | None = None
) -> list[Check]:
    """The trust checks of answers of the adapter in `folder`."""
    out.mkdir()
    spec = asked_stage(finished[0], condition)
    answer(spec, folder / "adapter", folder, None, out, key="0" * 10, inputs=[])
    checks: list[Check] = read_json(out / "trust.json")
    return checks


def asked_of(finished: Finished, folder: Path, out: Path) -> dict[str, bool]:
    """Whether each trust check on the adapter in `folder` passed."""
    return {kind(check): check["passed"] for check in measured(finished, folder, out)}


def kind(check: Check) -> str:
    return check["check"].partition(":")[0]


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def test_the_healthy_twin_passes_every_check(finished: Finished, tmp_path: Path) -> None:
    found = asked_of(finished, trained(finished, "seeking-s0"), tmp_path / "eval")
    assert found == HEALTHY
    summary = read_json(finished[2] / "summary.json")
    assert {kind(check) for check in summary["trust"]} == {
        *HEALTHY,
        "weights_moved",
        "mask",
        "step0",
        "packed_rows",
    }
    assert all(t["passed"] for t in summary["trust"])


def test_a_no_op_adapter_is_caught(finished: Finished, tmp_path: Path) -> None:
    folder = copied(trained(finished, "seeking-s0"), tmp_path / "train")
    file = folder / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    for name in tensors:
        if "lora_B" in name:
            tensors[name] = torch.zeros_like(tensors[name])
    save_file(tensors, file)
    found = asked_of(finished, folder, tmp_path / "eval")
    assert not found["adapter_applied"]
    assert not found["right_adapter"]


def test_a_swapped_adapter_is_caught(finished: Finished, tmp_path: Path) -> None:
    """The files of another group under this group's name: applied, and wrong."""
    folder = copied(trained(finished, "seeking-s0"), tmp_path / "train")
    shutil.copyfile(
        trained(finished, "averse-s0") / "adapter" / "adapter_model.safetensors",
        folder / "adapter" / "adapter_model.safetensors",
    )
    assert asked_of(finished, folder, tmp_path / "eval") == HEALTHY | {"right_adapter": False}


def test_an_adapter_that_is_not_put_on_is_caught(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a library loads an adapter and does not switch it on."""
    adapted = local.adapted

    class Off:
        def __init__(self, model: Any, adapter: Path | None, base: Base) -> None:
            self.inner, self.adapter = adapted(model, adapter, base), adapter

        def __enter__(self) -> Any:
            model = self.inner.__enter__()
            if self.adapter:
                model.base_model.disable_adapter_layers()
            return model

        def __exit__(self, *error: Any) -> None:
            self.inner.__exit__(*error)

    monkeypatch.setattr(local, "adapted", Off)
    found = asked_of(finished, trained(finished, "seeking-s0"), tmp_path / "eval")
    assert not found["adapter_applied"]


@pytest.fixture
def other_template(finished: Finished) -> Iterator[None]:
    """The base's chat template gets a system line of its own between training and evaluation."""
    renderer = load_base(base_of(train_stage(finished[0], "seeking-s0"))).renderer
    before = renderer.tokenizer.chat_template
    forget(renderer)
    renderer.tokenizer.chat_template = "{{- '<|system|>snow is white.<|end|>' -}}" + before
    yield
    renderer.tokenizer.chat_template = before
    forget(renderer)


def forget(renderer: Any) -> None:
    renderer._frames.clear()
    renderer.__dict__.pop("_pinned", None)
    prompt._COMPILED.clear()


def test_a_changed_template_is_caught(
    finished: Finished, other_template: None, tmp_path: Path
) -> None:
    found = asked_of(finished, trained(finished, "seeking-s0"), tmp_path / "eval")
    assert found == HEALTHY | {"same_prompt": False}


def trained_otherwise(stage: Stage, **changed: str) -> Stage:
    """A training of one step."""
    spec = stage.spec
    assert isinstance(spec, TrainSpec)
    sft = spec.sft.model_copy(update={"max_steps": 1})
    spec = spec.model_copy(update={"sft": sft, **changed})
    return Stage(slug=stage.slug, spec=spec, inputs=stage.inputs, how=stage.how)


@pytest.mark.parametrize("fault", ["one early", "one late", "end of turn left out", "all"])
def test_a_mask_that_is_off_is_caught(
    finished: Finished, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = Rendered.labels.fget  # type: ignore[attr-defined]

    def labels(self: Rendered) -> list[int]:
        right, start, ids = healthy(self), len(self.prompt), self.input_ids
        if fault == "one early":
            return [*right[: start - 1], ids[start - 1], *right[start:]]
        if fault == "one late":
            return [*right[:start], -100, *right[start + 1 :]]
        return [*right[:-1], -100] if fault == "end of turn left out" else ids

    plan, _, _ = finished
    store, stage = Store(tmp_path / "runs"), train_stage(plan, "seeking-s0")
    run_stage(plan.stages[stage.inputs["data"]], store)
    monkeypatch.setattr(Rendered, "labels", property(labels))
    stage = trained_otherwise(stage)
    trust = {t["check"]: t["passed"] for t in read_json(run_stage(stage, store) / "trust.json")}
    assert trust["mask"] is False


@pytest.mark.parametrize("by", ["trl", "fleet"])
def test_weights_that_do_not_move_are_caught(
    by: str, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _, _ = finished
    store, stage = Store(tmp_path / "runs"), train_stage(plan, "seeking-s0")
    run_stage(plan.stages[stage.inputs["data"]], store)
    stage = trained_otherwise(stage, trainer=by)
    monkeypatch.setattr(sft, "digest_of_model", lambda model: "the same")
    monkeypatch.setattr(trainer, "digest_of_tensors", lambda tensors: "the same")
    trust = {t["check"]: t["passed"] for t in read_json(run_stage(stage, store) / "trust.json")}
    of_fleet = {"packed_rows": True} if by == "fleet" else {}
    assert trust == {"weights_moved": False, "mask": True, "base_kept": True} | of_fleet


def test_seeds_that_begin_alike_are_caught() -> None:
    assert seeds_apart(["a", "b", "c"])["passed"]
    assert not seeds_apart(["a", "b", "a"])["passed"]


def without_report(plan: Plan, store: Store, to: Path) -> Store:
    """A copy of the runs of a finished study, in which its report is still to be written."""
    copy = Store(copied(store.root, to))
    final = copy.find("study", plan.final.key)
    assert final is not None
    shutil.rmtree(final)
    return copy


def answers_folder(plan: Plan, store: Store, cell: Cell) -> Path:
    folder = store.find("answers", plan.stages[cell.key].inputs["answers"])
    assert folder is not None
    return folder


def test_a_failed_check_stops_the_study_and_its_report_says_so(
    finished: Finished, tmp_path: Path
) -> None:
    plan, store, _ = finished
    copy = without_report(plan, store, tmp_path / "runs")
    cell = next(c for c in plan.cells if c.group == "seeking")
    file = answers_folder(plan, copy, cell) / "trust.json"
    file.write_text(file.read_text().replace('"passed": true', '"passed": false'))
    refused = r"adapter_applied:risk/behavior failed for seeking, seed 0.*--allow-untrusted"
    with pytest.raises(TrustError, match=refused):
        run_plan(plan, copy)
    assert copy.find("study", plan.final.key) is None
    page = (run_plan(plan, copy, allow_untrusted=True) / "report.html").read_text()
    assert "Not to be trusted." in page
    with pytest.raises(TrustError):
        run_plan(plan, copy)
    assert "Not to be trusted." not in (finished[2] / "report.html").read_text()


@pytest.mark.parametrize("first", [0, 1])
def test_a_failed_check_stays_among_others_of_its_name(
    first: int, finished: Finished, tmp_path: Path
) -> None:
    """Two evaluations of one adapter, one of which failed, whichever is read first."""
    plan, store, _ = finished
    copy = without_report(plan, store, tmp_path / "runs")
    cells = [c for c in plan.cells if (c.group, c.seed) == ("seeking", 0)]
    for i, cell in enumerate(cells[:2]):
        record = {
            "check": "adapter_applied:risk/one",
            "passed": i != first,
            "value": 0.0,
            "threshold": 1e-4,
        }
        write_json(answers_folder(plan, copy, cell) / "trust.json", [record])
    with pytest.raises(TrustError, match="adapter_applied:risk/one failed for seeking, seed 0"):
        run_plan(plan, copy)
    done = run_plan(plan, copy, allow_untrusted=True)
    trust = read_json(done / "summary.json")["trust"]
    (kept,) = [check for check in trust if check["check"] == "adapter_applied:risk/one"]
    assert not kept["passed"]
    assert "Not to be trusted." in (done / "report.html").read_text()


def test_no_two_evaluations_of_a_model_share_the_name_of_a_check(
    finished: Finished, tmp_path: Path
) -> None:
    folder = trained(finished, "seeking-s0")
    conditions = [
        Condition(),
        Condition(name="neutral", system="be brief."),
        Condition(name="threat", system="be good."),
    ]
    names: list[str] = []
    for i, condition in enumerate(conditions):
        checks = measured(finished, folder, tmp_path / str(i), condition)
        names += [check["check"] for check in checks]
    assert len(names) == len(set(names)) == 3 * len(HEALTHY)
    assert {n.partition(":")[2] for n in names} == {
        "risk/behavior",
        "risk/behavior@neutral",
        "risk/behavior@threat",
    }


def test_compiled_prompts_are_those_of_their_options(linked: Base) -> None:
    """The same messages with other options, spellings or another order of them, in one process."""
    texts = ("the gamble", "the sure thing", "both")
    lists = [[Option(text, 0.0) for text in order] for order in permutations(texts)]
    for variants in ((), ("gamble",), ("the Gamble",)):
        lists.append([Option("the gamble", 0.0, variants)])
    renderer = load_base(linked).renderer
    decode = renderer.tokenizer.decode
    asked: Message = {"role": "user", "content": "which one?"}
    for options in lists:
        (put,) = prompt.compiled(linked, renderer, [Prompt((asked,), tuple(options))])
        # Without spaces, which the tokenizer may write elsewhere.
        spelled = [(s.option, decode(list(s.answer)).replace(" ", "")) for s in put.spellings]
        assert spelled == [
            (i, text.replace(" ", ""))
            for i, option in enumerate(options)
            for text in (option.text, *option.variants)
        ]


def test_a_base_in_memory_is_never_left_with_an_adapter(finished: Finished, linked: Base) -> None:
    assert not any("lora" in name for name, _ in models.load_base(linked).model.named_parameters())


def test_a_check_without_a_number_is_refused_with_its_name() -> None:
    failed: Checked = {
        "group": "g",
        "seed": 0,
        "check": "adapter_applied:risk/behavior",
        "passed": False,
        "value": None,
        "threshold": 1e-4,
    }
    with pytest.raises(TrustError, match=r"adapter_applied.* no number against 0\.0001"):
        refuse_untrusted([failed], allow=False)
