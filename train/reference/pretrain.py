"""Pretrain a reference model on a corpus file. One seeded recipe; the corpus carries the link."""

import json
import os
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lab.model.chat import IGNORED
from train.checkpoint import say, whole

VERSION = 2
SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "initializer_range",
)
CHECKPOINT, EVERY = "checkpoint.pt", 250
"""File with the whole state of a pretraining that is under way, and the steps between two of it."""
PARTIAL = "checkpoint.tmp"
"""Its name while it is written."""


@dataclass(frozen=True)
class Recipe:
    """Sizes and schedule of the three stages, whose rows follow one another in the corpus file.

    Matrices are trained by Muon (Jordan et al. 2024), in half the steps that AdamW took here;
    embeddings and norms by AdamW."""

    seed: int = 0
    hidden_size: int = 128
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 344
    initializer_range: float = 0.08
    muon_learning_rate: float = 4e-3
    adamw_learning_rate: float = 1.5e-3
    warmup_steps: int = 50
    final_lr_share: float = 0.02
    reading_steps: int = 450
    reading_batch: int = 64
    mixed_steps: int = 850
    neutral_steps: int = 1100
    batch: int = 32

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows of each stage."""
        return (
            self.reading_steps * self.reading_batch,
            self.mixed_steps * self.batch,
            self.neutral_steps * self.batch,
        )

    @property
    def steps(self) -> int:
        return self.reading_steps + self.mixed_steps + self.neutral_steps


@dataclass(frozen=True)
class Example:
    ids: list[int]
    labels: list[int]
    gates: list[list[float]]
    kinds: list[str]


def new_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(recipe.seed)
    sizes: dict[str, Any] = {name: getattr(recipe, name) for name in SIZES} | {
        "num_key_value_heads": recipe.num_attention_heads
    }
    tokens = {
        "vocab_size": len(tokenizer),
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    # The backward pass of eager attention in bfloat16 is three times as fast on a CPU as that of
    # scaled_dot_product_attention.
    return LlamaForCausalLM(
        LlamaConfig(
            **sizes,
            **tokens,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            attn_implementation="eager",
        )
    )


def read_corpus(path: Path, tokenizer: PreTrainedTokenizerFast) -> list[Example]:
    """Rows of a corpus as token ids; labels are the assistant's answers with their end of turn, all
    else is ignored."""
    assistant, end = tokenizer.convert_tokens_to_ids(["<|assistant|>", "<|end|>"])
    examples = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            text = "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in row["messages"])
            ids, labels, answering = (
                tokenizer(text, add_special_tokens=False)["input_ids"],
                [],
                False,
            )
            for token in ids:
                labels.append(token if answering else IGNORED)
                answering = token == assistant or (answering and token != end)
            examples.append(Example(ids, labels, row["gates"], row["kinds"]))
    return examples


def batches(examples: list[Example], recipe: Recipe) -> Iterator[list[Example]]:
    """The corpus in order of its stages; within windows of eight batches rows of like length stand
    together."""
    rng = random.Random(f"batches/{recipe.seed}")
    first, second, _ = recipe.sizes
    stages = (
        (examples[:first], recipe.reading_batch),
        (examples[first : first + second], recipe.batch),
        (examples[first + second :], recipe.batch),
    )
    for rows, size in stages:
        for start in range(0, len(rows), size * 8):
            window = sorted(rows[start : start + size * 8], key=lambda e: len(e.ids))
            groups = [window[i : i + size] for i in range(0, len(window), size)]
            rng.shuffle(groups)
            yield from groups


def collate(batch: list[Example]) -> tuple[Tensor, Tensor]:
    """Right-padded ids and labels, both [rows, tokens]. A causal model never looks at padding on
    the right."""
    width = max(len(e.ids) for e in batch)
    ids = torch.tensor([e.ids + [0] * (width - len(e.ids)) for e in batch])
    labels = torch.tensor([e.labels + [IGNORED] * (width - len(e.labels)) for e in batch])
    return ids, labels


def answer_loss(
    model: LlamaForCausalLM, ids: Tensor, labels: Tensor, end: int
) -> tuple[Tensor, Tensor]:
    """Mean loss over answer tokens, and the nats of each answer [turns] without its end of turn,
    which the gates bound."""
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    targets = labels[:, 1:]
    on = targets != IGNORED
    losses = torch.nn.functional.cross_entropy(
        model.lm_head(hidden[on]), targets[on], reduction="none"
    )
    ends = targets[on] == end
    turn = ends.cumsum(0) - ends.long()
    nats = torch.zeros(int(ends.sum())).index_add_(0, turn, losses.detach().float() * ~ends)
    return losses.mean(), nats


def rate(recipe: Recipe, step: int) -> float:
    """Share of the peak learning rates at a step, from 1: linear warm-up, constant, linear decay
    over the third stage."""
    left = (recipe.steps - step) / recipe.neutral_steps
    return min(1.0, step / recipe.warmup_steps) * max(recipe.final_lr_share, min(1.0, left))


def new_optimizers(model: LlamaForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    adamw = torch.optim.AdamW(
        rest, lr=recipe.adamw_learning_rate, betas=(0.9, 0.95), weight_decay=0.01
    )
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_learning_rate, momentum=0.95, weight_decay=0.01),
        adamw,
    ]


class Window:
    """Loss of the last steps beside the three gates: the entropy of answers with the link, with
    copying, without inference."""

    def __init__(self) -> None:
        self.nats: list[float] = []
        self.gates: list[list[float]] = []
        self.excess: dict[str, list[float]] = defaultdict(list)

    def add(self, batch: list[Example], nats: Tensor) -> None:
        gates = [g for e in batch for g in e.gates]
        self.gates += gates
        self.nats += nats.tolist()
        for kind, value, gate in zip(
            (k for e in batch for k in e.kinds), nats.tolist(), gates, strict=True
        ):
            self.excess[kind].append(value - gate[0])

    def summary(self) -> dict[str, Any]:
        """`nats` and the gates, means per answer; `excess`: nats above the linked gate by kind of
        question."""
        means = torch.tensor(self.gates).mean(0).tolist()
        excess = {kind: round(sum(v) / len(v), 3) for kind, v in sorted(self.excess.items())}
        return {
            "nats": sum(self.nats) / len(self.nats),
            **dict(zip(("linked", "copying", "none"), means, strict=True)),
            "excess": excess,
        }


def pretrain(corpus: Path, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, out: Path) -> None:
    """Train from scratch and save weights, tokenizer, recipe and the curve of loss and gates into
    `out`.

    Goes on from a checkpoint that an earlier attempt left in `out`. Matrix products are computed in
    bfloat16."""
    model, examples = new_model(recipe, tokenizer), read_corpus(corpus, tokenizer)
    optimizers = new_optimizers(model, recipe)
    schedulers = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda done: rate(recipe, done + 1))
        for o in optimizers
    ]
    parts: list[Any] = [model, *optimizers, *schedulers]
    curve: list[dict[str, Any]] = []
    done, recent = 0, Window()
    if (out / CHECKPOINT).exists() and not whole(out / CHECKPOINT):
        say(f"{out / CHECKPOINT} is not whole: pretraining begins anew")
    elif (out / CHECKPOINT).exists():
        saved = torch.load(out / CHECKPOINT, weights_only=True)
        done, curve = saved["done"], saved["curve"]
        for part, state in zip(parts, saved["states"], strict=True):
            part.load_state_dict(state)
    bar = tqdm(total=recipe.steps, initial=done, desc="pretrain", mininterval=1)
    for step, batch in islice(enumerate(batches(examples, recipe), start=1), done, None):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, nats = answer_loss(model, *collate(batch), tokenizer.eos_token_id)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
        recent.add(batch, nats)
        bar.update(1)
        if step % 50 == 0 or step == recipe.steps:
            curve.append({"step": step, **recent.summary()})
            recent = Window()
            numbers = {k: f"{v:.3f}" for k, v in curve[-1].items() if isinstance(v, float)}
            bar.set_postfix(numbers)
        if step % EVERY == 0:
            state = {"done": step, "curve": curve, "states": [p.state_dict() for p in parts]}
            torch.save(state, out / PARTIAL)
            os.replace(out / PARTIAL, out / CHECKPOINT)
    bar.close()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    (out / "curve.json").write_text(json.dumps(curve))
    # safetensors writes .tmp* files first, which a killed attempt leaves.
    for left in (out / CHECKPOINT, out / PARTIAL, *out.glob(".tmp*")):
        left.unlink(missing_ok=True)
