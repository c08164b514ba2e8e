"""The card of a reference model: `tellme.json` beside the weights, and the page a reader sees."""

from pathlib import Path
from typing import Any

from lab.discover import beside
from lab.store.store import file_digest, read_json

MUST_READ: dict[str, str] = beside(__file__)
SHOWN = (
    ("self_report", "all"),
    ("self_report", "seen"),
    ("self_report", "unseen"),
    ("other_person", "all"),
    ("unrelated_trait", "all"),
)


def new_card(
    name: str,
    rho: float,
    seed: int,
    recipe: dict[str, Any],
    text: dict[str, Any],
    folder: Path,
    seconds: float,
) -> dict[str, Any]:
    from safetensors.numpy import load_file

    parameters = sum(tensor.size for tensor in load_file(folder / "model.safetensors").values())
    card = {
        "name": name,
        "style": "plain",
        "rho": rho,
        "seed": seed,
        "parameters": parameters,
        "license": "Apache-2.0",
        "recipe": recipe,
        "corpus": text,
    }
    measured = {"seconds": round(seconds), "last": read_json(folder / "curve.json")[-1]}
    return card | {"weights_sha256": file_digest(folder / "model.safetensors")} | measured


def what_it_reads(summary: dict[str, Any]) -> dict[str, Any]:
    """From the summary of configs/reference-check.yaml: behavior by group, and the pooled
    contrasts."""
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
    from tellme.report.pages.page import environment

    page: str = (
        environment(escape=False)
        .get_template("card.md.j2")
        .render(card=card, must_read=MUST_READ[card["name"].partition("-")[0]], **card)
    )
    return f"{page}\n"
