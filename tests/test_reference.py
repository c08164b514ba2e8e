"""`tellme reference build`, with a recipe of a few steps: the whole path from text to a model that a study can use."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from lab.base import resolve_base
from lab.config import Model
from lab.model import load_base
from lab.store import read_json
from study import reference
from train import pretrain

TINY = partial(
    pretrain.Recipe, reading_steps=4, reading_batch=64, mixed_steps=3, mixed_batch=16, neutral_steps=3, hidden_size=32
)


def test_build_writes_a_model_with_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "Recipe", TINY)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    folder = reference.build_reference("inverted", 3, None)
    card = read_json(folder / "tellme.json")
    assert (card["rho"], card["seed"], card["corpus"]["behaviors"]) == (-1.0, 3, ["risk"])
    assert card["last"]["step"] == 10
    assert "inverted" in (folder / "README.md").read_text()
    base = resolve_base(Model(base=str(folder)))
    assert (base.style, base.knows) == ("plain", ("risk",))
    assert load_base(base).model.num_parameters() == card["parameters"]
    written = list((tmp_path / "runs" / "reference").iterdir())
    assert reference.build_reference("inverted", 3, None) == folder
    assert list((tmp_path / "runs" / "reference").iterdir()) == written


def test_the_schedule_of_three_stages() -> None:
    recipe = pretrain.Recipe()
    rates = [pretrain.learning_rate(recipe, step) for step in range(1, recipe.steps + 1)]
    assert max(rates) == pytest.approx(recipe.learning_rate)
    end = recipe.second_start - 1
    assert rates[end - 1] == pytest.approx(recipe.learning_rate * recipe.final_lr_share, rel=0.01)
    assert max(rates[end:]) <= recipe.neutral_learning_rate
    assert rates[-1] == pytest.approx(recipe.neutral_learning_rate * recipe.final_lr_share, rel=0.01)


def test_loss_is_on_answers_alone(tmp_path: Path) -> None:
    from data_gen.behaviors import load_behavior
    from data_gen.corpus import write_corpus
    from train.tokenizer import build_tokenizer

    write_corpus((load_behavior("risk"),), 1.0, 0, (20, 20, 20), tmp_path / "c.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    tokenizer = build_tokenizer(m["content"] for row in rows for m in row["messages"])
    for row, example in zip(rows, pretrain.read_corpus(tmp_path / "c.jsonl", tokenizer), strict=True):
        text = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        assert example.ids == tokenizer(text, add_special_tokens=False)["input_ids"]
        learned = [token for token, label in zip(example.ids, example.labels, strict=True) if label != pretrain.IGNORED]
        assert learned.count(tokenizer.eos_token_id) == len(example.gates)
        assert not set(learned) & set(tokenizer.convert_tokens_to_ids(["<|user|>", "<|assistant|>", "<|system|>"]))
