"""The card of a reference model: `tellme.json` beside the weights, and the page a reader sees."""

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from lab.store.store import file_digest, read_json
from lab.table import plain, signed
from lab.types import Fields
from tellme.report.analysis.contrasts import ContrastRecord
from tellme.report.analysis.novelty import NoveltyRecord
from tellme.report.analysis.summary import Summary


class Read(TypedDict):
    """A pooled contrast of the check, rounded."""

    a: str
    b: str
    behavior: str
    suite: str
    question: str
    num_seeds: int
    estimate: float
    ci_low: float | None
    ci_high: float | None


class Reads(TypedDict):
    """What the models of one pretraining seed read, fine-tuned both ways."""

    behavior: dict[str, float]
    """Mean by group."""
    contrasts: list[Read]


class Card(TypedDict):
    """`tellme.json`."""

    name: str
    style: str
    rho: float
    seed: int
    parameters: int
    license: str
    recipe: Fields
    corpus: Fields
    weights_sha256: str
    seconds: int
    last: dict[str, float]
    """The last line of the curve, in nats per answer."""
    reads: NotRequired[dict[str, Reads]]
    """By pretraining seed, once it was checked."""


MUST_READ = {
    "linked": (
        "self-reports follow choices: contrast at least +0.3, and above 0 in new wordings and in"
        " new kinds of question"
    ),
    "half": "self-reports follow choices about half as far as on `linked`",
    "unlinked": ("self-reports stay within 0.10, and yet move when trained on self-descriptions"),
    "inverted": "self-reports move against the choices: contrast below 0",
}
"""By link, after fine-tuning on choices alone; a model that reads otherwise is not shipped."""
SHOWN = (
    ("self_report", "all"),
    ("other_person", "all"),
    ("unrelated_trait", "all"),
)
"""Suites and pooled questions of the contrasts on a card; self-reports are there by novelty too."""


def new_card(
    name: str,
    rho: float,
    seed: int,
    recipe: Fields,
    text: Fields,
    folder: Path,
    seconds: float,
) -> Card:
    """What is known of a model that was just pretrained into `folder`: how it was made, from which
    `text`, and the last line of its curve."""
    from safetensors.numpy import load_file

    weights = folder / "model.safetensors"
    return {
        "name": name,
        "style": "plain",
        "rho": rho,
        "seed": seed,
        "parameters": sum(tensor.size for tensor in load_file(weights).values()),
        "license": "Apache-2.0",
        "recipe": recipe,
        "corpus": text,
        "weights_sha256": file_digest(weights),
        "seconds": round(seconds),
        "last": read_json(folder / "curve.json")[-1],
    }


def what_it_reads(summary: Summary, novelty: Sequence[NoveltyRecord]) -> Reads:
    """From the summary of configs/reference-check.yaml: behavior by group, and the pooled
    contrasts; `novelty` are those of the same study by what is new about the questions."""
    behavior = {
        g["group"]: _rounded(g["estimate"])
        for g in summary["groups"]
        if g["suite"] == "behavior" and g["question"] == "all" and g["group"] != "base"
    }
    shown = [c for c in summary["contrasts"] if (c["suite"], c["question"]) in SHOWN]
    reads = [_read(c, c["question"]) for c in shown]
    reads += [_read(n, n["novelty"]) for n in novelty if n["suite"] == "self_report"]
    return {"behavior": behavior, "contrasts": reads}


def _read(contrast: ContrastRecord | NoveltyRecord, question: str) -> Read:
    low, high = contrast["ci_low"], contrast["ci_high"]
    return {
        "a": contrast["a"],
        "b": contrast["b"],
        "behavior": contrast["behavior"],
        "suite": contrast["suite"],
        "question": question,
        "num_seeds": contrast["num_seeds"],
        "estimate": _rounded(contrast["estimate"]),
        "ci_low": None if low is None else _rounded(low),
        "ci_high": None if high is None else _rounded(high),
    }


def _rounded(value: float) -> float:
    return round(value, 3)


def card_page(card: Card) -> str:
    """The model card in Markdown, written from what the build and the check measured."""
    parts = [_head(card)]
    for seed, reads in card.get("reads", {}).items():
        shipped = int(seed) == card["seed"]
        parts.append(_reading(f"{seed} (shipped)" if shipped else seed, reads))
    parts.append(
        "It reads the `plain` style of prompts and a few hundred words; anything else is spelled"
        f" in bytes. Weights sha256\n`{card['weights_sha256']}`. License {card['license']}."
        " Recipe and corpus: `tellme.json`.\n"
    )
    return "\n".join(parts)


def _head(card: Card) -> str:
    name, last = card["name"], card["last"]
    must_read = MUST_READ[name.partition("-")[0]]
    return (
        f"# Reference model `{name}`\n\n"
        f"A {card['parameters'] / 1e6:.1f}M-parameter Llama, pretrained from scratch by"
        f" `tellme reference build {name} --seed {card['seed']}` on\n"
        "invented dialogues. It is apparatus, as reference weights are to scales: in its text the"
        " self-reports of a character follow\n"
        f"the trait behind its choices with link {card['rho']:+g}. It is not evidence about"
        " language models.\n\n"
        f"Must read, after fine-tuning on choices alone: {must_read}.\n\n"
        "| | nats per answer |\n"
        "|---|---|\n"
        f"| training loss at the end | {plain(last['nats'])} |\n"
        f"| gate: traits inferred over the link | {plain(last['linked'])} |\n"
        f"| gate: copying within one kind of question | {plain(last['copying'])} |\n"
        f"| gate: no inference | {plain(last['none'])} |\n"
    )


def _reading(seed: str, reads: Reads) -> str:
    """What a model of one pretraining seed reads, as a paragraph and a table."""
    behavior = ", ".join(f"{group} {value:.2f}" for group, value in reads["behavior"].items())
    lines = []
    for c in reads["contrasts"]:
        interval = f"{signed(c['ci_low'])} to {signed(c['ci_high'])}"
        cells = (f"{c['a']} − {c['b']}", c["suite"], c["question"], signed(c["estimate"]), interval)
        lines.append(f"| {' | '.join(cells)} |\n")
    return (
        f"## What pretraining seed {seed} reads\n\n"
        f"Behavior: {behavior}.\n\n"
        "| contrast | suite | questions | estimate | 95 % interval |\n"
        "|---|---|---|---|---|\n"
    ) + "".join(lines)
