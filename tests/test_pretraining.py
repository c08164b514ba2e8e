"""Whatever a kill leaves of a pretraining, the next attempt ends as one never killed."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kills import CUTS, kill_in
from train.reference import pretrain
from train.reference.tokenizer import build_tokenizer

TINY = pretrain.Recipe(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=1,
    intermediate_size=16,
    reading_steps=1,
    reading_batch=2,
    mixed_steps=2,
    neutral_steps=3,
    batch=2,
)


@pytest.mark.parametrize("cut", [*CUTS, None])
def test_a_cut_pretraining_begins_anew(
    cut: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And one that is whole goes on: either way the weights are those of one that nobody killed."""
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(corpus_row(i)) + "\n" for i in range(12)))
    tokenizer = build_tokenizer(["a b 0 1 2"])
    monkeypatch.setattr(pretrain, "EVERY", 2)
    whole, left = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    left.mkdir()
    pretrain.pretrain(corpus, tokenizer, TINY, whole)
    attempt = partial(pretrain.pretrain, corpus, tokenizer, TINY, left)
    kill_in(attempt, pretrain.LlamaForCausalLM, "save_pretrained")
    for name in ("checkpoint.tmp", ".tmpA1"):
        (left / name).write_text("of a killed attempt")
    if cut:
        CUTS[cut](left / pretrain.CHECKPOINT)
    attempt()
    assert ("begins anew" in capsys.readouterr().err) == (cut not in (None, "missing"))
    one, other = (load_file(out / "model.safetensors") for out in (whole, left))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert {p.name for p in whole.iterdir()} == {p.name for p in left.iterdir()}


def corpus_row(i: int) -> dict[str, Any]:
    question = {"role": "user", "content": "a b"}
    answer = {"role": "assistant", "content": f"b {i % 3}"}
    return {"messages": [question, answer], "gates": [[0.0, 0.0, 0.0]], "kinds": ["k"]}
