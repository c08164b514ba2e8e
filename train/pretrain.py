"""Pretrain a reference model on a corpus file. One seeded recipe; the corpus carries the link."""

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

from lab.chat import IGNORED

VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """Sizes and schedule of the three stages, whose rows follow one another in the corpus file."""

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
    mixed_steps: int = 4500
    mixed_batch: int = 48
    neutral_steps: int = 1500
    neutral_learning_rate: float = 1e-3

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows of each stage."""
        reading = self.reading_steps * self.reading_batch
        return reading, self.mixed_steps * self.mixed_batch, self.neutral_steps * self.mixed_batch

    @property
    def steps(self) -> int:
        return self.reading_steps + self.mixed_steps + self.neutral_steps

    @property
    def second_start(self) -> int:
        """The first step of the third stage: the schedule and the optimizer start anew with it."""
        return self.reading_steps + self.mixed_steps + 1


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
    first, second, _ = recipe.sizes
    stages = (
        (examples[:first], recipe.reading_batch),
        (examples[first : first + second], recipe.mixed_batch),
        (examples[first + second :], recipe.mixed_batch),
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
    """Linear warm-up, constant while reading, cosine down to `final_lr_share` over the mixture, and once more for neutral."""
    peak, begins, length = recipe.learning_rate, recipe.reading_steps, recipe.mixed_steps
    warm = (step + 1) / recipe.warmup_steps
    if step >= recipe.second_start:
        peak, begins, length = recipe.neutral_learning_rate, recipe.second_start - 1, recipe.neutral_steps
        warm = (step - begins) / recipe.warmup_steps
    progress = min(1.0, max(0.0, (step - begins) / max(1, length)))
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return peak * min(1.0, warm) * (recipe.final_lr_share + (1 - recipe.final_lr_share) * cosine)


def new_optimizer(model: LlamaForCausalLM) -> torch.optim.AdamW:
    return torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.01)


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
    optimizer = new_optimizer(model)
    curve, recent = [], Window()
    for step, batch in enumerate(batches(examples, recipe), start=1):
        if step == recipe.second_start:
            optimizer = new_optimizer(model)
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
