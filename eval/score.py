"""Exact answer probabilities: whole answer strings with their end of turn, every distinct beginning computed once.

Prompts and their answers are packed into trees of tokens, in which a token sees its ancestors only: what begins alike (prompts,
orders of options, numbers of a scale) is computed once. Shapes: B trees, T tokens of a tree, K of them whose next token is asked, V vocabulary."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lab.chat import Renderer
from lab.model import Loaded
from lab.types import Message, Wording

TOKENS_PER_BATCH = 16_384
TOKENS_PER_TREE = 256
"""A tree is closed when it has as many: more share more, and attend to more in vain."""
LOGITS_PER_BATCH = 2**27
NUM_OUTSIDE = 3

Path = tuple[int, ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt as token ids, and every spelling of every allowed answer: (index of the option, answer tokens, end token)."""

    ids: Path
    spellings: tuple[tuple[int, Path, Path], ...]


@dataclass(frozen=True)
class Scored:
    """Per option the probability of the answer with its end of turn, and of the answer as a prefix; mass outside the list."""

    p_exact: list[float]
    p_prefix: list[float]
    outside: float
    outside_top: list[tuple[int, float]]
    """The most probable first tokens that begin no allowed answer."""
    log_exact: list[float]
    log_prefix: list[float]
    """Natural logarithms of the first two: code of a page has a probability of zero in any float."""


def compile_prompts(renderer: Renderer, chats: Sequence[Sequence[Message]], wordings: Sequence[Wording]) -> list[Prompt]:
    """Every chat asks a wording; all are rendered together."""
    spelled = [[(i, text) for i, option in enumerate(wording.options) for text in (option.text, *option.variants)] for wording in wordings]
    rendered = iter(renderer.render_all([(chat, text) for chat, spellings in zip(chats, spelled, strict=True) for _, text in spellings]))
    made = [[(i, next(rendered)) for i, _ in spellings] for spellings in spelled]
    return [Prompt(mine[0][1].prompt, tuple((i, r.answer, r.end) for i, r in mine)) for mine in made]


@dataclass
class Tree:
    """Some prompts with their answers. A node is a token after all those before it; `asked` are (node, next token) for each prompt."""

    prompts: list[int] = field(default_factory=list)
    asked: list[list[tuple[int, int]]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    _children: dict[tuple[int, int], int] = field(default_factory=dict)

    def _after(self, node: int, token: int) -> int:
        found = self._children.setdefault((node, token), len(self.tokens))
        if found == len(self.tokens):
            self.tokens.append(token)
            self.parents.append(node)
            self.depths.append(self.depths[node] + 1 if node >= 0 else 0)
        return found

    def add(self, number: int, prompt: Prompt) -> None:
        at = -1
        for token in prompt.ids:
            at = self._after(at, token)
        asked = []
        for _, answer, end in prompt.spellings:
            node = at
            for token in answer:
                asked.append((node, token))
                node = self._after(node, token)
            asked.append((node, end[0]))
        self.prompts.append(number)
        self.asked.append(asked)

    def layout(self) -> "Layout":
        """Nodes in the order of the batch, those that are asked last; a node's descendants enter from `enter` until `leave`."""
        size, enter = [1] * len(self.tokens), [0] * len(self.tokens)
        for node in range(len(self.tokens) - 1, 0, -1):
            if self.parents[node] >= 0:
                size[self.parents[node]] += size[node]
        free, roots = [0] * len(self.tokens), 0
        for node, parent in enumerate(self.parents):
            enter[node] = free[parent] if parent >= 0 else roots
            free[node] = enter[node] + 1
            if parent >= 0:
                free[parent] += size[node]
            else:
                roots += size[node]
        last = {node for asked in self.asked for node, _ in asked}
        order = sorted(range(len(self.tokens)), key=lambda node: (node in last, node))
        place = {node: i - len(order) for i, node in enumerate(order)}
        columns = torch.tensor([[self.tokens[n], self.depths[n], enter[n], enter[n] + size[n]] for n in order]).T
        pairs = [(place[node], token) for asked in self.asked for node, token in asked]
        return Layout(self.prompts, list(map(len, self.asked)), columns, len(last), torch.tensor(pairs).T)


@dataclass(frozen=True)
class Layout:
    """A tree as tensors: `columns` [4, T] are token, position, enter and leave; `pairs` [2, asked] are places from the end and next tokens."""

    prompts: list[int]
    numbers: list[int]
    """Of pairs of each prompt."""
    columns: Tensor
    last: int
    pairs: Tensor


@lru_cache(maxsize=64)
def lay_out(prompts: tuple[Prompt, ...], tokens_per_tree: int) -> list[Layout]:
    """Trees of prompts that begin alike, longest last. The same for every adapter on a base."""
    trees: list[Tree] = []
    for number in sorted(range(len(prompts)), key=lambda i: prompts[i].ids):
        if not trees or len(trees[-1].tokens) >= tokens_per_tree:
            trees.append(Tree())
        trees[-1].add(number, prompts[number])
    return sorted((tree.layout() for tree in trees), key=lambda layout: layout.columns.shape[1])


@torch.inference_mode()
def score(loaded: Loaded, prompts: Sequence[Prompt], tokens_per_batch: int = TOKENS_PER_BATCH) -> list[Scored]:
    """Score prompts in batches of trees of like size; the results come in the order of `prompts`."""
    results: dict[int, Scored] = {}
    with _masks_of_pairs(loaded.model):
        batch: list[Layout] = []
        for layout in lay_out(tuple(prompts), min(TOKENS_PER_TREE, tokens_per_batch)):
            last = max(one.last for one in [*batch, layout])
            logits = (len(batch) + 1) * last * loaded.model.config.get_text_config().vocab_size
            if batch and ((len(batch) + 1) * layout.columns.shape[1] > tokens_per_batch or logits > LOGITS_PER_BATCH):
                results |= _score_batch(loaded, prompts, batch)
                batch = []
            batch.append(layout)
        if batch:
            results |= _score_batch(loaded, prompts, batch)
    return [results[i] for i in range(len(prompts))]


@contextmanager
def _masks_of_pairs(model: Any) -> Iterator[None]:
    """Flash attention takes no mask of pairs; torch's own does."""
    before = model.config._attn_implementation
    if "flash" not in before:
        yield
        return
    model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _score_batch(loaded: Loaded, prompts: Sequence[Prompt], batch: list[Layout]) -> dict[int, Scored]:
    """Halves the batch where it does not fit into memory."""
    try:
        values, outside = _forward(loaded, batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
        torch.cuda.empty_cache()
        half = len(batch) // 2
        return _score_batch(loaded, prompts, batch[:half]) | _score_batch(loaded, prompts, batch[half:])
    found, start = {}, 0
    numbers = [(i, number) for layout in batch for i, number in zip(layout.prompts, layout.numbers, strict=True)]
    for (i, number), top in zip(numbers, outside, strict=True):
        found[i] = _add_up(prompts[i], values[start : start + number], top)
        start += number
    return found


def _forward(loaded: Loaded, batch: list[Layout]) -> tuple[list[float], list[list[tuple[int, float]]]]:
    """Log-probabilities of all pairs, and for every prompt the most probable first tokens that begin no allowed answer."""
    width, last = batch[-1].columns.shape[1], max(layout.last for layout in batch)
    padded = torch.tensor([loaded.tokenizer.pad_token_id, 0, -1, 0]).repeat(len(batch), width, 1)
    for row, layout in zip(padded, batch, strict=True):
        row[width - layout.columns.shape[1] :] = layout.columns.T
    tokens, depth, enter, leave = padded.to(loaded.device).unbind(-1)  # [B, T]
    sees = (enter[:, None, :] <= enter[:, :, None]) & (enter[:, :, None] < leave[:, None, :])  # [B, T, T]
    out = loaded.model(input_ids=tokens, attention_mask=_masks(loaded.model, sees, depth), position_ids=depth, use_cache=False, logits_to_keep=last)
    logits = out.logits.float()  # [B, K, V]
    rows = torch.arange(len(batch)).repeat_interleave(torch.tensor([layout.pairs.shape[1] for layout in batch])).to(loaded.device)
    places, following = torch.cat([layout.pairs for layout in batch], 1).to(loaded.device)
    total = logits.logsumexp(-1)
    values = logits[rows, places, following] - total[rows, places]
    numbers = torch.tensor([number for layout in batch for number in layout.numbers], device=loaded.device)
    first = numbers.cumsum(0) - numbers
    row, place = rows[first], places[first]
    ends = logits[row, place]  # [prompts, V], after each prompt
    of = torch.arange(len(numbers), device=loaded.device).repeat_interleave(numbers)
    begins = (rows == row[of]) & (places == place[of])
    ends[of[begins], following[begins]] = -math.inf
    top = (ends.topk(NUM_OUTSIDE).values - total[row, place, None]).exp(), ends.topk(NUM_OUTSIDE).indices
    return values.tolist(), [list(zip(ids, ps, strict=True)) for ps, ids in zip(*(t.tolist() for t in top), strict=True)]


def _masks(model: Any, sees: Tensor, depth: Tensor) -> Any:
    """What each layer adds to its attention: layers with a sliding window see no further back than that."""
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None

    def added(mask: Tensor) -> Tensor:
        return torch.zeros(mask.shape, dtype=model.dtype, device=mask.device).masked_fill_(~mask, torch.finfo(model.dtype).min)[:, None]

    kinds = set(getattr(config, "layer_types", None) or [])
    if not window or kinds == {"full_attention"}:
        return added(sees)
    near = added(sees & (depth[:, :, None] - depth[:, None, :] < window))
    return {"full_attention": added(sees), "sliding_attention": near} if len(kinds) > 1 else near


def _add_up(prompt: Prompt, values: list[float], outside: list[tuple[int, float]]) -> Scored:
    num_options = 1 + max(i for i, _, _ in prompt.spellings)
    exact: list[list[float]] = [[] for _ in range(num_options)]
    prefix: list[list[float]] = [[] for _ in range(num_options)]
    start = 0
    for i, answer, _ in prompt.spellings:
        end = start + len(answer)
        prefix[i].append(sum(values[start:end]))
        exact[i].append(prefix[i][-1] + values[end])
        start = end + 1
    log_exact, log_prefix = ([_log_sum(logs) for logs in options] for options in (exact, prefix))
    p_exact, p_prefix = ([math.exp(log) for log in options] for options in (log_exact, log_prefix))
    return Scored(p_exact, p_prefix, max(0.0, 1.0 - sum(p_exact)), outside, log_exact, log_prefix)


def _log_sum(logs: list[float]) -> float:
    """Log of a sum of probabilities of which each may be less than a float can hold."""
    most = max(logs)
    return most + math.log(sum(math.exp(log - most) for log in logs))
