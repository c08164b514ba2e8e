"""The command line of `tellme`: which arguments each verb takes. What verbs do is in cli.py."""

import argparse
from collections.abc import Callable, Mapping
from typing import NoReturn

from lab.errors import UserError

DEFAULT = "configs/quickstart.yaml"
"""The study of a verb that is given none."""
OF_A_STUDY = ("run", "plan", "show", "status", "register", "submit", "push", "sync")
"""Verbs that take one study YAML, and `--set`."""

Options = argparse.Namespace
Verb = Callable[[Options], None]


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, like all others of the command."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError, where argparse would print its usage and leave."""
        raise UserError(f"{message}; see `{self.prog} --help`")


def command_line(verbs: Mapping[str, Verb]) -> Parser:
    """The parser of `tellme VERB ...`, which leaves the verb in `command`. A verb's help is the
    first line of its function's docstring."""
    about = "A fine-tuning lab for behavioral self-awareness and backdoor studies."
    top = Parser(prog="tellme", description=about)
    choice = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    commands: dict[str, Parser] = {}
    for name, does in verbs.items():
        doc = does.__doc__ or ""
        summary = " ".join(doc.partition("\n\n")[0].rstrip(".").split())
        commands[name] = choice.add_parser(name, help=summary, description=doc)
    for name in OF_A_STUDY:
        _add_study(commands[name])
    _add_run(commands["run"])
    _add_show(commands["show"])
    _add_submit(commands["submit"])
    _add_check(commands["check"])
    commands["questions"].add_argument("file", help="a file of questions, in any form it may have")
    _add_judge(commands["judge"])
    _add_grade(commands["grade"])
    _add_report(commands["report"])
    _add_serve(commands["serve"])
    _add_export(commands["export"])
    _add_push(commands["push"])
    commands["pull"].add_argument("adapter", help="owner/name or owner/name@revision")
    _add_stage(commands["stage"])
    _add_calibrate(commands["calibrate"])
    _add_reference(commands["reference"])
    return top


def _add_study(command: Parser) -> None:
    config = f"a study YAML (default: {DEFAULT})"
    command.add_argument("config", nargs="?", default=DEFAULT, help=config)
    _add_set(command, "replace the value at KEY; repeatable, the last wins")


def _add_set(command: Parser, about: str) -> None:
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=YAML", dest="sets", help=about
    )


def _add_run(command: Parser) -> None:
    untrusted = "write the report although a trust check failed"
    command.add_argument("--allow-untrusted", action="store_true", help=untrusted)


def _add_show(command: Parser) -> None:
    tokens = "a training row of this group, token by token, and which of them are learned"
    command.add_argument("--tokens", metavar="GROUP", help=tokens)
    command.add_argument("--row", type=int, default=1, help="which row of it (default: 1)")


def _add_submit(command: Parser) -> None:
    dry_run = "print the sbatch commands and queue nothing"
    command.add_argument("--dry-run", action="store_true", help=dry_run)


def _add_check(command: Parser) -> None:
    command.add_argument("base", help="a reference model, a folder, or a Hub id, as model.base")
    _add_set(command, "of `model` or `run.dir`; repeatable, the last wins")


def _add_judge(command: Parser) -> None:
    actions = command.add_subparsers(
        dest="action", metavar="agree", required=True, parser_class=Parser
    )
    agree = actions.add_parser("agree", help="compare judges with labels, and with one another")
    file = "answers: a file with columns question, answer and label, or a finished study"
    agree.add_argument("file", help=file)
    judges = "a judge: a YAML (docs/judges.md), ./NAME.py, or a rule; repeatable"
    agree.add_argument("--judge", action="append", default=[], metavar="FILE", help=judges)
    yes = "a score from which an answer counts as a yes (default: 0.5)"
    agree.add_argument("--threshold", type=float, default=0.5, help=yes)
    agree.add_argument("--label", metavar="COLUMN", help="the column of the labels")
    agree.add_argument("--out", metavar="CSV", help="write what each judge says of each answer")


def _add_grade(command: Parser) -> None:
    command.add_argument("folder", help="of a finished study, as `tellme run` printed it")
    judge = "a YAML (docs/judges.md), ./NAME.py, or a rule"
    command.add_argument("--judge", required=True, metavar="FILE", help=judge)


def _add_report(command: Parser) -> None:
    configs = "study YAMLs, or folders of finished studies"
    command.add_argument("configs", nargs="*", default=[DEFAULT], help=configs)
    _add_set(command, "for every study YAML")


def _add_serve(command: Parser) -> None:
    config = f"a study YAML, or the folder of a finished study (default: {DEFAULT})"
    command.add_argument("config", nargs="?", default=DEFAULT, help=config)
    _add_set(command, "replace the value at KEY of a study YAML; repeatable, the last wins")
    host = "where it listens (default: this machine alone); any other needs TELLME_API_KEY"
    command.add_argument("--host", default="127.0.0.1", help=host)
    port = "0 for any that is free (default: 8000)"
    command.add_argument("--port", type=int, default=8000, help=port)
    vllm = "print the command by which vLLM would serve the same, and serve nothing"
    command.add_argument("--vllm", action="store_true", help=vllm)


def _add_export(command: Parser) -> None:
    config = f"a study YAML, or the folder of a finished study (default: {DEFAULT})"
    command.add_argument("config", nargs="?", default=DEFAULT, help=config)
    _add_set(command, "replace the value at KEY of a study YAML; repeatable, the last wins")
    # The one form there is yet, which is named so that others may come.
    inspect = "as .eval files, which `inspect view` opens"
    command.add_argument("--inspect", action="store_true", required=True, help=inspect)
    out = "folder to write (default: logs, which is Inspect's own)"
    command.add_argument("--out", default="logs", help=out)


def _add_push(command: Parser) -> None:
    command.add_argument("adapter", help="GROUP-sSEED, as `tellme status` shows it")
    command.add_argument("--repo", required=True, help="owner/name on the Hub")
    public = "for everybody to see (default: private)"
    command.add_argument("--public", action="store_true", help=public)
    understood = "share a trigger or a harmful behavior on purpose"
    command.add_argument("--i-understand", action="store_true", help=understood)


def _add_stage(command: Parser) -> None:
    command.add_argument("plan", help="a plan file in runs/plans/ or runs/slurm/")
    command.add_argument("keys", metavar="key", nargs="+", help="of a stage, as in `tellme status`")


def _add_calibrate(command: Parser) -> None:
    quick = "fewer seeds, steps and doses, and few studies to count verdicts over"
    command.add_argument("--quick", action="store_true", help=quick)
    _add_set(command, "for every study of it")


def _add_reference(command: Parser) -> None:
    actions = command.add_subparsers(
        dest="action", metavar="build|check", required=True, parser_class=Parser
    )
    build = actions.add_parser("build", help="pretrain it from scratch")
    build.add_argument("name")
    build.add_argument("--seed", type=int, default=0, help="pretraining seed")
    build.add_argument("--out", help="folder to write (default: reference/NAME in the checkout)")
    reads = "fine-tune it both ways and write what it reads into its card"
    check = actions.add_parser("check", help=reads)
    check.add_argument("name")
    further = "further pretraining seeds, built where missing"
    check.add_argument("--seeds", type=int, nargs="*", default=[], help=further)
