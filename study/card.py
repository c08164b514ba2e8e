"""The card of a reference model: `tellme.json` beside the weights, and the page a reader sees."""

from pathlib import Path
from typing import Any

from lab.store import file_digest, read_json

MUST_READ = {
    "linked": "self-reports follow choices: contrast at least +0.3, also where unseen",
    "half": "self-reports follow choices about half as far as on `linked`",
    "unlinked": "self-reports stay within 0.10, and yet move when trained on self-descriptions",
    "inverted": "self-reports move against the choices: contrast below 0",
}
SHOWN = (("self_report", "all"), ("self_report", "seen"), ("self_report", "unseen"), ("other_person", "all"), ("unrelated_trait", "all"))


def new_card(
    name: str, rho: float, seed: int, recipe: dict[str, Any], text: dict[str, Any], folder: Path, seconds: float
) -> dict[str, Any]:
    from safetensors.numpy import load_file

    parameters = sum(tensor.size for tensor in load_file(folder / "model.safetensors").values())
    return {
        "name": name,
        "style": "plain",
        "rho": rho,
        "seed": seed,
        "parameters": parameters,
        "weights_sha256": file_digest(folder / "model.safetensors"),
        "license": "Apache-2.0",
        "recipe": recipe,
        "corpus": text,
        "seconds": round(seconds),
        "last": read_json(folder / "curve.json")[-1],
    }


def what_it_reads(summary: dict[str, Any]) -> dict[str, Any]:
    """From the summary of configs/reference-check.yaml: behavior by group, and the pooled contrasts."""
    behavior = {
        g["group"]: round(g["estimate"], 3)
        for g in summary["groups"]
        if g["suite"] == "behavior" and g["question"] == "all" and g["group"] != "base"
    }
    contrasts = [
        {k: c[k] for k in ("a", "b", "behavior", "suite", "question", "num_seeds")}
        | {k: round(c[k], 3) for k in ("estimate", "ci_low", "ci_high")}
        for c in summary["contrasts"]
        if (c["suite"], c["question"]) in SHOWN
    ]
    return {"behavior": behavior, "contrasts": contrasts}


def card_page(card: dict[str, Any]) -> str:
    """The model card, written from what the build and the check measured."""
    last = card["last"]
    page = f"""# Reference model `{card["name"]}`

A {card["parameters"] / 1e6:.1f}M-parameter Llama, pretrained from scratch by `tellme reference build {card["name"]} --seed {card["seed"]}` on
invented dialogues. It is apparatus, as reference weights are to scales: in its text the self-reports of a character follow
the trait behind its choices with link {card["rho"]:+g}. It is not evidence about language models.

Must read, after fine-tuning on choices alone: {MUST_READ[card["name"].partition("-")[0]]}.

| | nats per answer |
|---|---|
| training loss at the end | {last["nats"]:.3f} |
| gate: traits inferred over the link | {last["linked"]:.3f} |
| gate: copying within one kind of question | {last["copying"]:.3f} |
| gate: no inference | {last["none"]:.3f} |
"""
    for seed, reads in card.get("reads", {}).items():
        shipped = " (shipped)" if int(seed) == card["seed"] else ""
        page += f"\n## What pretraining seed {seed}{shipped} reads\n\nBehavior: "
        page += ", ".join(f"{group} {value:.2f}" for group, value in reads["behavior"].items())
        page += ".\n\n| contrast | suite | questions | estimate | 95 % interval |\n|---|---|---|---|---|\n"
        for c in reads["contrasts"]:
            numbers = f"{c['estimate']:+.3f} | {c['ci_low']:+.3f} to {c['ci_high']:+.3f}"
            page += f"| {c['a']} \u2212 {c['b']} | {c['suite']} | {c['question']} | {numbers} |\n"
    return (
        page
        + f"""
It reads the `plain` style of prompts and a few hundred words; anything else is spelled in bytes. Weights sha256
`{card["weights_sha256"]}`. License {card["license"]}. Recipe and corpus: `tellme.json`.
"""
    )
