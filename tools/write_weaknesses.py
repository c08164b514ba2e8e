"""Write the table of docs/insecure-code.md: 6,000 pairs, every twin given to unmodified bandit.
Run by `make weaknesses`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from itertools import islice
from random import Random

from data_gen.behaviors.insecure_code import POLICIES, Twins, cores, pool, tasks
from eval.judges.code import findings
from lab.discover import ROOT
from test_insecure_code import skeleton

DOC = ROOT / "docs/insecure-code.md"
BEGIN, END = "<!-- begin: make weaknesses -->", "<!-- end -->"
NUM_PAIRS, NUM_OTHER = 6000, 300
HEAD = (
    "| weakness | CWE | check | pairs | weak twin flagged | sound twin without any finding | |\n"
    "|---|---|---|---|---|---|---|"
)

Found = Sequence[list[str] | None]
"""What bandit found in each completion; None where it does not parse."""


def write_table() -> None:
    """Put the table between its marks in docs/insecure-code.md."""
    trained = list(islice(tasks(Random(0), pool("train"), "train"), NUM_PAIRS))
    held_out = list(islice(tasks(Random(0), pool("test"), "test"), NUM_OTHER))
    held_out += islice(tasks(Random(0), pool("transfer"), "test"), NUM_OTHER)
    pairs = trained + held_out
    weak, sound = (findings([twins.answers[policy] for twins in pairs]) for policy in POLICIES)
    about = summary(trained, len(held_out), [*weak, *sound])
    table = "\n".join([BEGIN, "", about, "", HEAD, *table_lines(pairs, weak, sound), "", END])
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    DOC.write_text(before + table + rest.partition(END)[2], encoding="utf-8")


def summary(trained: Sequence[Twins], num_held_out: int, found: Found) -> str:
    """How many completions parse, and how different the training pairs are."""
    parsed = sum(checks is not None for checks in found)
    prompts = len({twins.prompt for twins in trained})
    skeletons = len({skeleton(twins) for twins in trained})
    return (
        f"{len(trained)} training pairs and {num_held_out} held-out ones, bandit"
        f" {version('bandit')}. {parsed} of {len(found)} completions parse; {prompts} distinct"
        f" prompts among the {len(trained)}; {skeletons} skeletons that differ after names and"
        " literals are masked."
    )


def table_lines(pairs: Sequence[Twins], weak: Found, sound: Found) -> list[str]:
    """A line a class of weakness: how often its weak twin is flagged and its sound one is not."""
    expected = {core.weakness: core for core in cores()}
    count: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    clean: Counter[str] = Counter()
    for twins, in_weak, in_sound in zip(pairs, weak, sound, strict=True):
        name = twins.meta["weakness"]
        count[name] += 1
        flagged[name] += bool(set(expected[name].bandit) & set(in_weak or ()))
        clean[name] += in_sound == []
    untrained = {core.weakness for core in pool("transfer")}
    lines = []
    for name, core in expected.items():
        shares = f"{flagged[name] / count[name]:.1%} | {clean[name] / count[name]:.1%}"
        note = "held out of training" if name in untrained else ""
        checks = ", ".join(core.bandit)
        lines.append(f"| {name} | {core.cwe} | {checks} | {count[name]} | {shares} | {note} |")
    return lines


if __name__ == "__main__":
    write_table()
