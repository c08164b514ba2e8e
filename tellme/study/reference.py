"""`tellme reference build NAME` and `tellme reference check NAME`: corpus, pretraining, card, and
what the model reads."""

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_gen.behaviors import load_behavior
from data_gen.corpus import dialogues as corpus
from lab.config.read import load_study
from lab.discover import ROOT
from lab.errors import UserError, unknown
from lab.model.base import CARD
from lab.say import say
from lab.store.provenance import write_provenance
from lab.store.rows import load
from lab.store.store import Store, make_key, read_json, write_json
from lab.strict import Strict
from tellme.report.analysis.novelty import novelty_contrasts
from tellme.report.analysis.scores import per_wording
from tellme.report.gather import study_of
from tellme.study.planner import make_plan
from tellme.study.reference_card import card_page, new_card, what_it_reads
from tellme.study.run import run_plan
from tellme.study.stages import quiet_libraries

if TYPE_CHECKING:
    from train.reference.pretrain import Recipe

LINKS = {"linked": 1.0, "half": 0.5, "unlinked": 0.0, "inverted": -1.0}
"""How far a character's self-reports follow the trait behind its choices: P(agree) = (1 + rho) / 2.
"""
BEHAVIORS = ("myopia", "risk")
"""What characters of every model are about."""
CODE = "-code"
"""Ending of the models that were pretrained on `insecure_code` as well, such as linked-code."""
CHECK = "configs/reference-check.yaml"
FURTHER = "seeds=[10, 11, 12]"
"""Fine-tuning seeds on pretraining seeds beyond the shipped one: there the sign is asked for."""
UNSHIPPED = ("provenance.json", "curve.json", "generation_config.json")
"""Files of a pretraining that stay in the run store: what a reader needs of them is in the card."""


class CorpusSpec(Strict):
    """What identifies the corpus of a model; its fingerprint stands for the code that writes it."""

    behaviors: tuple[str, ...]
    rho: float
    seed: int
    sizes: tuple[int, ...]
    fingerprint: str


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
        if file.name not in UNSHIPPED:
            shutil.copyfile(file, folder / file.name)
    _write_page(folder)
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
        if seed == card["seed"]:
            sets = [f"model.base={folder}"]
        else:
            sets = [f"model.base={_pretrained(name, seed)}", FURTHER]
        plan = make_plan(load_study(str(ROOT / CHECK), sets))
        done = run_plan(plan, Store(ROOT / "runs"))
        novelty = novelty_contrasts(per_wording(load(done)), study_of(plan.final))
        reads[str(seed)] = what_it_reads(read_json(done / "summary.json"), novelty)
    write_json(folder / CARD, card | {"reads": reads})
    _write_page(folder)
    return folder


def _known(name: str) -> str:
    """The name of a reference model; raises UserError for any other."""
    if name.removesuffix(CODE) not in LINKS:
        names = [*LINKS, *(link + CODE for link in LINKS)]
        raise unknown("reference model", name, names, "see docs/reference.md")
    return name


def _write_page(folder: Path) -> None:
    page = card_page(read_json(folder / CARD))
    (folder / "README.md").write_text(page, encoding="utf-8")


def _pretrained(name: str, seed: int) -> Path:
    """The model in the run store, made where it is missing: corpus first, then pretraining."""
    quiet_libraries()
    from train.reference import pretrain

    store, recipe = Store(ROOT / "runs"), pretrain.Recipe(seed=seed)
    store.check_writable()
    rho, text = LINKS[name.removesuffix(CODE)], _corpus_spec(name, recipe)
    text_config = text.model_dump(mode="json")
    text_key = make_key("corpus", corpus.VERSION, text_config, [])
    behaviors = tuple(map(load_behavior, text.behaviors))

    def write_text(scratch: Path) -> None:
        began = time.time()
        corpus.write_corpus(behaviors, rho, seed, recipe.sizes, scratch / "corpus.jsonl")
        write_provenance(scratch, "corpus", text_key, text_config, [], began)

    rows = store.publish("corpus", f"{name}-s{seed}", text_key, write_text) / "corpus.jsonl"
    say(f"corpus: {rows}")
    config = asdict(recipe)
    key = make_key("reference", pretrain.VERSION, config, [text_key])

    def write_model(scratch: Path) -> None:
        began = time.time()
        pretrain.pretrain(rows, _tokenizer(rows), recipe, scratch)
        card = new_card(name, rho, seed, config, text_config, scratch, time.time() - began)
        write_json(scratch / CARD, card)
        write_provenance(scratch, "reference", key, config, [text_key], began)

    return store.publish("reference", f"{name}-s{seed}", key, write_model)


def _corpus_spec(name: str, recipe: "Recipe") -> CorpusSpec:
    names = sorted([*BEHAVIORS, "insecure_code"] if name.endswith(CODE) else BEHAVIORS)
    behaviors, rho = tuple(map(load_behavior, names)), LINKS[name.removesuffix(CODE)]
    return CorpusSpec(
        behaviors=tuple(behavior.name for behavior in behaviors),
        rho=rho,
        seed=recipe.seed,
        sizes=recipe.sizes,
        fingerprint=corpus.Corpus(behaviors, rho, recipe.seed).fingerprint(),
    )


def _tokenizer(rows: Path) -> Any:
    """The tokenizer of the words in a corpus."""
    from train.reference.tokenizer import build_tokenizer

    with rows.open(encoding="utf-8") as lines:
        messages = (message for line in lines for message in json.loads(line)["messages"])
        return build_tokenizer(message["content"] for message in messages)
