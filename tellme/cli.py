"""The `tellme` command, one function a verb. Heavy imports live inside the verbs, so that the
command answers at once."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.config.read import load_study
from lab.discover import ROOT, find_path
from lab.errors import TrustError, UserError, first_line, unknown
from lab.extras import refuse_without
from lab.preempt import CODE, Preempted, listen
from lab.store.store import Store, read_json
from tellme.arguments import Options, Parser, Verb, command_line

if TYPE_CHECKING:
    from tellme.study.plan import Plan

PACKAGES = ("lab", "data_gen", "train", "eval", "slurm", "tellme")
"""Those of this checkout. tests/test_house.py knows them as well."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code (0 done, 2 the user can mend it, 3 a trust check
    failed, 75 stopped and can go on)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _refuse_foreign_packages()
        _run_verb(words)
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
    """The command line, and the function of every verb by its name."""
    functions = (
        *(
            run,
            plan,
            show,
            status,
            register,
            check,
            questions,
            submit,
            report,
            serve,
            export,
            push,
            pull,
            sync,
            stage,
        ),
        *(judge, grade, calibrate, list_, reference),
    )
    # `list` is a name of Python's own, which a function of this file would hide.
    verbs: dict[str, Verb] = {does.__name__.rstrip("_"): does for does in functions}
    return command_line(verbs), verbs


def _run_verb(words: list[str]) -> None:
    top, verbs = parser()
    # argparse would say "invalid choice", without the nearest one.
    if words and not words[0].startswith("-") and words[0] not in verbs:
        raise unknown("command", words[0], verbs, "see `tellme --help`")
    options = top.parse_args(words)
    if options.command is None:
        top.print_help()
    else:
        verbs[options.command](options)


def run(options: Options) -> None:
    """Run a study: data, training, measuring, report."""
    from tellme.report.analysis.summary import read_whole_summary
    from tellme.report.text import results_text
    from tellme.running import run_study

    planned, store = _planned(options, online=True)
    folder = run_study(planned, store, options.allow_untrusted)
    print(results_text(read_whole_summary(folder), folder))


def plan(options: Options) -> None:
    """Show stages, rows, tokens and steps without running anything."""
    from tellme.study.cost import few_steps_warning
    from tellme.study.overview import plan_text

    planned, store = _planned(options)
    print(plan_text(planned, store))
    warning = few_steps_warning(planned)
    if warning:
        print(warning, file=sys.stderr)


def show(options: Options) -> None:
    """Show training rows and questions as the model sees them."""
    from tellme.study.show import show_study
    from tellme.study.shown_tokens import tokens_text

    planned, _ = _planned(options)
    if options.tokens:
        print(tokens_text(planned, options.tokens, options.row))
    else:
        show_study(planned)


def status(options: Options) -> None:
    """Show which stages of a study are done, and what a cluster says of the others."""
    from tellme.study.status import status_lines

    for line in status_lines(*_planned(options)):
        print(line)


def register(options: Options) -> None:
    """Declare the primary contrast of a study before anything of it is measured."""
    from lab.store.registration import utc
    from tellme.study.registration import register_plan

    planned, store = _planned(options, online=True)
    store.check_writable()
    made = register_plan(planned, store)
    print(f"registered: {made['study']} {made['hash']}, {utc(made['time'])}")


def check(options: Options) -> None:
    """Ask a base about facts, and say which formats of answers it follows."""
    from tellme.report.check import check_text, read_check
    from tellme.study.check import check_base

    folder = check_base(options.base, options.sets)
    print(check_text(read_check(folder), folder))


def questions(options: Options) -> None:
    """Show what is understood of a file of questions, and what not and why, by line."""
    from tellme.study.question_file import questions_text

    print(questions_text(options.file))


def judge(options: Options) -> None:
    """Say how judges agree with labels, and with one another, on the same answers."""
    from tellme.study.agree import agree_text

    print(agree_text(options.file, options.judge, options.threshold, options.label, options.out))


def grade(options: Options) -> None:
    """Grade the stored answers of a finished study by another judge."""
    from tellme.report.analysis.summary import read_whole_summary
    from tellme.report.text import results_text
    from tellme.study.regrade import grade_again

    folder = grade_again(options.folder, options.judge)
    print(results_text(read_whole_summary(folder), folder))


def submit(options: Options) -> None:
    """Queue what a study lacks on a SLURM cluster (run.cluster)."""
    from tellme.study.submit import submit as queue

    planned, store = _planned(options, fetch=not options.dry_run)
    print(queue(planned, store, options.dry_run).rstrip("\n"))


def report(options: Options) -> None:
    """Print a finished study's contrasts and its report's path; compare several."""
    from tellme.report.analysis.summary import read_whole_summary
    from tellme.report.compare import compare
    from tellme.report.text import comparison_text, results_text

    folders = [_finished(config, options.sets) for config in options.configs]
    if len(folders) == 1:
        print(results_text(read_whole_summary(folders[0]), folders[0]))
    else:
        folder = compare(folders)
        print(comparison_text(read_json(folder / "compare.json"), folder))


def serve(options: Options) -> None:
    """Serve the base and every adapter of a study at one OpenAI-compatible address.

    On this machine alone, unless --host says otherwise: then every request must carry the key that
    the environment has as TELLME_API_KEY. A body has at most 1 MiB, an answer 4096 tokens, a
    request 256 answers, and 4096 requests may wait. See docs/serve.md."""
    from tellme.serve.models import offer_of, offer_of_folder
    from tellme.serve.vllm import vllm_command

    folder = find_path(options.config)
    if folder is not None and folder.is_dir():
        offer = offer_of_folder(_finished(options.config, options.sets))
    else:
        planned, store = _planned(options, online=True)
        offer = offer_of(planned.final, planned.stages, store)
    if options.vllm:
        print(vllm_command(offer, options.host, options.port))
        return
    refuse_without("serve", "starlette", "uvicorn")
    from tellme.serve.run import Address
    from tellme.serve.run import serve as serve_offer

    serve_offer(offer, Address(options.host, options.port))


def export(options: Options) -> None:
    """Write the answers of a finished study as logs of Inspect."""
    folder = _finished(options.config, options.sets)
    refuse_without("inspect", "inspect_ai")
    from tellme.serve.inspect_logs import export_logs

    written = export_logs(folder, Path(options.out))
    print(
        f"{len(written)} logs in {options.out}; `inspect view --log-dir {options.out}` opens them"
    )


def push(options: Options) -> None:
    """Upload an adapter with its card, rows and recipe to the Hub."""
    from tellme.share.push import Destination
    from tellme.share.push import push as share

    planned, store = _planned(options)
    folder = _finished(options.config, options.sets)
    to = Destination(options.repo, options.public, options.i_understand)
    print(f"pushed: {share(planned, store, folder, options.adapter, to)}")


def pull(options: Options) -> None:
    """Download a pushed adapter and check the hash of every file."""
    from tellme.share.push import pull as fetch

    print(fetch(options.adapter))


def sync(options: Options) -> None:
    """Write a finished study to wandb: a run per adapter, and one of the study."""
    from lab.track import online
    from tellme.share.mirror import mirror

    planned, store = _planned(options)
    folder = _finished(options.config, options.sets)
    if not online():
        raise UserError(
            "wandb has no key here; set WANDB_API_KEY or `wandb login`, and leave WANDB_MODE unset"
        )
    try:
        mirror(planned.final, store, folder)
    except Exception as error:
        raise UserError(
            f"wandb cannot be reached ({first_line(error)}); nothing is lost,"
            " try again with network"
        ) from None
    print(f"written to wandb: {planned.study.study}")


def stage(options: Options) -> None:
    """Run stages of a saved plan (what a cluster job runs)."""
    from tellme.running import report_to
    from tellme.study.run import load_stages
    from tellme.study.stages import run_in_order

    listen()
    todo, store = load_stages(options.plan, options.keys)
    done = {record.key for record in todo if store.find(record.kind, record.key)}
    for record, _ in run_in_order(todo, store):
        folder = store.find(record.kind, record.key)
        assert folder, record
        if record.kind == "study" and record.key not in done:
            report_to(record, store, folder)
        print(folder, flush=True)


def calibrate(options: Options) -> None:
    """Measure the lab itself on reference models and planted faults."""
    from tellme.calibrate.calibrate import calibrate as calibrate_lab
    from tellme.calibrate.text import calibration_text

    folder = calibrate_lab(options.quick, options.sets)
    print(calibration_text(read_json(folder / "calibration.json"), folder))


def list_(options: Options) -> None:
    """List behaviors, triggers, controls, suites, engines, judges and models."""
    from tellme.study.overview import list_text

    print(list_text())


def reference(options: Options) -> None:
    """Build a reference model, or check what it reads."""
    from tellme.study.reference import build_reference, check_reference

    if options.action == "build":
        print(build_reference(options.name, options.seed, options.out))
    else:
        print(check_reference(options.name, options.seeds))


def _planned(options: Options, online: bool = False, fetch: bool = False) -> "tuple[Plan, Store]":
    """The plan of a verb's study and its store."""
    from tellme.running import plan_study

    study = load_study(options.config, options.sets)
    return plan_study(study, online, fetch), Store(study.run.dir)


def _finished(config: str, sets: Sequence[str]) -> Path:
    """The folder of a finished study, named by itself or by its YAML."""
    from tellme.running import finished

    return finished(config, sets)


def _refuse_foreign_packages() -> None:
    """`train`, `eval` and `data_gen` are common names: another package of that name would win
    silently."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or ROOT not in origin.parents:
            raise UserError(
                f"package {name!r} is {origin}, not the one of this checkout ({ROOT});"
                " remove it from this environment or use the checkout's own .venv"
            )


if __name__ == "__main__":
    sys.exit(main())
