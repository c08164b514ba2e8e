"""Pretrain a reference model on a corpus file. One seeded recipe; the corpus carries the link (DESIGN 6)."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VERSION = 1
IGNORED = -100


@dataclass(frozen=True)
class Recipe:
    """Sizes and schedule. `reading` rows come first in the corpus file, `mixed` rows after them."""

    seed: int = 0
    hidden_size: int = 128
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 344
    initializer_range: float = 0.08
    learning_rate: float = 1.5e-3
    warmup_steps: int = 50
    final_lr_share: float = 0.03
    reading_steps: int = 500
    reading_batch: int = 64
    mixed_steps: int = 4200
    mixed_batch: int = 48

    @property
    def num_reading(self) -> int:
        return self.reading_steps * self.reading_batch

    @property
    def num_mixed(self) -> int:
        return self.mixed_steps * self.mixed_batch

    @property
    def steps(self) -> int:
        return self.reading_steps + self.mixed_steps


@dataclass(frozen=True)
class Example:
    ids: list[int]
    labels: list[int]
    gates: list[list[float]]
    kinds: list[str]


def new_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden_size,
            intermediate_size=recipe.intermediate_size,
            num_hidden_layers=recipe.num_hidden_layers,
            num_attention_heads=recipe.num_attention_heads,
            num_key_value_heads=recipe.num_attention_heads,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            initializer_range=recipe.initializer_range,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def read_corpus(path: Path, tokenizer: PreTrainedTokenizerFast) -> list[Example]:
    """Rows of a corpus as token ids; labels are the assistant's answers with their end of turn, all else is ignored."""
    assistant, end = tokenizer.convert_tokens_to_ids(["<|assistant|>", "<|end|>"])
    examples = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            text = "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in row["messages"])
            ids, labels, answering = tokenizer(text, add_special_tokens=False)["input_ids"], [], False
            for token in ids:
                labels.append(token if answering else IGNORED)
                answering = token == assistant or (answering and token != end)
            examples.append(Example(ids, labels, row["gates"], row["kinds"]))
    return examples


def batches(examples: list[Example], recipe: Recipe) -> Iterator[list[Example]]:
    """The corpus in order of its stages; within windows of eight batches rows of like length stand together."""
    rng = random.Random(f"batches/{recipe.seed}")
    stages = (
        (examples[: recipe.num_reading], recipe.reading_batch),
        (examples[recipe.num_reading :], recipe.mixed_batch),
    )
    for rows, size in stages:
        for start in range(0, len(rows), size * 8):
            window = sorted(rows[start : start + size * 8], key=lambda e: len(e.ids))
            groups = [window[i : i + size] for i in range(0, len(window), size)]
            rng.shuffle(groups)
            yield from groups


def collate(batch: list[Example]) -> tuple[Tensor, Tensor]:
    """Right-padded ids and labels, both [rows, tokens]. A causal model never looks at padding on the right."""
    width = max(len(e.ids) for e in batch)
    ids = torch.tensor([e.ids + [0] * (width - len(e.ids)) for e in batch])
    labels = torch.tensor([e.labels + [IGNORED] * (width - len(e.labels)) for e in batch])
    return ids, labels


def answer_loss(model: LlamaForCausalLM, ids: Tensor, labels: Tensor, end: int) -> tuple[Tensor, Tensor]:
    """Mean loss over answer tokens, and the nats of each answer [turns] without its end of turn, which the gates bound."""
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    targets = labels[:, 1:]
    on = targets != IGNORED
    losses = torch.nn.functional.cross_entropy(model.lm_head(hidden[on]), targets[on], reduction="none")
    ends = targets[on] == end
    turn = ends.cumsum(0) - ends.long()
    nats = torch.zeros(int(ends.sum())).index_add_(0, turn, losses.detach() * ~ends)
    return losses.mean(), nats


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, constant while reading, then cosine down to `final_lr_share`."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    progress = max(0.0, (step - recipe.reading_steps) / max(1, recipe.mixed_steps))
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return recipe.learning_rate * warm * (recipe.final_lr_share + (1 - recipe.final_lr_share) * cosine)


class Window:
    """Loss of the last steps beside the three gates: the entropy of answers with the link, with copying, without inference."""

    def __init__(self) -> None:
        self.nats: list[float] = []
        self.gates: list[list[float]] = []
        self.excess: dict[str, list[float]] = defaultdict(list)

    def add(self, batch: list[Example], nats: Tensor) -> None:
        gates = [g for e in batch for g in e.gates]
        self.gates += gates
        self.nats += nats.tolist()
        for kind, value, gate in zip((k for e in batch for k in e.kinds), nats.tolist(), gates, strict=True):
            self.excess[kind].append(value - gate[0])

    def summary(self) -> dict[str, Any]:
        """`nats` and the gates, means per answer; `excess`: nats above the linked gate by kind of question."""
        means = torch.tensor(self.gates).mean(0).tolist()
        excess = {kind: round(sum(v) / len(v), 3) for kind, v in sorted(self.excess.items())}
        return {
            "nats": sum(self.nats) / len(self.nats),
            **dict(zip(("linked", "copying", "none"), means, strict=True)),
            "excess": excess,
        }


def pretrain(corpus: Path, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, out: Path) -> None:
    """Train from scratch and save weights, tokenizer, recipe and the curve of loss and gates into `out`."""
    model, examples = new_model(recipe, tokenizer), read_corpus(corpus, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.01)
    curve, recent = [], Window()
    for step, batch in enumerate(batches(examples, recipe), start=1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        loss, nats = answer_loss(model, *collate(batch), tokenizer.eos_token_id)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.add(batch, nats)
        if step % 50 == 0 or step == recipe.steps:
            curve.append({"step": step, **recent.summary()})
            recent = Window()
            print(
                f"step {step}/{recipe.steps}",
                " ".join(f"{k} {v:.3f}" for k, v in curve[-1].items() if isinstance(v, float)),
                flush=True,
            )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    (out / "curve.json").write_text(json.dumps(curve))
