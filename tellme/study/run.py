"""Run a plan's stages in order, here or in processes beside, and say what came out."""

import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from data_gen.build import LINT, refuse_failed
from data_gen.lints import Lint
from lab.data_specs import BroughtRows
from lab.errors import UserError
from lab.model.base import fetch_base
from lab.say import say
from lab.specs import Stage
from lab.store.store import Store, read_json, write_json
from lab.store.trust import refuse_untrusted
from lab.strict import Strict
from tellme.study.plan import Plan
from tellme.study.registration import register_plan
from tellme.study.stages import quiet_libraries, run_stage
from tellme.study.workers import run_units


class PlanFile(Strict):
    """A plan as a file: what another node needs of it."""

    store: str
    """The folder in which the stages are run."""
    stages: dict[str, Stage]
    """By key."""


def run_plan(
    plan: Plan,
    store: Store,
    allow_untrusted: bool = False,
    workers: int | None = None,
    declare: bool = True,
) -> Path:
    """Run what is missing, in so many processes or in those of the study, and return its folder.
    With `declare` a primary is registered before anything is measured.

    Raises TrustError where a trust check failed; with `allow_untrusted` the report is written with
    the failure across it."""
    _refuse_made_rows(plan, store)
    done = store.find("study", plan.final.key)
    if done:
        refuse_untrusted(read_json(done / "summary.json")["trust"], allow_untrusted)
        return done
    store.check_writable()
    fetch_bases(plan, store)
    save_plan(plan, store)
    if plan.study.primary and declare:
        register_plan(plan, store)
    missing = [s for s in plan.stages.values() if not store.find(s.kind, s.key)]
    skipped = len(plan.stages) - len(missing)
    if skipped:
        say(f"{skipped} of {len(plan.stages)} stages are done already")
    finished = run_units(missing, store, workers or plan.study.run.workers)
    for i, (stage, seconds) in enumerate(finished, start=1):
        say(f"[{i}/{len(missing)}] {stage.kind} {plan.names_of(stage)}  {seconds:.1f} s")
    began = time.time()
    folder = run_stage(plan.final, store, allow_untrusted)
    say(f"[{len(missing)}/{len(missing)}] study {plan.final.slug}  {time.time() - began:.1f} s")
    return folder


def _refuse_made_rows(plan: Plan, store: Store) -> None:
    """Rows of a file that were made under `lint: report` are the same stage, and refused now where
    the study says `strict`."""
    for stage in plan.stages.values():
        folder = store.find("data", stage.key)
        if folder and isinstance(stage.spec, BroughtRows) and stage.spec.lint == "strict":
            refuse_failed([Lint(**check) for check in read_json(folder / LINT)], stage.spec)


def fetch_bases(plan: Plan, store: Store) -> bool:
    """Bring the bases that missing stages load onto this machine, as far as they are in GGUF files;
    returns whether any was not. Raises UserError where one cannot be had or read."""
    if store.find("study", plan.final.key):
        return False
    stages = plan.stages.values()
    missing = [b for s in stages if not store.find(s.kind, s.key) for b in s.bases]
    lacking = [base for base in dict.fromkeys(missing) if base.gguf and not base.here]
    for base in lacking:
        quiet_libraries()
        fetch_base(base)
    return bool(lacking)


def save_plan(plan: Plan, store: Store, path: Path | None = None) -> Path:
    """The plan as a file: what `tellme stage PLAN KEY` reads on another node."""
    path = path or store.root / "plans" / f"{plan.final.slug}-{plan.final.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = PlanFile(store=str(store.root), stages=plan.stages)
    write_json(path, saved.model_dump(mode="json"))
    return path


def load_stages(plan: str, keys: Sequence[str]) -> tuple[list[Stage], Store]:
    """Stages of a plan file, and the store that they belong in; raises UserError where the file is
    no plan of this version of the lab, or has no such stage."""
    saved = read_plan(plan)
    missing = next((key for key in keys if key not in saved.stages), None)
    if missing is not None:
        raise UserError(f"plan {plan!r} has no stage {missing!r}; `tellme status` lists the keys")
    return [saved.stages[key] for key in keys], Store(saved.store)


def read_plan(path: str) -> PlanFile:
    """A plan file; raises UserError where it is none of this version of the lab, under which every
    stage has the key under which it was planned."""
    try:
        saved = read_json(Path(path))
    except (OSError, ValueError):
        raise UserError(
            f"plan {path!r} is not a plan file; `tellme run` writes one to runs/plans/"
        ) from None
    try:
        plan = PlanFile.model_validate(saved)
    except ValidationError:
        plan = None
    if plan is None or any(stage.key != key for key, stage in plan.stages.items()):
        raise UserError(
            f"plan {path!r} is none of this version of the lab; plan the study again with `tellme"
            " run` or `tellme submit`"
        )
    return plan
