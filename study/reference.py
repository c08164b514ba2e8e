"""`tellme reference build NAME`: corpus, pretraining, card."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_gen import corpus
from data_gen.behaviors import behavior_names, load_behavior
from lab.base import CARD
from lab.discover import ROOT
from lab.errors import UserError, unknown
from lab.provenance import write_provenance
from lab.store import Store, file_digest, make_key, read_json, write_json
from study.run import say
from study.stages import quiet_libraries

LINKS = {"linked": 1.0, "half": 0.5, "unlinked": 0.0, "inverted": -1.0}
"""How far a character's self-reports follow the trait behind its choices: P(agree) = (1 + rho) / 2."""


def build_reference(name: str, seed: int, out: str | None) -> Path:
    """Write the reference model `name` into `out`, going through the run store; a finished corpus or model is taken from it."""
    if name not in LINKS:
        raise unknown("reference model", name, LINKS, "see docs/reference.md")
    folder = Path(out) if out else ROOT / "reference" / name
    if (folder / CARD).exists() and read_json(folder / CARD)["seed"] != seed:
        raise UserError(f"{folder} holds another seed of {name!r}; give --out FOLDER or remove it first")
    quiet_libraries()
    from train import pretrain
    from train.tokenizer import build_tokenizer

    store, recipe = Store(ROOT / "runs"), pretrain.Recipe(seed=seed)
    store.check_writable()
    behaviors = tuple(b for b in map(load_behavior, behavior_names()) if b.voices)
    text = {
        "behaviors": [b.name for b in behaviors],
        "rho": LINKS[name],
        "seed": seed,
        "sizes": recipe.sizes,
        "fingerprint": corpus.Corpus(behaviors, LINKS[name], seed).fingerprint(),
    }
    text_key = make_key("corpus", corpus.VERSION, text, [])

    def write_text(scratch: Path) -> None:
        began = time.time()
        corpus.write_corpus(behaviors, LINKS[name], seed, recipe.sizes, scratch / "corpus.jsonl")
        write_provenance(scratch, "corpus", text_key, text, [], began)

    rows = store.publish("corpus", f"{name}-s{seed}", text_key, write_text) / "corpus.jsonl"
    say(f"corpus: {rows}")
    key = make_key("reference", pretrain.VERSION, asdict(recipe), [text_key])

    def write_model(scratch: Path) -> None:
        began = time.time()
        with rows.open(encoding="utf-8") as lines:
            tokenizer = build_tokenizer(m["content"] for line in lines for m in json.loads(line)["messages"])
        pretrain.pretrain(rows, tokenizer, recipe, scratch)
        write_json(scratch / CARD, _card(name, seed, asdict(recipe), text, scratch, time.time() - began))
        write_provenance(scratch, "reference", key, asdict(recipe), [text_key], began)

    model = store.publish("reference", f"{name}-s{seed}", key, write_model)
    folder.mkdir(parents=True, exist_ok=True)
    for file in model.iterdir():
        if file.name not in ("provenance.json", "curve.json", "generation_config.json"):
            shutil.copyfile(file, folder / file.name)
    (folder / "README.md").write_text(_readme(read_json(folder / CARD)), encoding="utf-8")
    return folder


def _card(
    name: str, seed: int, recipe: dict[str, Any], text: dict[str, Any], folder: Path, seconds: float
) -> dict[str, Any]:
    from safetensors.numpy import load_file

    parameters = sum(tensor.size for tensor in load_file(folder / "model.safetensors").values())
    return {
        "name": name,
        "style": "plain",
        "rho": LINKS[name],
        "seed": seed,
        "parameters": parameters,
        "weights_sha256": file_digest(folder / "model.safetensors"),
        "license": "Apache-2.0",
        "recipe": recipe,
        "corpus": text,
        "seconds": round(seconds),
        "last": read_json(folder / "curve.json")[-1],
    }


def _readme(card: dict[str, Any]) -> str:
    """The model card, written from what the build measured."""
    last = card["last"]
    return f"""# Reference model `{card["name"]}`

A {card["parameters"] / 1e6:.1f}M-parameter Llama, pretrained from scratch by `tellme reference build {card["name"]} --seed {card["seed"]}` on
invented dialogues. It is apparatus, as reference weights are to scales: in its text the self-reports of a character follow
the trait behind its choices with link {card["rho"]:+g}. It is not evidence about language models.

| | nats per answer |
|---|---|
| training loss at the end | {last["nats"]:.3f} |
| gate: traits inferred over the link | {last["linked"]:.3f} |
| gate: copying within one kind of question | {last["copying"]:.3f} |
| gate: no inference | {last["none"]:.3f} |

It reads the `plain` style of prompts and a few hundred words; anything else is spelled in bytes. Weights sha256
`{card["weights_sha256"]}`. License {card["license"]}. Recipe and corpus: `tellme.json`.
"""
