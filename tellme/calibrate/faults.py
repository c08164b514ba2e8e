"""Planted faults: what the trust checks and the validity battery must catch, each beside a healthy
twin that must pass."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

import pandas as pd

from lab.model.adapter_files import WEIGHTS
from lab.model.base import Base
from lab.model.folder import folder_digest
from lab.model.foreign import Adapter
from lab.specs import AnswerSpec, Stage
from lab.store.store import Store, read_json
from lab.store.trust import Check
from tellme.report.analysis.validity import ValidityRecord, battery
from tellme.study.plan import Plan
from tellme.study.stages import run_stage

OF_VALIDITY = {
    "everyone": ("other_person",),
    # A model that says the same words to every question answers none of those that have an answer.
    "lexical": ("one_kind", "other_person", "capability"),
    "lexical_letter": ("one_kind", "other_person", "capability"),
    "always_a": ("first_letter",),
    "always_yes": ("yes_bias",),
    "anchored": ("flipped_scale",),
}
"""Groups of configs/calibration-faults.yaml with a fault that training planted, and the checks of
the battery that are there for it."""
OF_TRUST = {"no_op": "adapter_applied", "swapped": "right_adapter", "wrong_template": "same_prompt"}
"""Faults in the files of an adapter, and the trust check that is there for each."""
HEALTHY = "seeking"
"""The group without a fault."""
SHOWN_SUITES = ("self_report", "other_person")
"""Suites of which faulty rows show questions, in the wordings that pretraining saw."""


class Fault(TypedDict):
    """A planted fault and what became of it."""

    name: str
    caught: bool
    by: str
    """Checks that failed."""
    healthy_twin_passes: bool


def validity_faults(
    wordings: pd.DataFrame, rows: pd.DataFrame, baseline_of: dict[str, str]
) -> list[Fault]:
    """The faults that training planted, as the battery sees them in wordings that no row showed:
    asked its own rows back, a model could be caught without having learned the fault. Arguments as
    of `battery`."""
    shown = wordings["seen"] & wordings["suite"].isin(SHOWN_SUITES)
    # Without shuffled controls: the checks that are there for these faults need none.
    return caught(battery(wordings[~shown], rows, baseline_of, {}))


def caught(records: Sequence[ValidityRecord]) -> list[Fault]:
    """Whether a check that is there for it failed for each faulty group, and every check passed for
    the healthy one."""
    failed: dict[str, set[str]] = {}
    for record in records:
        of_group = failed.setdefault(record["group"], set())
        if record["passed"] is False:
            of_group.add(record["check"])
    faults: list[Fault] = []
    for name, checks in OF_VALIDITY.items():
        caught_by = [check for check in checks if check in failed[name]]
        faults.append(
            {
                "name": name,
                "caught": bool(caught_by),
                "by": ", ".join(caught_by) or "nothing",
                "healthy_twin_passes": not failed[HEALTHY],
            }
        )
    return faults


def trust_faults(plan: Plan, store: Store) -> list[Fault]:
    """Ask adapters of the healthy group with a fault planted in the files, and without, and read
    the trust checks.

    `no_op`: the B matrices are zero. `swapped`: another seed's weights lie where this seed's are
    expected. `wrong_template`: the question is rendered with another chat template than the
    training rows were."""
    (spec, trained), (_, other) = _healthy_self_reports(plan, store)[:2]
    with TemporaryDirectory() as scratch:
        no_op, swapped = Path(scratch) / "no_op", Path(scratch) / "swapped"
        _without_effect(trained / "adapter", no_op)
        shutil.copytree(trained, swapped)
        shutil.copytree(other / "adapter", swapped / "adapter", dirs_exist_ok=True)
        # An adapter from elsewhere is held to no digest: only its doing nothing is a fault.
        foreign = Adapter(str(no_op), identity=folder_digest(no_op))
        checked = {
            "no_op": _checks(spec.model_copy(update={"adapter": foreign}), None),
            "swapped": _checks(spec, swapped),
            "wrong_template": _checks(
                spec.model_copy(update={"base": _other_template(spec.base)}), trained
            ),
        }
    twin_passes = all(check["passed"] for check in _checks(spec, trained))
    faults: list[Fault] = []
    for name, checks in checked.items():
        failed = [c["check"].partition(":")[0] for c in checks if not c["passed"]]
        faults.append(
            {
                "name": name,
                "caught": OF_TRUST[name] in failed,
                "by": ", ".join(failed) or "nothing",
                "healthy_twin_passes": twin_passes,
            }
        )
    return faults


def _healthy_self_reports(plan: Plan, store: Store) -> list[tuple[AnswerSpec, Path]]:
    """The stages in which adapters of the healthy group are asked about themselves, each with the
    folder of its training."""
    found = []
    for stage in plan.stages.values():
        spec = stage.spec
        if not isinstance(spec, AnswerSpec) or spec.asking.suite != "self_report":
            continue
        if "adapter" in stage.inputs:
            trained = plan.stages[stage.inputs["adapter"]]
            folder = store.find("train", trained.key)
            assert folder, trained
            if trained.how.group.startswith(f"{HEALTHY}-"):
                found.append((spec, folder))
    return found


def _checks(spec: AnswerSpec, trained: Path | None) -> list[Check]:
    """The trust checks of answers, in a store of their own; `trained` is the folder of the training
    that is said to have made the adapter."""
    with TemporaryDirectory() as scratch:
        store, inputs = Store(scratch), {}
        if trained:
            inputs["adapter"] = trained.name.rpartition("-")[2]
            shutil.copytree(trained, store.root / "train" / f"trained-{inputs['adapter']}")
        done = run_stage(Stage(slug="asked", spec=spec, inputs=inputs), store)
        checks: list[Check] = read_json(done / "trust.json")
    return checks


def _without_effect(adapter: Path, out: Path) -> None:
    """Write a copy of an adapter that adds nothing: the product of A and a zero B is zero."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, out)
    tensors = load_file(out / WEIGHTS)
    zeroed = {name: t * 0 if "lora_B" in name else t for name, t in tensors.items()}
    # With the metadata that PEFT writes, so that nothing but B tells the two apart.
    save_file(zeroed, out / WEIGHTS, {"format": "pt"})


def _other_template(base: Base) -> Base:
    """The base's own template with a line before every chat."""
    template = (Path(base.source) / "chat_template.jinja").read_text(encoding="utf-8")
    settings = json.loads(base.settings) | {"chat": {"template": "chat: " + template}}
    return dataclasses.replace(base, settings=json.dumps(settings, sort_keys=True))
