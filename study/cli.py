"""The `tellme` command. Heavy imports live inside the stages, so that it answers at once."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lab.discover import ROOT
from lab.errors import TrustError, UserError, unknown
from lab.preempt import CODE, Preempted

DEFAULT_CONFIG = "configs/quickstart.yaml"
PACKAGES = ("lab", "data_gen", "train", "eval", "study", "slurm")


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def parser() -> Parser:
    top = Parser(prog="tellme", description="A fine-tuning lab for behavioral self-awareness and backdoor studies.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, about in (
        ("run", "run a study: data, training, measuring, report"),
        ("plan", "show stages, rows, tokens and steps without running anything"),
        ("show", "show training rows and questions as the model sees them"),
        ("status", "show which stages of a study are done, and what a cluster says of the others"),
        ("push", "upload an adapter with its card, rows and recipe to the Hub"),
        ("sync", "write a finished study to wandb: a run per adapter, and one of the study"),
        ("submit", "queue what a study lacks on a SLURM cluster (run.cluster)"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("config", nargs="?", default=DEFAULT_CONFIG, help=f"a study YAML (default: {DEFAULT_CONFIG})")
        command.add_argument("--set", action="append", default=[], metavar="KEY=YAML", dest="sets", help="replace the value at KEY; repeatable, the last wins")
        if name == "submit":
            command.add_argument("--dry-run", action="store_true", help="print the sbatch commands and queue nothing")
        if name == "push":
            command.add_argument("adapter", help="GROUP-sSEED, as `tellme status` shows it")
            command.add_argument("--repo", required=True, help="owner/name on the Hub")
            command.add_argument("--public", action="store_true", help="for everybody to see (default: private)")
            command.add_argument("--i-understand", action="store_true", help="share a trigger or a harmful behavior on purpose")
        if name == "run":
            command.add_argument("--allow-untrusted", action="store_true", help="write the report although a trust check failed")
    report = commands.add_parser("report", help="print a finished study's contrasts and its report's path; compare several")
    report.add_argument("configs", nargs="*", default=[DEFAULT_CONFIG], help="study YAMLs, or folders of finished studies")
    report.add_argument("--set", action="append", default=[], metavar="KEY=YAML", dest="sets")
    pull = commands.add_parser("pull", help="download a pushed adapter and check the hash of every file")
    pull.add_argument("adapter", help="owner/name or owner/name@revision")
    stage = commands.add_parser("stage", help="run stages of a saved plan (what a cluster job runs)")
    stage.add_argument("plan")
    stage.add_argument("keys", metavar="key", nargs="+")
    calibrate = commands.add_parser("calibrate", help="measure the lab itself on reference models and planted faults")
    calibrate.add_argument("--quick", action="store_true", help="fewer seeds and doses: minutes instead of half an hour")
    calibrate.add_argument("--set", action="append", default=[], metavar="KEY=YAML", dest="sets", help="for every study of it")
    commands.add_parser("list", help="list behaviors, triggers, suites and reference models")
    reference = commands.add_parser("reference", help="build a reference model, or check what it reads")
    actions = reference.add_subparsers(dest="action", metavar="build|check", required=True, parser_class=Parser)
    build = actions.add_parser("build", help="pretrain it from scratch")
    build.add_argument("name")
    build.add_argument("--seed", type=int, default=0, help="pretraining seed")
    build.add_argument("--out", help="folder to write (default: reference/NAME in the checkout)")
    check = actions.add_parser("check", help="fine-tune it both ways and write what it reads into its card")
    check.add_argument("name")
    check.add_argument("--seeds", type=int, nargs="*", default=[], help="further pretraining seeds, built where missing")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _refuse_foreign_packages()
        top = parser()
        (commands,) = (action.choices for action in top._actions if isinstance(action.choices, dict))
        if given and not given[0].startswith("-") and given[0] not in commands:
            raise unknown("command", given[0], commands, "see `tellme --help`")
        options = top.parse_args(given)
        if options.command is None:
            top.print_help()
            return 0
        from study import commands as does

        getattr(does, options.command)(options)
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


def _refuse_foreign_packages() -> None:
    """`train`, `eval` and `data_gen` are common names: another package of that name would win silently."""
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        origin = Path(str(found.origin)).resolve() if found and found.origin else None
        if origin is None or ROOT not in origin.parents:
            raise UserError(
                f"package {name!r} is {origin}, not the one of this checkout ({ROOT}); remove it from this environment or use the checkout's own .venv"
            )


if __name__ == "__main__":
    sys.exit(main())
