"""Run a plan's stages in order in this process, and say what came out."""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from lab.errors import UserError
from lab.specs import Stage
from lab.store.store import Store, read_json, write_json
from lab.store.trust import refuse_untrusted
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
    plan.final.how["allow_untrusted"] = allow_untrusted
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
    folder = run_stage(plan.final, store)
    say(f"[{len(missing)}/{len(missing)}] study {plan.final.slug}  {time.time() - began:.1f} s")
    return folder


def save_plan(plan: Plan, store: Store, path: Path | None = None) -> Path:
    """The plan as a file: what `tellme stage PLAN KEY` reads on another node."""
    path = path or store.root / "plans" / f"{plan.final.slug}-{plan.final.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    stages = [asdict(stage) for stage in plan.stages.values()]
    write_json(path, {"store": str(store.root), "stages": stages})
    return path


def load_stage(plan: str, key: str) -> tuple[Stage, Store]:
    """A stage of a plan file, and the store that it belongs in; raises UserError where the file is
    no plan or has no such stage."""
    try:
        saved = read_json(Path(plan))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        raise UserError(
            f"plan {plan!r} is not a plan file; `tellme run` writes one to runs/plans/"
        ) from None
    for record in saved.get("stages", []) if isinstance(saved, dict) else []:
        if record["key"] == key:
            return Stage(**record), Store(saved["store"])
    raise UserError(f"plan {plan!r} has no stage {key!r}; `tellme status` lists the keys")


def say(line: str) -> None:
    """Print progress, beside what the command prints as its result."""
    print(line, file=sys.stderr, flush=True)
