"""Planted faults: what the trust checks and the validity battery must catch, each beside a healthy
twin that must pass."""

import dataclasses
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab.model.base import Base
from lab.specs import Stage
from lab.store.store import Store, read_json
from tellme.study.plan import Plan
from tellme.study.stages import base_of, measure_with

OF_VALIDITY = {
    "everyone": ("other_person",),
    "lexical": ("one_kind", "other_person"),
    "always_a": ("first_letter",),
    "always_yes": ("yes_bias",),
    "anchored": ("flipped_scale",),
}
"""Groups of configs/calibration-faults.yaml with a fault that training planted, and the checks of
the battery that are there for it."""
OF_TRUST = {"no_op": "adapter_applied", "swapped": "right_adapter", "wrong_template": "same_prompt"}
HEALTHY = "seeking"


def validity_faults(battery: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whether a check that is there for it failed for each faulty group, and every check passed for
    the healthy one."""
    failed: dict[str, set[str]] = {}
    for record in battery:
        failed.setdefault(record["group"], set()).update(
            [record["check"]] if record["passed"] is False else []
        )
    return [
        {
            "name": name,
            "caught": bool(by),
            "by": ", ".join(by) or "nothing",
            "healthy_twin_passes": not failed[HEALTHY],
        }
        for name, checks in OF_VALIDITY.items()
        for by in [[check for check in checks if check in failed[name]]]
    ]


def trust_faults(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """Measure adapters of the healthy group with a fault planted in the files, and without, and
    read the trust checks.

    `no_op`: the B matrices are zero. `swapped`: another seed's weights lie where this seed's are
    expected. `wrong_template`: the question is rendered with another chat template than the
    training rows were."""
    stages = [
        s
        for s in plan.stages.values()
        if s.kind == "eval" and s.config["suite"] == "self_report" and "adapter" in s.inputs
    ]
    healthy = [
        s for s in stages if plan.stages[s.inputs["adapter"]].how["group"].startswith(f"{HEALTHY}-")
    ]
    one, other = healthy[:2]
    trained, base = _trained(one, store), base_of(one)
    with TemporaryDirectory() as scratch:
        checked = {
            "no_op": _checks(
                one, base, _without_effect(trained / "adapter", Path(scratch) / "no_op"), None
            ),
            "swapped": _checks(one, base, _trained(other, store) / "adapter", trained),
            "wrong_template": _checks(one, _other_template(base), trained / "adapter", trained),
        }
    twin = _checks(one, base, trained / "adapter", trained)
    healthy_too = {"healthy_twin_passes": all(c["passed"] for c in twin)}
    failed = {
        name: [c["check"].partition(":")[0] for c in checks if not c["passed"]]
        for name, checks in checked.items()
    }
    return [
        {"name": name, "caught": check in failed[name], "by": ", ".join(failed[name]) or "nothing"}
        | healthy_too
        for name, check in OF_TRUST.items()
    ]


def _trained(stage: Stage, store: Store) -> Path:
    folder = store.find("train", stage.inputs["adapter"])
    assert folder, stage
    return folder


def _checks(stage: Stage, base: Base, adapter: Path, trained: Path | None) -> list[dict[str, Any]]:
    with TemporaryDirectory() as out:
        measure_with(stage, base, adapter, trained, Path(out))
        checks: list[dict[str, Any]] = read_json(Path(out) / "trust.json")
    return checks


def _without_effect(adapter: Path, out: Path) -> Path:
    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, out)
    weights = out / "adapter_model.safetensors"
    save_file(
        {n: t * 0 if "lora_B" in n else t for n, t in load_file(weights).items()},
        weights,
        {"format": "pt"},
    )
    return out


def _other_template(base: Base) -> Base:
    """The base's own template with a line before every chat."""
    template = (Path(base.source) / "chat_template.jinja").read_text(encoding="utf-8")
    settings = json.loads(base.settings) | {"chat": {"template": "chat: " + template}}
    return dataclasses.replace(base, settings=json.dumps(settings, sort_keys=True))
