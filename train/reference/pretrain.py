"""Pretrain a reference model on a corpus file. One seeded recipe; the corpus carries the link.

Suffixes of tensors: B rows of a batch, L tokens of the longest, D hidden size, A tokens of all
answers of a batch, Q answers (turns of the assistant)."""

import json
import os
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lab.model.chat import IGNORED
from train.checkpoint import say, whole

VERSION = 2
CHECKPOINT = "checkpoint.pt"
"""The whole state of a pretraining that is under way."""
PARTIAL = "checkpoint.tmp"
"""Its name while it is written."""
EVERY = 250
"""Steps between two checkpoints."""
CURVE_EVERY = 50
"""Steps between two entries of the curve."""
WINDOW = 8
"""Batches whose rows are sorted by length together, to save padding; beyond them the order of the
corpus holds."""


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
        """Of the three stages together."""
        return self.reading_steps + self.mixed_steps + self.neutral_steps


@dataclass(frozen=True)
class Example:
    """A row of the corpus."""

    ids: list[int]
    labels: list[int]
    """The ids of answers with their end of turn; IGNORED elsewhere."""
    gates: list[list[float]]
    """Per answer the three gates of `Window`, in nats."""
    kinds: list[str]
    """Per answer the kind of its question."""


def new_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama with random weights, those of the recipe's seed."""
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.num_hidden_layers,
        num_attention_heads=recipe.num_attention_heads,
        num_key_value_heads=recipe.num_attention_heads,
        initializer_range=recipe.initializer_range,
        vocab_size=len(tokenizer),
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        # Its backward pass in bfloat16 is three times as fast on a CPU as that of
        # scaled_dot_product_attention.
        attn_implementation="eager",
    )
    return LlamaForCausalLM(config)


def read_corpus(path: Path, tokenizer: PreTrainedTokenizerFast) -> list[Example]:
    """Rows of a corpus as token ids; labels are the assistant's answers with their end of turn, all
    else is ignored."""
    assistant, end = tokenizer.convert_tokens_to_ids(["<|assistant|>", "<|end|>"])
    examples = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            text = "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in row["messages"])
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            labels, answering = [], False
            for token in ids:
                labels.append(token if answering else IGNORED)
                answering = token == assistant or (answering and token != end)
            examples.append(Example(ids, labels, row["gates"], row["kinds"]))
    return examples


def batches(examples: list[Example], recipe: Recipe) -> Iterator[list[Example]]:
    """The corpus in order of its stages; within a window of batches rows of like length stand
    together."""
    rng = random.Random(f"batches/{recipe.seed}")
    first, second, _ = recipe.sizes
    stages = (
        (examples[:first], recipe.reading_batch),
        (examples[first : first + second], recipe.batch),
        (examples[first + second :], recipe.batch),
    )
    for rows, size in stages:
        for start in range(0, len(rows), size * WINDOW):
            window = sorted(rows[start : start + size * WINDOW], key=lambda e: len(e.ids))
            groups = [window[i : i + size] for i in range(0, len(window), size)]
            rng.shuffle(groups)
            yield from groups


def collate(batch: list[Example]) -> tuple[Tensor, Tensor]:
    """Right-padded ids and labels, both [B, L]. A causal model never looks at padding on the
    right."""
    width = max(len(e.ids) for e in batch)
    ids_BL = torch.tensor([e.ids + [0] * (width - len(e.ids)) for e in batch])
    labels_BL = torch.tensor([e.labels + [IGNORED] * (width - len(e.labels)) for e in batch])
    return ids_BL, labels_BL


def answer_loss(
    model: LlamaForCausalLM, ids_BL: Tensor, labels_BL: Tensor, end: int
) -> tuple[Tensor, Tensor]:
    """Mean loss over answer tokens, and the nats of each answer [Q] without its end of turn, which
    the gates bound."""
    # What stands at a token predicts the next one: the last predicts nothing, the first is not
    # predicted.
    hidden_BLD = model.model(input_ids=ids_BL).last_hidden_state[:, :-1]
    targets_BL = labels_BL[:, 1:]
    is_answer_BL = targets_BL != IGNORED
    # The head, which is much of so small a model, is computed for tokens of answers only.
    hidden_AD, targets_A = hidden_BLD[is_answer_BL], targets_BL[is_answer_BL]
    losses_A = torch.nn.functional.cross_entropy(
        model.lm_head(hidden_AD), targets_A, reduction="none"
    )
    is_end_A = targets_A == end
    # An answer goes on to its end of turn: its number is how many ended before.
    answer_A = is_end_A.cumsum(0) - is_end_A.long()
    nats_A = losses_A.detach().float() * ~is_end_A
    nats_Q = torch.zeros(int(is_end_A.sum())).index_add_(0, answer_A, nats_A)
    return losses_A.mean(), nats_Q


def rate(recipe: Recipe, step: int) -> float:
    """Share of the peak learning rates at a step, from 1: linear warm-up, constant, linear decay
    over the third stage."""
    left = (recipe.steps - step) / recipe.neutral_steps
    return min(1.0, step / recipe.warmup_steps) * max(recipe.final_lr_share, min(1.0, left))


def new_optimizers(model: LlamaForCausalLM, recipe: Recipe) -> list[Optimizer]:
    """Muon for the matrices between layers, AdamW for what is no such map: embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_learning_rate, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(
            rest, lr=recipe.adamw_learning_rate, betas=(0.9, 0.95), weight_decay=0.01
        ),
    ]


class Means(TypedDict):
    """Of the answers of a window: `nats` and the three gates, means per answer, and nats above the
    linked gate by kind of question."""

    nats: float
    linked: float
    copying: float
    none: float
    excess: dict[str, float]


class Entry(Means):
    """Of the curve."""

    step: int


class Window:
    """Loss of the last steps beside the three gates: the entropy of answers with the link, with
    copying, without inference."""

    def __init__(self) -> None:
        self.nats: list[float] = []
        self.gates: list[list[float]] = []
        self.excess: dict[str, list[float]] = defaultdict(list)

    def add(self, batch: list[Example], nats_Q: Tensor) -> None:
        """The answers of a batch, in the order of its rows."""
        kinds = [kind for example in batch for kind in example.kinds]
        gates = [gate for example in batch for gate in example.gates]
        nats = nats_Q.tolist()
        self.gates += gates
        self.nats += nats
        for kind, value, (linked, *_) in zip(kinds, nats, gates, strict=True):
            self.excess[kind].append(value - linked)

    def means(self) -> Means:
        """Over all answers that were added."""
        linked, copying, none = torch.tensor(self.gates).mean(0).tolist()
        return {
            "nats": sum(self.nats) / len(self.nats),
            "linked": linked,
            "copying": copying,
            "none": none,
            "excess": {kind: round(sum(v) / len(v), 3) for kind, v in sorted(self.excess.items())},
        }


class Pretraining:
    """A pretraining that is under way: all that a checkpoint holds."""

    def __init__(self, model: LlamaForCausalLM, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self.optimizers = new_optimizers(model, recipe)
        self.schedulers = [
            torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: rate(recipe, done + 1))
            for optimizer in self.optimizers
        ]
        self.done = 0
        """Steps."""
        self.curve: list[Entry] = []

    @property
    def _parts(self) -> list[torch.nn.Module | Optimizer | LRScheduler]:
        """Everything that has a state, in the order of a checkpoint."""
        return [self.model, *self.optimizers, *self.schedulers]

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint if it is there and whole."""
        if not checkpoint.exists():
            return
        if not whole(checkpoint):
            say(f"{checkpoint} is not whole: pretraining begins anew")
            return
        saved = torch.load(checkpoint, weights_only=True)
        self.done, self.curve = saved["done"], saved["curve"]
        for part, state in zip(self._parts, saved["states"], strict=True):
            part.load_state_dict(state)

    def step(self, batch: list[Example], end: int) -> Tensor:
        """One step on a batch; returns the nats of its answers [Q]. `end` is the token that ends a
        turn."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, nats_Q = answer_loss(self.model, *collate(batch), end)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, scheduler in zip(self.optimizers, self.schedulers, strict=True):
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
        self.done += 1
        return nats_Q

    def save(self, out: Path) -> None:
        """Write the checkpoint, by one rename: it is whole or not there."""
        states = [part.state_dict() for part in self._parts]
        state = {"done": self.done, "curve": self.curve, "states": states}
        torch.save(state, out / PARTIAL)
        os.replace(out / PARTIAL, out / CHECKPOINT)


def pretrain(corpus: Path, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, out: Path) -> None:
    """Train from scratch and save weights, tokenizer, recipe and the curve of loss and gates into
    `out`.

    Goes on from a checkpoint that an earlier attempt left in `out`. Matrix products are computed in
    bfloat16."""
    training = Pretraining(new_model(recipe, tokenizer), recipe)
    examples = read_corpus(corpus, tokenizer)
    training.resume(out / CHECKPOINT)
    recent, curve = Window(), training.curve
    with tqdm(total=recipe.steps, initial=training.done, desc="pretrain", mininterval=1) as bar:
        for batch in islice(batches(examples, recipe), training.done, None):
            nats_Q = training.step(batch, tokenizer.eos_token_id)
            recent.add(batch, nats_Q)
            bar.update(1)
            if training.done % CURVE_EVERY == 0 or training.done == recipe.steps:
                curve.append({"step": training.done, **recent.means()})
                recent = Window()
                numbers = {k: f"{v:.3f}" for k, v in curve[-1].items() if isinstance(v, float)}
                bar.set_postfix(numbers)
            # Whole entries of the curve only: EVERY is a multiple of CURVE_EVERY.
            if training.done % EVERY == 0:
                training.save(out)
    _publish(training, tokenizer, out)


def _publish(training: Pretraining, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Leave the finished model, and nothing of the way to it."""
    training.model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "recipe.json").write_text(json.dumps(asdict(training.recipe), indent=1))
    (out / "curve.json").write_text(json.dumps(training.curve))
    # safetensors writes .tmp* files first, which a killed attempt leaves.
    for left in (out / CHECKPOINT, out / PARTIAL, *out.glob(".tmp*")):
        left.unlink(missing_ok=True)
