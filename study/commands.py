"""What each subcommand of `tellme` does."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.discover import find_path
from lab.errors import UserError, first_line
from lab.preempt import listen
from lab.read_study import load_study
from lab.store import Store, read_json
from study.plan import make_plan
from study.run import load_stage, run_plan
from study.stage import Plan
from study.table import text

LOG_LINES = 3


def _planned(options: argparse.Namespace, online: bool = False) -> tuple[Plan, Store]:
    study = load_study(options.config, options.sets)
    plan = make_plan(study, online)
    for note in plan.notes:
        print(note, file=sys.stderr)
    return plan, Store(study.run.dir)


def run(options: argparse.Namespace) -> None:
    plan, store = _planned(options, online=True)
    _print("results", run_plan(plan, store, options.allow_untrusted))


def report(options: argparse.Namespace) -> None:
    folders = [_finished(config, options.sets) for config in options.configs]
    if len(folders) == 1:
        return _print("results", folders[0])
    from study.compare import compare

    return _print("comparison", compare(folders), "compare.json")


def _finished(config: str, sets: Sequence[str]) -> Path:
    """The folder of a finished study, named by itself or by its YAML."""
    folder = find_path(config)
    if folder is not None and folder.is_dir():
        if not (folder / "summary.json").is_file():
            raise UserError(
                f"folder {config!r} has no summary.json; give runs/study/NAME-KEY, or a study YAML"
            )
        return folder
    study = load_study(config, [*sets])
    plan, store = make_plan(study), Store(study.run.dir)
    done = store.find("study", plan.final.key)
    if done is None:
        raise UserError(
            f"study {study.study!r} with this configuration is not finished in {store.root}; run"
            f" `tellme run {config}`"
        )
    return done


def _print(name: str, folder: Path, file: str = "summary.json") -> None:
    print(text(name, found=read_json(folder / file), folder=folder))


def plan(options: argparse.Namespace) -> None:
    from lab.base import base_of_record
    from lab.memory import weight_bytes
    from study.cost import FEW_STEPS, SEED_DEVIATIONS, costs, detectable_effects

    made, store = _planned(options)
    kinds = [s.kind for s in made.stages.values()]
    bases = {s.how["base"]["name"]: s.how["base"] for s in made.stages.values() if "base" in s.how}
    weights = {name: weight_bytes(base_of_record(base)) for name, base in bases.items()}
    about = {
        "costs": (listed := costs(made)),
        "effects": detectable_effects(made),
        "spread": SEED_DEVIATIONS,
    }
    print(text("plan", plan=made, store=store, kinds=kinds, bases=bases, weights=weights, **about))
    if any(c["few"] for c in listed):
        warning = (
            f"warning: fewer than {FEW_STEPS} optimizer steps per adapter; published replications"
            " on large models found no self-report there"
        )
        print(warning, file=sys.stderr)


def status(options: argparse.Namespace) -> None:
    from study.submit import submitted

    made, store = _planned(options)
    tasks = {key: task for task in submitted(made, store) for key in task.keys}
    for stage in made.stages.values():
        partial = (store.root / stage.kind / f".partial-{stage.key}").exists()
        task = tasks.get(stage.key)
        done = store.find(stage.kind, stage.key)
        state = (
            "done"
            if done
            else ((task and task.state) or ("begun" if partial else "missing")).lower()
        )
        at = "" if done or not task else f"  task {task.name}"
        print(f"{state:<10} {stage.kind:<6} {stage.key}  {made.names_of(stage)}{at}")
        if task and at and state not in ("pending", "running", "completed") and task.log.is_file():
            lines = [
                line for line in task.log.read_text(errors="replace").splitlines() if line.strip()
            ]
            print(
                "".join(
                    f"           | {line}\n" for line in [*lines[-LOG_LINES:], f"({task.log})"]
                ),
                end="",
            )


def submit(options: argparse.Namespace) -> None:
    from study.submit import submit as send

    made, store = _planned(options)
    print(send(made, store, options.dry_run).rstrip("\n"))


def sync(options: argparse.Namespace) -> None:
    from lab.track import online
    from study.mirror import mirror

    made, store = _planned(options)
    folder = _finished(options.config, options.sets)
    if not online():
        raise UserError(
            "wandb has no key here; set WANDB_API_KEY or `wandb login`, and leave WANDB_MODE unset"
        )
    try:
        mirror(made.final, store, folder)
    except Exception as error:
        raise UserError(
            f"wandb cannot be reached ({first_line(error)}); nothing is lost, try again with"
            " network"
        ) from None
    print(f"written to wandb: {made.study.study}")


def push(options: argparse.Namespace) -> None:
    from study.push import push as share

    made, store = _planned(options)
    folder = _finished(options.config, options.sets)
    allowed = {"public": options.public, "understood": options.i_understand}
    print(f"pushed: {share(made, store, folder, options.adapter, options.repo, **allowed)}")


def pull(options: argparse.Namespace) -> None:
    from study.push import pull as fetch

    print(fetch(options.adapter))


def stage(options: argparse.Namespace) -> None:
    from study.stages import run_in_order

    listen()
    loaded = [load_stage(options.plan, key) for key in options.keys]
    for found, _ in run_in_order([stage for stage, _ in loaded], store := loaded[0][1]):
        print(store.find(found.kind, found.key), flush=True)


def show(options: argparse.Namespace) -> None:
    from study.show import show_study

    made, _ = _planned(options)
    show_study(made)


def list(options: argparse.Namespace) -> None:
    from data_gen.behaviors import behavior_names, load_behavior
    from data_gen.triggers import load_trigger, trigger_names
    from eval.suites import load_suite, suite_names
    from lab.base import reference_names

    behaviors, triggers, suites = (
        {name: load(name) for name in found()}
        for found, load in (
            (behavior_names, load_behavior),
            (trigger_names, load_trigger),
            (suite_names, load_suite),
        )
    )
    cards = {
        name: read_json(Path(str(find_path(name))) / "tellme.json") for name in reference_names()
    }
    print(text("list", behaviors=behaviors, triggers=triggers, suites=suites, cards=cards))


def calibrate(options: argparse.Namespace) -> None:
    from study.calibrate import calibrate as calibrate_lab

    _print("calibration", calibrate_lab(options.quick, options.sets), "calibration.json")


def reference(options: argparse.Namespace) -> None:
    from study.reference import build_reference, check_reference

    if options.action == "build":
        print(build_reference(options.name, options.seed, options.out))
    else:
        print(check_reference(options.name, options.seeds))
