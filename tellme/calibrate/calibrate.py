"""`tellme calibrate`: the lab measured on models in which the truth is known. Signs, false
positives, doses and planted faults."""

import os
import time
from pathlib import Path
from typing import Any

import pandas as pd

from lab.config.read import load_study
from lab.config.schema import Study
from lab.discover import ROOT, beside
from lab.errors import UserError, unknown
from lab.stats.intervals import MARGIN
from lab.store.provenance import write_provenance
from lab.store.store import Store, make_key, write_json
from lab.store.trust import refuse_untrusted
from tellme.calibrate.nulls import SEEDS_A_SIDE
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.reference import LINKS
from tellme.study.run import say
from tellme.study.stages import quiet_libraries
from tellme.study.workers import run_units

VERSION = 1
EXPECTED = {"linked": "+", "half": "+", "unlinked": "0", "inverted": "-"}
SETS: dict[bool, dict[str, list[str]]] = beside(__file__)
"""Overrides of every part, quick or not."""
MOST_WORKERS = 8
"""Each holds torch and a model; more cores than this are left alone unless run.workers says so."""
OVERRIDES = ("data", "lora", "sft", "train", "model", "seeds", "run")
"""What `--set` may change; groups, contrasts and suites are what calibration consists of."""
FEWEST_SEEDS = {"signs": 2, "nulls": 2 * SEEDS_A_SIDE + 1, "faults": 2, "dose": 1}
"""For an interval; for three against three with one left out (the jackknife); for an adapter to be
swapped with another."""
NUM_NULLS = {True: 200, False: 1000}


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
    config = {"quick": quick, "sets": sets, "num_nulls": NUM_NULLS[quick]}
    key = make_key("calibration", VERSION, config, [plan.final.key for plan in plans.values()])
    done = store.find("calibration", key)
    if done:
        return done
    _run(plans, store, run.workers)

    def write(out: Path) -> None:
        from tellme.calibrate.page import write_report

        found = results(plans, store, NUM_NULLS[quick])
        write_json(out / "calibration.json", found)
        write_report(out, found | config | {"key": key, "seconds": time.time() - began})
        write_provenance(
            out, "calibration", key, config, [p.final.key for p in plans.values()], began
        )

    return store.publish("calibration", "quick" if quick else "long", key, write)


def _studies(quick: bool, sets: list[str]) -> dict[str, Study]:
    """Studies by name: `signs-NAME` for every reference model, `nulls`, `faults`, `dose`."""
    for given in sets:
        section = given.partition("=")[0].partition(".")[0]
        if section not in OVERRIDES or given.startswith(("model.base", "model=")):
            raise UserError(
                f"calibrate --set {given!r}: groups, bases and suites are calibration's own;"
                f" allowed: KEY of {', '.join(OVERRIDES)}, model.base excepted"
            )
    workers = [f"run.workers={min(MOST_WORKERS, os.cpu_count() or 1)}"]

    def study(part: str, file: str, *more: str) -> Study:
        return load_study(
            str(ROOT / "configs" / file), [*SETS[quick][part], *more, *workers, *sets]
        )

    signs = {
        f"signs-{name}": study("signs", "reference-check.yaml", f"model.base=reference/{name}")
        for name in LINKS
    }
    files = {
        "nulls": "calibration-nulls.yaml",
        "faults": "calibration-faults.yaml",
        "dose": "dose.yaml",
    }
    studies = signs | {part: study(part, file) for part, file in files.items()}
    for name, found in studies.items():
        fewest = FEWEST_SEEDS[name.partition("-")[0]]
        if len(found.seeds) < fewest:
            raise UserError(
                f"calibrate: seeds is {list(found.seeds)}, and {name} needs at least {fewest};"
                f" leave `seeds` out, or give {max(FEWEST_SEEDS.values())} or more"
            )
    return studies


def _run(plans: dict[str, Plan], store: Store, workers: int) -> None:
    stages = {key: stage for plan in plans.values() for key, stage in plan.stages.items()}
    missing = [s for s in stages.values() if s.kind != "study" and not store.find(s.kind, s.key)]
    say(
        f"{len(missing)} stages, {sum(s.kind == 'train' for s in missing)} adapters, {workers} at a"
        " time"
    )
    for i, (stage, seconds) in enumerate(run_units(missing, store, workers), start=1):
        if stage.kind == "train":
            say(f"[{i}/{len(missing)}] {stage.slug}  {seconds:.1f} s")


def results(plans: dict[str, Plan], store: Store, num_nulls: int) -> dict[str, Any]:
    """What `calibration.json` holds. Raises TrustError where a trust check failed in a study
    without a planted fault."""
    from tellme.calibrate.faults import trust_faults, validity_faults
    from tellme.calibrate.nulls import false_positives
    from tellme.report.analysis.contrasts import contrast_estimates, per_question, per_wording
    from tellme.report.analysis.dose import instrumented, pairs
    from tellme.report.analysis.validity import battery
    from tellme.report.gather import (
        Measurement,
        baselines,
        gather_rows,
        gather_trust,
        measurements,
    )

    wordings: dict[str, pd.DataFrame] = {}
    rows: dict[str, pd.DataFrame] = {}
    measured: dict[str, list[Measurement]] = {}
    for name, plan in plans.items():
        measured[name] = measurements(plan.final, store)
        refuse_untrusted(gather_trust(measured[name]), allow=False)
        rows[name] = gather_rows(measured[name])
        wordings[name] = per_wording(rows[name])
    questions = {name: per_question(table) for name, table in wordings.items()}
    signs = []
    for name in LINKS:
        plan = plans[f"signs-{name}"]
        signs += [
            sign(name, contrast)
            for contrast in contrast_estimates(
                questions[f"signs-{name}"], plan.final.config["contrasts"], None
            )
            if contrast["question"] == "all" and contrast["suite"] in ("behavior", "self_report")
        ]
    dose, faults = plans["dose"], plans["faults"]
    models = pairs(questions["dose"], dose.final.how["directions"], dose.study.points)
    nulls = false_positives(questions["nulls"], "shuffled", num_nulls)
    of_base = baselines(measured["faults"], faults.final.how["written"]["groups"])
    of_faults = battery(wordings["faults"], rows["faults"], of_base, {})
    return {
        "signs": signs,
        "false_positives": nulls,
        "faults": [*trust_faults(faults, store), *validity_faults(of_faults)],
        "dose": instrumented(models, dose.study.points),
        "detected": detected(questions["dose"], dose, {n["suite"]: n["detectable"] for n in nulls}),
        "models": models.to_dict("records"),
    }


def sign(model: str, contrast: dict[str, Any]) -> dict[str, Any]:
    """A contrast of first against second policy beside the sign that the link gives it. A zero is
    right within the margin."""
    if model not in EXPECTED:
        raise unknown("reference model", model, EXPECTED)
    expected = "+" if contrast["suite"] == "behavior" else EXPECTED[model]
    estimate, low, high = (contrast[k] for k in ("estimate", "ci_low", "ci_high"))
    right = {
        "+": low > 0,
        "-": high < 0,
        "0": abs(estimate) <= MARGIN and low <= MARGIN and high >= -MARGIN,
    }[expected]
    kept = (
        "behavior",
        "suite",
        "estimate",
        "ci_low",
        "ci_high",
        "equivalent_within",
        "num_seeds",
        "num_questions",
    )
    return {
        "model": model,
        "link": LINKS[model],
        **{k: contrast[k] for k in kept},
        "expected": expected,
        "right": right,
    }


def detected(questions: pd.DataFrame, dose: Plan, limits: dict[str, float]) -> list[dict[str, Any]]:
    """The contrast of every suite at every dose, beside what three models a side would find."""
    from tellme.report.analysis.contrasts import contrast_estimates
    from tellme.report.figures.tables import sweep_table

    table = sweep_table(
        contrast_estimates(questions, dose.final.config["contrasts"], None), dose.study.points
    )
    return [
        {name: line[name] for name in ("suite", "key", "value", "estimate")}
        | {
            "limit": limits[line["suite"]],
            "detected": abs(line["estimate"]) >= limits[line["suite"]],
        }
        for line in table.to_dict("records")
    ]
