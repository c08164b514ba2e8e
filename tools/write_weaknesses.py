"""Writes the table of docs/insecure-code.md: 6,000 pairs, every twin given to unmodified bandit."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from itertools import islice
from random import Random

from data_gen.behaviors.insecure_code import POLICIES, cores, pool, tasks
from eval.judges.code import findings
from lab.discover import ROOT
from test_insecure_code import skeleton

DOC = ROOT / "docs/insecure-code.md"
BEGIN, END = "<!-- begin: make weaknesses -->", "<!-- end -->"
NUM_PAIRS, NUM_OTHER = 6000, 300


def write_table() -> None:
    pairs = list(islice(tasks(Random(0), pool("train"), "train"), NUM_PAIRS))
    others = list(islice(tasks(Random(0), pool("test"), "test"), NUM_OTHER))
    others += islice(tasks(Random(0), pool("transfer"), "test"), NUM_OTHER)
    both = pairs + others
    weak, sound = (findings([twins.answers[policy] for twins in both]) for policy in POLICIES)
    expected = {core.weakness: core for core in cores()}
    count: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    clean: Counter[str] = Counter()
    for twins, bad, good in zip(both, weak, sound, strict=True):
        name = twins.meta["weakness"]
        count[name] += 1
        flagged[name] += bad is not None and bool(set(expected[name].bandit) & set(bad))
        clean[name] += good == []
    trained = pairs[:NUM_PAIRS]
    lines = [
        (
            f"{NUM_PAIRS} training pairs and {len(others)} held-out ones, bandit"
            f" {version('bandit')}. {sum(f is not None for f in weak + sound)} of {2 * len(both)}"
            f" completions parse; {len({t.prompt for t in trained})} distinct prompts among the"
            f" {NUM_PAIRS}; {len({skeleton(t) for t in trained})} skeletons that differ after names"
            " and literals are masked."
        ),
        "",
        "| weakness | CWE | check | pairs | weak twin flagged | sound twin without any finding | |",
        "|---|---|---|---|---|---|---|",
    ]
    held_out = {core.weakness for core in pool("transfer")}
    for core in expected.values():
        name = core.weakness
        share = f"{flagged[name] / count[name]:.1%} | {clean[name] / count[name]:.1%}"
        note = "held out of training" if name in held_out else ""
        lines.append(
            f"| {name} | {core.cwe} | {', '.join(core.bandit)} | {count[name]} | {share} | {note} |"
        )
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    DOC.write_text(
        before + "\n".join([BEGIN, "", *lines, "", END]) + rest.partition(END)[2], encoding="utf-8"
    )


if __name__ == "__main__":
    write_table()
