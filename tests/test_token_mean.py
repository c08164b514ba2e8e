"""A step is the mean over its learned tokens, however they lie in rows and batches: a short answer
counts no more than a token of a long one, with TRL and with the fleet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from families import FAMILIES, save_family
from jobs import job_of, spec_of
from lab.config.schema import Model
from lab.model.base import resolve_base
from lab.model.chat import IGNORED
from lab.model.load import Loaded, load_base
from lab.store.store import read_json
from lab.types import Message, Row, exchange
from train import sft
from train.fleet.trainer import train_fleet
from train.job import read_rows
from train.turns import Tokens

ROWS = [
    Row(exchange("A or B ?", "B")),
    Row(
        (*exchange("yes no", "A"), *exchange("choose", "the gamble , " * 8 + "yes")), learned=(1, 3)
    ),
    Row(
        (Message(role="assistant", content="take 50 coins or 10 for sure ? " * 3 + "no"),),
        learned=(0,),
    ),
    Row(
        (*exchange("50 or 10 ?", "10"), *exchange("A", "yes no"), *exchange("B", "A")),
        learned=(1, 5),
    ),
]


def loss_of(loaded: Loaded, tokens: Tokens) -> tuple[float, int]:
    """Sum of the losses of a sequence by itself, and the number of its learned tokens."""
    ids, labels = torch.tensor([tokens.input_ids]), torch.tensor(tokens.labels)
    with torch.no_grad():
        log_probs = loaded.model(ids).logits[0, :-1].log_softmax(-1)
    learned = labels[1:] != IGNORED
    picked = log_probs[learned].gather(1, labels[1:][learned][:, None])
    return -float(picked.sum()), int(learned.sum())


@pytest.mark.parametrize("name", FAMILIES)
def test_both_trainers_take_the_mean_over_the_tokens_of_a_step(name: str, tmp_path: Path) -> None:
    folder = save_family(name, tmp_path / "base", initializer_range=0.2)
    base = resolve_base(Model(base=str(folder), dtype="float32"))
    loaded = load_base(base)
    sequences = read_rows(job_of(spec_of(base), ROWS, tmp_path / "rows"), loaded).sequences
    sums, counts = zip(*(loss_of(loaded, tokens) for tokens in sequences), strict=True)
    token_mean = sum(sums) / sum(counts)
    mean_of_means = sum(s / n for s, n in zip(sums, counts, strict=True)) / len(sequences)
    assert abs(token_mean - mean_of_means) > 1e-3
    for batch in (1, 2):
        accumulated = -(-len(sequences) // batch)
        settings = {
            "per_device_train_batch_size": batch,
            "gradient_accumulation_steps": accumulated,
            "max_steps": 1,
        }
        spec = spec_of(base, sft=settings)
        ours, theirs = (job_of(spec, ROWS, tmp_path / f"{who}{batch}") for who in ("us", "trl"))
        train_fleet([ours], base)
        sft.train(theirs, base)
        (our_step,), (their_step,) = (read_json(j.out / "curve.json") for j in (ours, theirs))
        for step in (our_step, their_step):
            assert step["loss"] == pytest.approx(token_mean, abs=1e-5)
        assert our_step["grad_norm"] == pytest.approx(their_step["grad_norm"], rel=1e-4)
