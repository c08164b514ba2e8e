"""Run a plan's stages in order in this process, and say what came out."""

import json
import sys
import time
from pathlib import Path

from pydantic import ValidationError

from lab.errors import UserError
from lab.specs import Stage
from lab.store.store import Store, read_json, write_json
from lab.store.trust import refuse_untrusted
from lab.types import Fields
from tellme.study.plan import Plan
from tellme.study.stages import run_stage
from tellme.study.workers import run_units


def run_plan(plan: Plan, store: Store, allow_untrusted: bool = False) -> Path:
    """Run what is missing and return the study's folder.

    Raises TrustError where a trust check failed; with `allow_untrusted` the report is written with
    the failure across it."""
    done = store.find("study", plan.final.key)
    if done:
        refuse_untrusted(read_json(done / "summary.json")["trust"], allow_untrusted)
        return done
    store.check_writable()
    save_plan(plan, store)
    missing = [s for s in plan.stages.values() if not store.find(s.kind, s.key)]
    skipped = len(plan.stages) - len(missing)
    if skipped:
        say(f"{skipped} of {len(plan.stages)} stages are done already")
    finished = run_units(missing, store, plan.study.run.workers)
    for i, (stage, seconds) in enumerate(finished, start=1):
        say(f"[{i}/{len(missing)}] {stage.kind} {plan.names_of(stage)}  {seconds:.1f} s")
    began = time.time()
    folder = run_stage(plan.final, store, allow_untrusted)
    say(f"[{len(missing)}/{len(missing)}] study {plan.final.slug}  {time.time() - began:.1f} s")
    return folder


def save_plan(plan: Plan, store: Store, path: Path | None = None) -> Path:
    """The plan as a file: what `tellme stage PLAN KEY` reads on another node."""
    path = path or store.root / "plans" / f"{plan.final.slug}-{plan.final.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    stages = [{"key": stage.key, **stage.model_dump(mode="json")} for stage in plan.stages.values()]
    write_json(path, {"store": str(store.root), "stages": stages})
    return path


def load_stage(plan: str, key: str) -> tuple[Stage, Store]:
    """A stage of a plan file, and the store that it belongs in; raises UserError where the file is
    no plan of this version of the lab, or has no such stage."""
    try:
        saved = read_json(Path(plan))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        raise UserError(
            f"plan {plan!r} is not a plan file; `tellme run` writes one to runs/plans/"
        ) from None
    records = saved.get("stages", []) if isinstance(saved, dict) else []
    record = next((record for record in records if record["key"] == key), None)
    if record is None:
        raise UserError(f"plan {plan!r} has no stage {key!r}; `tellme status` lists the keys")
    stage = {name: value for name, value in record.items() if name != "key"}
    return _read_stage(plan, stage, key), Store(saved["store"])


def _read_stage(plan: str, record: Fields, key: str) -> Stage:
    """The record of a stage as it was planned: under this version of the lab it has its key."""
    try:
        stage = Stage.model_validate(record)
    except ValidationError:
        stage = None
    if stage is None or stage.key != key:
        raise UserError(
            f"stage {key!r} of plan {plan!r} is not one of this version of the lab; plan the study"
            " again with `tellme run` or `tellme submit`"
        )
    return stage


def say(line: str) -> None:
    """Print progress, beside what the command prints as its result."""
    print(line, file=sys.stderr, flush=True)
