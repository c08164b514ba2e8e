"""The `tellme` command, one function a verb. Heavy imports live inside the verbs, so that the
command answers at once."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lab.config.read import load_study
from lab.discover import ROOT, find_path
from lab.errors import TrustError, UserError, first_line, unknown
from lab.preempt import CODE, Preempted, listen
from lab.store.store import Store, read_json

if TYPE_CHECKING:
    from tellme.study.plan import Plan

PACKAGES = ("lab", "data_gen", "train", "eval", "slurm", "tellme")
DEFAULT = "configs/quickstart.yaml"
LOG_LINES = 3
"""Of the log of a failed task that `tellme status` shows."""

Options = argparse.Namespace
Verb = Callable[[Options], None]


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code (0 done, 2 the user can mend it, 3 a trust check
    failed, 75 stopped and can go on)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _refuse_foreign_packages()
        top, verbs = parser()
        if given and not given[0].startswith("-") and given[0] not in verbs:
            raise unknown("command", given[0], verbs, "see `tellme --help`")
        options = top.parse_args(given)
        if options.command is None:
            top.print_help()
            return 0
        verbs[options.command](options)
    except UserError as error:
        print(f"tellme: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except TrustError as error:
        print(f"tellme: {error}", file=sys.stderr)
        return 3
    except Preempted as stopped:
        print(f"tellme: {stopped}; the same command goes on from here", file=sys.stderr)
        return CODE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("tellme: stopped; `tellme run` goes on from here", file=sys.stderr)
        return 130
    return 0


def parser() -> tuple[Parser, dict[str, Verb]]:
    """The command line, and the function of every verb by its name. A verb's help is the first
    line of its function's docstring."""
    about = "A fine-tuning lab for behavioral self-awareness and backdoor studies."
    top = Parser(prog="tellme", description=about)
    choice = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    verbs: dict[str, Verb] = {}

    def verb(does: Verb, study: bool = False) -> Parser:
        name = does.__name__.rstrip("_")
        doc = (does.__doc__ or "").partition("\n\n")[0].rstrip(".")
        verbs[name] = does
        made = choice.add_parser(name, help=" ".join(doc.split()), description=does.__doc__)
        if study:
            made.add_argument(
                "config", nargs="?", default=DEFAULT, help=f"a study YAML (default: {DEFAULT})"
            )
            _add_set(made, "replace the value at KEY; repeatable, the last wins")
        return made

    verb(run, study=True).add_argument(
        "--allow-untrusted",
        action="store_true",
        help="write the report although a trust check failed",
    )
    for does in (plan, show, status):
        verb(does, study=True)
    verb(submit, study=True).add_argument(
        "--dry-run", action="store_true", help="print the sbatch commands and queue nothing"
    )
    many = verb(report)
    many.add_argument(
        "configs", nargs="*", default=[DEFAULT], help="study YAMLs, or folders of finished studies"
    )
    _add_set(many, "for every study YAML")
    _add_push(verb(push, study=True))
    verb(pull).add_argument("adapter", help="owner/name or owner/name@revision")
    verb(sync, study=True)
    stages = verb(stage)
    stages.add_argument("plan", help="a plan file in runs/plans/ or runs/slurm/")
    stages.add_argument("keys", metavar="key", nargs="+", help="of a stage, as in `tellme status`")
    whole = verb(calibrate)
    quick = "fewer seeds and doses: minutes instead of half an hour"
    whole.add_argument("--quick", action="store_true", help=quick)
    _add_set(whole, "for every study of it")
    verb(list_)
    _add_reference(verb(reference))
    return top, verbs


def _add_set(made: Parser, about: str) -> None:
    made.add_argument(
        "--set", action="append", default=[], metavar="KEY=YAML", dest="sets", help=about
    )


def _add_push(made: Parser) -> None:
    made.add_argument("adapter", help="GROUP-sSEED, as `tellme status` shows it")
    made.add_argument("--repo", required=True, help="owner/name on the Hub")
    public = "for everybody to see (default: private)"
    made.add_argument("--public", action="store_true", help=public)
    understood = "share a trigger or a harmful behavior on purpose"
    made.add_argument("--i-understand", action="store_true", help=understood)


def _add_reference(made: Parser) -> None:
    actions = made.add_subparsers(
        dest="action", metavar="build|check", required=True, parser_class=Parser
    )
    build = actions.add_parser("build", help="pretrain it from scratch")
    build.add_argument("name")
    build.add_argument("--seed", type=int, default=0, help="pretraining seed")
    build.add_argument("--out", help="folder to write (default: reference/NAME in the checkout)")
    check = actions.add_parser(
        "check", help="fine-tune it both ways and write what it reads into its card"
    )
    check.add_argument("name")
    further = "further pretraining seeds, built where missing"
    check.add_argument("--seeds", type=int, nargs="*", default=[], help=further)


def run(options: Options) -> None:
    """Run a study: data, training, measuring, report."""
    from tellme.report.text import results_text
    from tellme.share.mirror import try_mirror
    from tellme.study.run import run_plan

    made, store = _planned(options, online=True)
    finished = store.find("study", made.final.key)
    folder = run_plan(made, store, options.allow_untrusted)
    if not finished and "wandb" in made.study.run.report_to:
        try_mirror(made.final, store, folder)
    print(results_text(read_json(folder / "summary.json"), folder))


def plan(options: Options) -> None:
    """Show stages, rows, tokens and steps without running anything."""
    from tellme.study.cost import few_steps_warning
    from tellme.study.overview import plan_text

    made, store = _planned(options)
    print(plan_text(made, store))
    warning = few_steps_warning(made)
    if warning:
        print(warning, file=sys.stderr)


def show(options: Options) -> None:
    """Show training rows and questions as the model sees them."""
    from tellme.study.show import show_study

    show_study(_planned(options)[0])


def status(options: Options) -> None:
    """Show which stages of a study are done, and what a cluster says of the others."""
    from tellme.study.submit import submitted

    made, store = _planned(options)
    tasks = {key: task for task in submitted(made, store) for key in task.keys}
    for each in made.stages.values():
        task, done = tasks.get(each.key), store.find(each.kind, each.key)
        begun = (store.root / each.kind / f".partial-{each.key}").exists()
        waiting = (task.state if task else None) or ("begun" if begun else "missing")
        state = "done" if done else waiting.lower()
        named = f"  task {task.name}" if task and not done else ""
        print(f"{state:<10} {each.kind:<6} {each.key}  {made.names_of(each)}{named}")
        if task and named and state not in ("pending", "running", "completed"):
            _print_log(task.log)


def _print_log(log: Path) -> None:
    """The last lines of a task that failed."""
    if log.is_file():
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        for line in [*lines[-LOG_LINES:], f"({log})"]:
            print(f"           | {line}")


def submit(options: Options) -> None:
    """Queue what a study lacks on a SLURM cluster (run.cluster)."""
    from tellme.study.submit import submit as queue

    made, store = _planned(options)
    print(queue(made, store, options.dry_run).rstrip("\n"))


def report(options: Options) -> None:
    """Print a finished study's contrasts and its report's path; compare several."""
    from tellme.report.compare import compare
    from tellme.report.text import comparison_text, results_text

    folders = [_finished(config, options.sets) for config in options.configs]
    if len(folders) == 1:
        print(results_text(read_json(folders[0] / "summary.json"), folders[0]))
    else:
        folder = compare(folders)
        print(comparison_text(read_json(folder / "compare.json"), folder))


def push(options: Options) -> None:
    """Upload an adapter with its card, rows and recipe to the Hub."""
    from tellme.share.push import Destination
    from tellme.share.push import push as share

    made, store = _planned(options)
    folder = _finished(options.config, options.sets)
    to = Destination(options.repo, options.public, options.i_understand)
    print(f"pushed: {share(made, store, folder, options.adapter, to)}")


def pull(options: Options) -> None:
    """Download a pushed adapter and check the hash of every file."""
    from tellme.share.push import pull as fetch

    print(fetch(options.adapter))


def sync(options: Options) -> None:
    """Write a finished study to wandb: a run per adapter, and one of the study."""
    from lab.track import online
    from tellme.share.mirror import mirror

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
            f"wandb cannot be reached ({first_line(error)}); nothing is lost,"
            " try again with network"
        ) from None
    print(f"written to wandb: {made.study.study}")


def stage(options: Options) -> None:
    """Run stages of a saved plan (what a cluster job runs)."""
    from tellme.share.mirror import try_mirror
    from tellme.study.run import load_stage
    from tellme.study.stages import run_in_order

    listen()
    loaded = [load_stage(options.plan, key) for key in options.keys]
    store = loaded[0][1]
    finished = {each.key for each, _ in loaded if store.find(each.kind, each.key)}
    for made, _ in run_in_order([each for each, _ in loaded], store):
        folder = store.find(made.kind, made.key)
        assert folder, made
        if made.kind == "study" and made.key not in finished and "wandb" in made.how["report_to"]:
            try_mirror(made, store, folder)
        print(folder, flush=True)


def calibrate(options: Options) -> None:
    """Measure the lab itself on reference models and planted faults."""
    from tellme.calibrate.calibrate import calibrate as calibrate_lab
    from tellme.calibrate.text import calibration_text

    folder = calibrate_lab(options.quick, options.sets)
    print(calibration_text(read_json(folder / "calibration.json"), folder))


def list_(options: Options) -> None:
    """List behaviors, triggers, suites and reference models."""
    from tellme.study.overview import list_text

    print(list_text())


def reference(options: Options) -> None:
    """Build a reference model, or check what it reads."""
    from tellme.study.reference import build_reference, check_reference

    if options.action == "build":
        print(build_reference(options.name, options.seed, options.out))
    else:
        print(check_reference(options.name, options.seeds))


def _planned(options: Options, online: bool = False) -> "tuple[Plan, Store]":
    from tellme.study.planner import make_plan

    study = load_study(options.config, options.sets)
    made = make_plan(study, online)
    for note in made.notes:
        print(note, file=sys.stderr)
    return made, Store(study.run.dir)


def _finished(config: str, sets: Sequence[str]) -> Path:
    """The folder of a finished study, named by itself or by its YAML."""
    from tellme.study.planner import make_plan

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


def _refuse_foreign_packages() -> None:
    """`train`, `eval` and `data_gen` are common names: another package of that name would win
    silently."""
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin is None or ROOT not in origin.parents:
            raise UserError(
                f"package {name!r} is {origin}, not the one of this checkout ({ROOT});"
                " remove it from this environment or use the checkout's own .venv"
            )


if __name__ == "__main__":
    sys.exit(main())
