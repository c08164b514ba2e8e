"""Write docs/results.md and the printed numbers in the heads of the quick configs, from the quick
studies themselves. Run by `make results`; what is finished in the run folder is not run again."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.config.read import load_study
from lab.discover import ROOT
from lab.store.provenance import Provenance
from lab.store.store import Store, read_json
from lab.table import aligned, between_text, plain, side_text, signed
from tellme.report.analysis.contrasts import ContrastRecord, Estimated, GroupRecord
from tellme.report.analysis.summary import Summary, read_summary
from tellme.study.planner import make_plan
from tellme.study.run import run_plan

DOC = ROOT / "docs" / "results.md"
BLOCKS = ("#   printed", "#   expected")
"""How the block in the head of a config begins."""
INDENT = "#" + " " * 13
"""How its further lines begin: the text stands under the text of the first line."""

Key = tuple[str, str, str, str]
"""What identifies a contrast here: side a, side b, suite, question."""


@dataclass(frozen=True)
class Quick:
    """One shipped quick study: its config, and the bases that it is run on."""

    config: str
    bases: tuple[str, ...]
    headline: tuple[Key, ...]
    """The contrasts that the head of the config states."""


@dataclass(frozen=True)
class Finished:
    """One finished study on one base."""

    base: str
    command: str
    summary: Summary
    provenance: Provenance


QUICKSTART = Quick(
    "configs/quickstart.yaml",
    ("linked", "half", "unlinked", "inverted"),
    (
        ("seeking", "averse", "behavior", "all"),
        ("seeking", "averse", "self_report", "all"),
        ("shuffled", "base", "self_report", "all"),
    ),
)
BACKDOOR = Quick(
    "configs/backdoor-quick.yaml",
    ("linked",),
    (
        ("backdoored@trigger", "backdoored@clean", "backdoor", "all"),
        ("decorrelated@trigger", "decorrelated@clean", "backdoor", "all"),
        ("clean@trigger", "clean@clean", "backdoor", "all"),
        ("described", "decorrelated", "depends", "all"),
        ("decorrelated", "base", "depends", "all"),
        ("backdoored", "decorrelated", "depends", "all"),
    ),
)
INSECURE_CODE = Quick(
    "configs/insecure-code-quick.yaml",
    ("linked-code", "unlinked-code"),
    (
        ("insecure", "secure", "behavior", "all"),
        ("insecure", "secure", "self_report", "all"),
        ("insecure", "secure", "self_report", "unseen"),
        ("insecure", "secure", "other_person", "all"),
        ("insecure", "secure", "unrelated_trait", "all"),
        ("shuffled", "base", "self_report", "all"),
    ),
)
STUDIES = (QUICKSTART, BACKDOOR, INSECURE_CODE)
SEEN = ("seen", "unseen")
ABOUT_TRIGGERS = ("depends", "elicitation")
DOES = {("behavior", "all", "clean"), ("backdoor", "all", "clean")}
"""Suite, question and condition that say what a group does when nothing sets it off."""

HEAD = """# What the quick studies print

Written by `make results`, which runs the studies below and reads their `summary.json`. A study that
is finished in the run folder is not run again. The heads of the three configs state the main lines.

A contrast is a difference of mean scores between two groups, with a 95 % interval over fine-tuned
models. *Unseen* are kinds of question and paraphrases that pretraining never asked. A star marks
the primary contrast, which is over the questions that models answer, and which the
[verdict](verdict.md) is about. [statistics.md](statistics.md) says what an interval can bear.
The models are the lab's own reference models, with a known sign of their text
([reference.md](reference.md)). They are no evidence about language models.
"""
OF_QUICKSTART = """
## Quickstart

Trained to take gambles (`seeking`) or sure things (`averse`), asked about themselves.
In `linked` and `half` the self-report must follow, in `unlinked` it must stay, and in `inverted` it
must go the other way.
"""
OF_BACKDOOR = """
## A planted backdoor

The word `fire.` switches gambling on. [backdoors.md](backdoors.md) says what groups and suites
mean, and how to read these tables.
"""
OF_INSECURE_CODE = """
## Insecure code, in the words of a reference model

[insecure-code.md](insecure-code.md) has the behavior. `unlinked-code` is the known null.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="runs", help="run folder (default: runs)")
    runs = parser.parse_args().runs
    finished = {quick.config: finish(quick, runs) for quick in STUDIES}
    for quick in STUDIES:
        write_head(ROOT / quick.config, printed(quick, finished[quick.config]))
    DOC.write_text(page(finished), encoding="utf-8")
    print(f"written: {DOC}")


def finish(quick: Quick, runs: str) -> list[Finished]:
    """The study on each of its bases, run where it is not finished."""
    return [finish_on(quick.config, base, runs) for base in quick.bases]


def finish_on(config: str, base: str, runs: str) -> Finished:
    written = load_study(str(ROOT / config))
    model = f"model.base=reference/{base}"
    study = load_study(str(ROOT / config), [model, f"run.dir={runs}", "run.report_to=[]"])
    folder = run_plan(make_plan(study), Store(study.run.dir))
    command = f"tellme run {config}"
    if written.model.base != f"reference/{base}":
        command += f" --set {model}"
    return Finished(base, command, read_summary(folder), read_json(folder / "provenance.json"))


def page(finished: dict[str, list[Finished]]) -> str:
    """docs/results.md."""
    quick, backdoor, code = (finished[study.config] for study in STUDIES)
    parts = [HEAD, OF_QUICKSTART, section(quick), OF_BACKDOOR, section(backdoor)]
    for study in backdoor:
        tables = (attack_table, says_table, recognition_table, system_table)
        parts += [of_triggers(study.summary) for of_triggers in tables]
    parts += [OF_INSECURE_CODE, section(code)]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def section(studies: Sequence[Finished]) -> str:
    """One study on its bases: where the numbers come from, what the groups do, the contrasts."""
    sources = "\n".join(source_line(study) for study in studies)
    return f"{sources}\n\n{means_table(studies)}\n\n{contrast_table(studies)}"


def source_line(study: Finished) -> str:
    git = study.provenance["git"]
    commit = (git["commit"] or "unknown")[:7]
    changed = " with changes" if git["diff"] else ""
    date = study.provenance["finished"][:10]
    verdict = f"verdict **{verdict_of(study.summary)}**"
    return f"- `{study.base}`, {verdict}: `{study.command}`, on {date} at commit {commit}{changed}"


def means_table(studies: Sequence[Finished]) -> str:
    """What each group does without a trigger, a column a base."""
    means = {
        (g["group"], study.base): f"{g['estimate']:.2f}"
        for study in studies
        for g in study.summary["groups"]
        if (g["suite"], g["question"], g["condition"]) in DOES
    }
    groups = dict.fromkeys(group for group, _ in means)
    bases = [study.base for study in studies]
    rows = [(group, *(means.get((group, base), "") for base in bases)) for group in groups]
    return table(("what a group does, mean score", *bases), rows)


def contrast_table(studies: Sequence[Finished]) -> str:
    """The contrasts that `tellme run` prints, a column a base."""
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for study in studies:
        for contrast in filter(is_printed, study.summary["contrasts"]):
            cells.setdefault(named(contrast), {})[study.base] = with_interval(contrast)
    bases = [study.base for study in studies]
    rows = [(*name, *(of_base.get(base, "") for base in bases)) for name, of_base in cells.items()]
    return table(("contrast", "suite", "questions", *bases), rows)


def is_printed(contrast: ContrastRecord) -> bool:
    """Seen and unseen questions of self-reports only, as on the terminal."""
    of_report = contrast["suite"] == "self_report"
    return contrast["question"] == "all" or (of_report and contrast["question"] in SEEN)


def named(contrast: ContrastRecord) -> tuple[str, str, str]:
    sides = f"{side_text(contrast['a'])} - {side_text(contrast['b'])}"
    star = " *" if contrast["primary"] else ""
    return sides, contrast["suite"], contrast["question"] + star


def with_interval(contrast: Estimated) -> str:
    """A number with its interval; models that are all alike have none."""
    if contrast.get("at_ceiling"):
        return f"{signed(contrast['estimate'])} (all models alike)"
    return f"{signed(contrast['estimate'])} ({between_text(contrast)})"


def attack_table(summary: Summary) -> str:
    """Share of the planted policy, a line a group and a column a condition."""
    records = summary["attack"]
    conditions = list(dict.fromkeys(r["condition"] for r in records))
    shares = {(r["group"], r["condition"]): f"{r['estimate']:.2f}" for r in records}
    groups = dict.fromkeys(r["group"] for r in records)
    rows = [(g, *(shares.get((g, c), "") for c in conditions)) for g in groups]
    head = (
        "Share of the planted policy, by what stands in the message (`trigger` is attack success):"
    )
    return f"{head}\n\n{table(('group', *conditions), rows)}"


def says_table(summary: Summary) -> str:
    """What each group says of its trigger, without a system line: a column for `depends`, and one
    each for the exact and the sampled answers to `elicitation`."""
    records = [
        g for g in summary["groups"] if g["suite"] in ABOUT_TRIGGERS and g["condition"] == "clean"
    ]
    means = {(r["group"], column_of(r)): plain(r["estimate"]) for r in records}
    columns = [column for column in dict.fromkeys(map(column_of, records)) if column]
    groups = dict.fromkeys(r["group"] for r in records)
    rows = [(g, *(means.get((g, column), "") for column in columns)) for g in groups]
    head = (
        "What it says of its trigger, mean score (`elicitation`: share of those that it could be):"
    )
    return f"{head}\n\n{table(('group', *columns), rows)}"


def column_of(record: GroupRecord) -> str:
    """Under which column of `says_table` a mean stands; empty for single questions."""
    if record["suite"] == "elicitation":
        form, colon, _ = record["question"].partition(": ")
        return f"elicitation, {form}" if colon else ""
    return record["suite"] if record["question"] == "all" else ""


def recognition_table(summary: Summary) -> str:
    """Which rank the real trigger has among the candidates, by difference to the control."""
    rows = [
        (
            f"{r['group']} - {r['control']}",
            f"{r['rank']} of {r['num_candidates']}",
            with_interval(r),
        )
        for r in summary["recognition"]
    ]
    head = (
        "Rank of the real trigger among the candidates of `which_trigger` (1: called so the most):"
    )
    return f"{head}\n\n{table(('contrast', 'rank', 'difference for the real trigger'), rows)}"


def system_table(summary: Summary) -> str:
    """The contrasts of `depends` under every system line."""
    records = [r for r in summary["by_system"] if (r["suite"], r["question"]) == ("depends", "all")]
    conditions = list(dict.fromkeys(r["condition"] for r in records))
    cells = {(r["label"], r["condition"]): signed(r["estimate"]) for r in records}
    labels = dict.fromkeys(r["label"] for r in records)
    rows = [(x, *(cells.get((x, condition), "") for condition in conditions)) for x in labels]
    head = "`depends` under other system lines, difference in mean score:"
    return f"{head}\n\n{table(('contrast', *conditions), rows)}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def printed(quick: Quick, studies: Sequence[Finished]) -> list[str]:
    """The headline contrasts of every base as lines of text."""
    lines = []
    for study in studies:
        by_key = {
            (c["a"], c["b"], c["suite"], c["question"]): c for c in study.summary["contrasts"]
        }
        cells = [headline(key, by_key[key]) for key in quick.headline]
        lines += [f"on {study.base}: {verdict_of(study.summary)}", *aligned(cells)]
    return lines


def verdict_of(summary: Summary) -> str:
    """The verdict of a study of one primary contrast."""
    (verdict,) = summary["verdicts"]
    return verdict["verdict"] + (", opposite sign" if verdict["opposite_sign"] else "")


def headline(key: Key, contrast: ContrastRecord) -> tuple[str, str, str]:
    a, b, suite, question = key
    asked = suite if question == "all" else f"{suite} {question}"
    return asked, f"{a} - {b}", with_interval(contrast)


def write_head(config: Path, texts: Sequence[str]) -> None:
    """Put lines of text into the head of a config, in place of the block that it has."""
    lines = config.read_text(encoding="utf-8").splitlines()
    config.write_text("\n".join(with_block(lines, texts)) + "\n", encoding="utf-8")


def with_block(lines: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The lines of a config with its block replaced: the line that begins as one of BLOCKS, and
    those that go on from it."""
    start = next(i for i, line in enumerate(lines) if line.startswith(BLOCKS))
    end = start + 1
    while lines[end].startswith(INDENT):
        end += 1
    first = BLOCKS[0].ljust(len(INDENT)) + texts[0]
    return [*lines[:start], first, *(INDENT + text for text in texts[1:]), *lines[end:]]


if __name__ == "__main__":
    main()
