"""The `tellme` command. Heavy imports live inside the stages, so that it answers at once."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from lab.discover import ROOT, beside
from lab.errors import TrustError, UserError, unknown
from lab.preempt import CODE, Preempted

WORDS = beside(__file__)
PACKAGES = ("lab", "data_gen", "train", "eval", "study", "slurm")


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def parser() -> Parser:
    """As study/cli.yaml describes it."""
    return _filled(Parser(prog=WORDS["prog"], description=WORDS["description"]), WORDS)


def _filled(made: Parser, words: dict[str, Any]) -> Parser:
    for name, given in words.get("arguments", {}).items():
        made.add_argument(name, **given | ({"type": int} if "type" in given else {}))
    if "commands" in words:
        choice = made.add_subparsers(parser_class=Parser, **words["choice"])
        for name, of in words["commands"].items():
            _filled(
                choice.add_parser(
                    name, help=of.get("about", of.get("help")), description=of.get("about")
                ),
                of,
            )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _refuse_foreign_packages()
        top = parser()
        if given and not given[0].startswith("-") and given[0] not in WORDS["commands"]:
            raise unknown("command", given[0], WORDS["commands"], "see `tellme --help`")
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
    """`train`, `eval` and `data_gen` are common names: another package of that name would win
    silently."""
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        origin = Path(str(found.origin)).resolve() if found and found.origin else None
        if origin is None or ROOT not in origin.parents:
            raise UserError(
                f"package {name!r} is {origin}, not the one of this checkout ({ROOT}); remove it"
                " from this environment or use the checkout's own .venv"
            )


if __name__ == "__main__":
    sys.exit(main())
