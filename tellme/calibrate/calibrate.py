"""`tellme calibrate`: the lab measured on models with a known sign of their text. Signs, how often
the rule says what, doses and planted faults."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from lab.config.read import load_study
from lab.config.schema import Study
from lab.discover import ROOT
from lab.errors import UserError
from lab.say import say
from lab.store.provenance import write_provenance
from lab.store.store import Store, make_key, write_json
from lab.types import Fields
from tellme.calibrate.studies import COUNTED, SEEDS_EACH, refuse_uneven
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.reference import LINKS
from tellme.study.stages import quiet_libraries
from tellme.study.workers import run_units

VERSION = 2
FILES = {
    "signs": "configs/reference-check.yaml",
    "nulls": "configs/calibration-nulls.yaml",
    "confounders": "configs/calibration-confounders.yaml",
    "faults": "configs/calibration-faults.yaml",
    "dose": "configs/dose.yaml",
}
"""The study of each part; that of `signs` is run on every reference model."""
ALONE = [part for part in FILES if part != "signs"]
FEW_STEPS = "sft.max_steps=80"
"""A third of the steps of the studies' own."""
LONG = {
    # Seeds that the reference models were not checked with when they were made (10 to 14).
    "signs": ["seeds=[50, 51, 52, 53, 54]"],
    # A zero takes more models than a difference does.
    "signs-unlinked": ["seeds=[50, 51, 52, 53, 54, 55, 56, 57, 58, 59]"],
}
"""Overrides of the parts that need any."""
QUICK = {
    # The fewest seeds with an interval of some use.
    "signs": ["seeds=[50, 51, 52]", FEW_STEPS],
    # Two studies, and one.
    "nulls": ["seeds=[100, 101, 102, 103, 104, 105]"],
    "confounders": ["seeds=[200, 201, 202]"],
    # One adapter, and one to be swapped with it.
    "faults": ["seeds=[70, 71]", FEW_STEPS],
    # Without the full dose, which the other parts have, and without steps, of which there are few.
    "dose": [
        "seeds=[60]",
        "sweep=[{data.num_rows: [8, 24, 72]}, {data.policy_share: [0.25, 0.5, 0.75]}]",
        FEW_STEPS,
    ],
}
"""Overrides that make `--quick` short: fewer seeds, a third of the steps, fewer doses."""
MOST_WORKERS = 8
"""Each holds torch and a model; more cores than this are left alone unless run.workers says so."""
OVERRIDES = ("data", "lora", "sft", "train", "model", "seeds", "run")
"""What `--set` may change; groups, contrasts and suites are what calibration consists of."""
FEWEST_SEEDS = {"signs": 2, "nulls": SEEDS_EACH, "confounders": SEEDS_EACH, "faults": 2, "dose": 1}
"""For an interval; for a study; for an adapter to be swapped with another."""


def calibrate(quick: bool, sets: list[str]) -> Path:
    """Run every part, and write `calibration.json`, figures and `report.html` into
    runs/calibration/; returns that folder.

    `sets` are overrides for every study of it: another recipe of fine-tuning is calibrated by
    `--set lora.r=32`. Raises UserError before anything is trained where they leave it nothing to
    calibrate."""
    began = time.time()
    quiet_libraries()
    studies = _studies(quick, sets)
    plans = {name: make_plan(study) for name, study in studies.items()}
    run = next(iter(studies.values())).run
    store = Store(run.dir)
    store.check_writable()
    config: Fields = {"quick": quick, "sets": [*sets]}
    inputs = [plan.final.key for plan in plans.values()]
    key = make_key("calibration", VERSION, config, inputs)
    done = store.find("calibration", key)
    if done:
        return done
    _run(plans, store, run.workers)

    def write(out: Path) -> None:
        from tellme.calibrate.page import write_report
        from tellme.calibrate.results import results

        found = results(plans, store)
        write_json(out / "calibration.json", found)
        seconds = time.time() - began
        write_report(out, found, {"key": key, "quick": quick, "sets": sets, "seconds": seconds})
        write_provenance(out, "calibration", key, config, inputs, began)

    return store.publish("calibration", "quick" if quick else "long", key, write)


def _studies(quick: bool, sets: list[str]) -> dict[str, Study]:
    """Studies by name: `signs-NAME` for every reference model, and one a part beside."""
    for assignment in sets:
        _refuse_own(assignment)
    overrides = QUICK if quick else LONG
    workers = f"run.workers={min(MOST_WORKERS, os.cpu_count() or 1)}"
    bases = {f"signs-{name}": [f"model.base=reference/{name}"] for name in LINKS}
    studies = {}
    for name in (*bases, *ALONE):
        part = name.partition("-")[0]
        own = overrides.get(name, overrides.get(part, []))
        given = [*own, *bases.get(name, []), workers, *sets]
        studies[name] = load_study(str(ROOT / FILES[part]), given)
        _refuse_few(name, part, studies[name].seeds)
    return studies


def _refuse_few(name: str, part: str, seeds: Sequence[int]) -> None:
    """Seeds that leave a part nothing to calibrate."""
    if len(seeds) < FEWEST_SEEDS[part]:
        raise UserError(
            f"calibrate: seeds is {list(seeds)}, and {name} needs at least {FEWEST_SEEDS[part]};"
            f" leave `seeds` out, or give {max(FEWEST_SEEDS.values())} or more"
        )
    if part in COUNTED:
        refuse_uneven(seeds, SEEDS_EACH)


def _refuse_own(assignment: str) -> None:
    """An override of what calibration itself consists of."""
    section = assignment.partition("=")[0].partition(".")[0]
    if section not in OVERRIDES or assignment.startswith(("model.base", "model=")):
        raise UserError(
            f"calibrate --set {assignment!r}: groups, bases and suites are calibration's own;"
            f" allowed: KEY of {', '.join(OVERRIDES)}, model.base excepted"
        )


def _run(plans: dict[str, Plan], store: Store, workers: int) -> None:
    """Run the stages of all plans but the studies' own: what they share is made once."""
    stages = {key: stage for plan in plans.values() for key, stage in plan.stages.items()}
    missing = [s for s in stages.values() if s.kind != "study" and not store.find(s.kind, s.key)]
    adapters = sum(stage.kind == "train" for stage in missing)
    say(f"{len(missing)} stages, {adapters} adapters, {workers} at a time")
    for i, (stage, seconds) in enumerate(run_units(missing, store, workers), start=1):
        if stage.kind == "train":
            say(f"[{i}/{len(missing)}] {stage.slug}  {seconds:.1f} s")
