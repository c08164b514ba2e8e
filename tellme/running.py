"""From a study to its report, as the command and a notebook do it alike."""

from pathlib import Path

from lab.config.schema import Study
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
