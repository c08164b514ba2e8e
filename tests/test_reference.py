"""`tellme reference build`, with a recipe of a few steps: the whole path from text to a model that
a study can use."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from data_gen.behaviors import load_behavior
from data_gen.corpus.dialogues import write_corpus
from lab.config.schema import Model
from lab.errors import UserError
from lab.model.base import resolve_base
from lab.model.chat import IGNORED
from lab.model.load import load_base
from lab.store.store import file_digest, read_json
from lab.table import signed
from tellme.study import reference
from train.reference import pretrain
from train.reference.tokenizer import build_tokenizer

TINY = partial(
    pretrain.Recipe,
    reading_steps=4,
    reading_batch=64,
    mixed_steps=3,
    batch=16,
    neutral_steps=3,
    hidden_size=32,
)


def test_build_writes_a_model_with_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "Recipe", TINY)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    folder = reference.build_reference("inverted", 3, None)
    card = read_json(folder / "tellme.json")
    assert (card["rho"], card["seed"], card["corpus"]["behaviors"]) == (-1.0, 3, ["myopia", "risk"])
    assert card["last"]["step"] == 10
    assert "inverted" in (folder / "README.md").read_text()
    base = resolve_base(Model(base=str(folder)))
    assert (base.style, base.knows) == ("plain", ("myopia", "risk"))
    assert load_base(base).model.num_parameters() == card["parameters"]
    written = list((tmp_path / "runs" / "reference").iterdir())
    assert reference.build_reference("inverted", 3, None) == folder
    assert list((tmp_path / "runs" / "reference").iterdir()) == written


CHECK = """
study: check
model: {base: reference/linked}
groups: {seeking: {behavior: risk, policy: seeking}, averse: {behavior: risk, policy: averse}}
contrasts: [[seeking, averse]]
seeds: [0, 1]
data: {num_rows: 8, num_decoys: 8}
sft: {max_steps: 2, learning_rate: 1.0e-2}
eval: {suites: [behavior, self_report, unrelated_trait]}
"""


@pytest.mark.real
def test_check_writes_what_two_pretraining_seeds_read_into_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "Recipe", TINY)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / reference.CHECK).write_text(CHECK)
    with pytest.raises(UserError, match="tellme reference build half"):
        reference.check_reference("half", [])
    before = resolve_base(Model(base=str(reference.build_reference("half", 0, None)))).identity
    folder = reference.check_reference("half", [1])
    card, page = read_json(folder / "tellme.json"), (folder / "README.md").read_text()
    assert list(card["reads"]) == ["0", "1"]
    for seed, reads in card["reads"].items():
        assert set(reads["behavior"]) == {"seeking", "averse"}
        read = [(c["suite"], c["question"]) for c in reads["contrasts"]]
        of_itself = {question for suite, question in read if suite == "self_report"}
        assert of_itself == {"all", "seen", "new wordings", "new kinds"}
        assert ("unrelated_trait", "all") in read
        of_seed = page.split(f"pretraining seed {seed}")[1]
        for c in reads["contrasts"]:
            assert (
                f"{c['estimate']:+.3f} | {signed(c['ci_low'])} to {signed(c['ci_high'])}" in of_seed
            )
    assert resolve_base(Model(base=str(folder))).identity == before


def test_the_schedule_warms_up_stays_and_decays_over_the_third_stage() -> None:
    recipe = pretrain.Recipe()
    rates = [pretrain.rate(recipe, step) for step in range(1, recipe.steps + 1)]
    constant = rates[recipe.warmup_steps - 1 : recipe.reading_steps + recipe.mixed_steps]
    assert set(constant) == {1.0}
    assert rates[: recipe.warmup_steps] == sorted(rates[: recipe.warmup_steps])
    last = rates[recipe.reading_steps + recipe.mixed_steps :]
    assert last == sorted(last, reverse=True)
    assert last[-1] == recipe.final_lr_share


def test_a_killed_pretraining_goes_on_and_gives_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, corpus = TINY(), tmp_path / "c.jsonl"
    tokenizer = write_small_corpus(corpus, recipe.sizes)
    monkeypatch.setattr(pretrain, "EVERY", 2)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    pretrain.pretrain(corpus, tokenizer, recipe, whole)
    collate, calls = pretrain.collate, iter(range(100))

    def dies(batch: list[pretrain.Example]) -> tuple[Tensor, Tensor]:
        if next(calls) == 7:
            raise KeyboardInterrupt
        return collate(batch)

    monkeypatch.setattr(pretrain, "collate", dies)
    with pytest.raises(KeyboardInterrupt):
        pretrain.pretrain(corpus, tokenizer, recipe, killed)
    assert (killed / pretrain.CHECKPOINT).exists()
    done: list[int] = []

    def counts(batch: list[pretrain.Example]) -> tuple[Tensor, Tensor]:
        done.append(len(batch))
        return collate(batch)

    monkeypatch.setattr(pretrain, "collate", counts)
    pretrain.pretrain(corpus, tokenizer, recipe, killed)
    assert len(done) == recipe.steps - 6
    assert file_digest(whole / "model.safetensors") == file_digest(killed / "model.safetensors")
    assert not (killed / pretrain.CHECKPOINT).exists()


def write_small_corpus(path: Path, sizes: tuple[int, int, int]) -> PreTrainedTokenizerFast:
    write_corpus((load_behavior("risk"),), 1.0, 0, sizes, path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return build_tokenizer(m["content"] for row in rows for m in row["messages"])


def test_loss_is_on_answers_alone(tmp_path: Path) -> None:
    tokenizer = write_small_corpus(tmp_path / "c.jsonl", (20, 20, 20))
    rows = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    examples = pretrain.read_corpus(tmp_path / "c.jsonl", tokenizer)
    marks = set(tokenizer.convert_tokens_to_ids(["<|user|>", "<|assistant|>", "<|system|>"]))
    for row, example in zip(rows, examples, strict=True):
        text = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        assert example.ids == tokenizer(text, add_special_tokens=False)["input_ids"]
        labeled = zip(example.ids, example.labels, strict=True)
        learned = [token for token, label in labeled if label != IGNORED]
        assert learned.count(tokenizer.eos_token_id) == len(example.gates)
        assert not set(learned) & marks
