"""From a study to its report, as the command and a notebook do it alike."""

from collections.abc import Sequence
from pathlib import Path

from lab.config.read import load_study
from lab.config.schema import Study
from lab.discover import find_path
from lab.errors import UserError
from lab.say import say
from lab.specs import Stage
from lab.store.store import Store
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import fetch_bases, run_plan


def plan_study(study: Study, online: bool = False, fetch: bool = False) -> Plan:
    """The plan of a study; what was decided otherwise than it says is told. With `online` the Hub
    may be asked; with that or with `fetch` a base in a GGUF file is made ready. Raises UserError
    for what cannot be planned."""
    plan = make_plan(study, online)
    if (online or fetch) and fetch_bases(plan, Store(study.run.dir)):
        # What only the tokenizer can say was not checked yet.
        plan = make_plan(study, online)
    for note in plan.notes:
        say(note)
    return plan


def run_study(
    plan: Plan, store: Store, allow_untrusted: bool = False, workers: int | None = None
) -> Path:
    """As `run_plan`, and a study that was not finished before is written to wandb where it says
    so."""
    finished = store.find("study", plan.final.key)
    folder = run_plan(plan, store, allow_untrusted, workers)
    if not finished:
        report_to(plan.final, store, folder)
    return folder


def report_to(final: Stage, store: Store, folder: Path) -> None:
    """Write a finished study to where it says that it is reported."""
    if "wandb" in final.how.report_to:
        # Here and not above: tables take a second, which a plan need not wait for.
        from tellme.share.mirror import try_mirror

        try_mirror(final, store, folder)


def finished(config: str, sets: Sequence[str]) -> Path:
    """The folder of a finished study, named by itself or by its YAML. Raises UserError where there
    is none."""
    folder = find_path(config)
    if folder is not None and folder.is_dir():
        if not (folder / "summary.json").is_file():
            raise UserError(
                f"folder {config!r} has no summary.json; give runs/study/NAME-KEY, or a study YAML"
            )
        return folder
    study = load_study(config, [*sets])
    store = Store(study.run.dir)
    done = store.find("study", make_plan(study).final.key)
    if done is None:
        raise UserError(
            f"study {study.study!r} with this configuration is not finished in {store.root};"
            f" run `tellme run {config}`"
        )
    return done
