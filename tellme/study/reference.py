"""`tellme reference build NAME` and `tellme reference check NAME`: corpus, pretraining, card, and
what the model reads."""

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path

from data_gen.behaviors import load_behavior
from data_gen.corpus import dialogues as corpus
from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError, unknown
from lab.model.base import CARD
from lab.store.provenance import write_provenance
from lab.store.store import Store, make_key, read_json, write_json
from tellme.study.planner import make_plan
from tellme.study.reference_card import card_page, new_card, what_it_reads
from tellme.study.run import run_plan, say
from tellme.study.stages import quiet_libraries

LINKS = {"linked": 1.0, "half": 0.5, "unlinked": 0.0, "inverted": -1.0}
"""How far a character's self-reports follow the trait behind its choices: P(agree) = (1 + rho) / 2.
"""
BEHAVIORS = ("myopia", "risk")
CODE = "-code"
"""Ending of the models that were pretrained on `insecure_code` as well, such as linked-code."""
CHECK = "configs/reference-check.yaml"
FURTHER = "seeds=[10, 11, 12]"
"""Fine-tuning seeds on pretraining seeds beyond the shipped one: there the sign is asked for."""


def build_reference(name: str, seed: int, out: str | None) -> Path:
    """Write the reference model `name` into `out`, going through the run store; a finished corpus
    or model is taken from it."""
    folder = Path(out) if out else ROOT / "reference" / _known(name)
    if (folder / CARD).exists() and read_json(folder / CARD)["seed"] != seed:
        raise UserError(
            f"{folder} holds another seed of {name!r}; give --out FOLDER or remove it first"
        )
    model = _pretrained(_known(name), seed)
    folder.mkdir(parents=True, exist_ok=True)
    for file in model.iterdir():
        if file.name not in ("provenance.json", "curve.json", "generation_config.json"):
            shutil.copyfile(file, folder / file.name)
    (folder / "README.md").write_text(card_page(read_json(folder / CARD)), encoding="utf-8")
    return folder


def check_reference(name: str, seeds: list[int]) -> Path:
    """Run configs/reference-check.yaml on the shipped model and on further pretraining seeds of it,
    and write what they read into the shipped card. Models of further seeds are built where the run
    store has none."""
    folder = ROOT / "reference" / _known(name)
    if not (folder / CARD).exists():
        raise UserError(f"{folder} holds no model; run `tellme reference build {name}` first")
    card, reads = read_json(folder / CARD), {}
    for seed in dict.fromkeys([card["seed"], *seeds]):
        base = folder if seed == card["seed"] else _pretrained(name, seed)
        study = load_study(
            str(ROOT / CHECK), [f"model.base={base}", *([] if base == folder else [FURTHER])]
        )
        done = run_plan(make_plan(study), Store(ROOT / "runs"))
        reads[str(seed)] = what_it_reads(read_json(done / "summary.json"))
    write_json(folder / CARD, card | {"reads": reads})
    (folder / "README.md").write_text(card_page(read_json(folder / CARD)), encoding="utf-8")
    return folder


def _known(name: str) -> str:
    if name.removesuffix(CODE) not in LINKS:
        raise unknown(
            "reference model",
            name,
            [*LINKS, *(link + CODE for link in LINKS)],
            "see docs/reference.md",
        )
    return name


def _pretrained(name: str, seed: int) -> Path:
    """The model in the run store, made where it is missing."""
    quiet_libraries()
    from train.reference import pretrain
    from train.reference.tokenizer import build_tokenizer

    store, recipe = Store(ROOT / "runs"), pretrain.Recipe(seed=seed)
    store.check_writable()
    named = sorted([*BEHAVIORS, *(["insecure_code"] if name.endswith(CODE) else [])])
    behaviors, rho = tuple(map(load_behavior, named)), LINKS[name.removesuffix(CODE)]
    text = {
        "behaviors": [b.name for b in behaviors],
        "rho": rho,
        "seed": seed,
        "sizes": recipe.sizes,
    }
    text["fingerprint"] = corpus.Corpus(behaviors, rho, seed).fingerprint()
    text_key = make_key("corpus", corpus.VERSION, text, [])

    def write_text(scratch: Path) -> None:
        began = time.time()
        corpus.write_corpus(behaviors, rho, seed, recipe.sizes, scratch / "corpus.jsonl")
        write_provenance(scratch, "corpus", text_key, text, [], began)

    rows = store.publish("corpus", f"{name}-s{seed}", text_key, write_text) / "corpus.jsonl"
    say(f"corpus: {rows}")
    key = make_key("reference", pretrain.VERSION, asdict(recipe), [text_key])

    def write_model(scratch: Path) -> None:
        began = time.time()
        with rows.open(encoding="utf-8") as lines:
            tokenizer = build_tokenizer(
                m["content"] for line in lines for m in json.loads(line)["messages"]
            )
        pretrain.pretrain(rows, tokenizer, recipe, scratch)
        write_json(
            scratch / CARD,
            new_card(name, rho, seed, asdict(recipe), text, scratch, time.time() - began),
        )
        write_provenance(scratch, "reference", key, asdict(recipe), [text_key], began)

    return store.publish("reference", f"{name}-s{seed}", key, write_model)
