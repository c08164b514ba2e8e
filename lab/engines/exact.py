"""Exact answer probabilities: whole answer strings with their end of turn, every distinct beginning
computed once.

Prompts and their answers are packed into trees of tokens, in which a token sees its ancestors only:
what begins alike (prompts, orders of options, numbers of a scale) is computed once. Shapes: B
trees, T tokens of a tree, K of them whose next token is asked, V vocabulary."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from itertools import accumulate, islice
from typing import Any

import torch
from torch import Tensor

from lab.model.chat import Renderer
from lab.model.load import Loaded
from lab.types import Message, Wording

TOKENS_PER_BATCH = 16_384
TOKENS_PER_TREE = 256
"""A tree is closed when it has as many: more share more, and attend to more in vain."""
LOGITS_PER_BATCH = 2**27
NUM_OUTSIDE = 3

Path = tuple[int, ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt as token ids, and every spelling of every allowed answer: (index of the option,
    answer tokens, end token)."""

    ids: Path
    spellings: tuple[tuple[int, Path, Path], ...]


@dataclass(frozen=True)
class Scored:
    """Per option the probability of the answer with its end of turn, and of the answer as a prefix;
    mass outside the list."""

    p_exact: list[float]
    p_prefix: list[float]
    outside: float
    outside_top: list[tuple[int, float]]
    """The most probable first tokens that begin no allowed answer."""
    log_exact: list[float]
    log_prefix: list[float]
    """Natural logarithms of the first two: code of a page has a probability of zero in any float.
    """


def compile_prompts(
    renderer: Renderer, chats: Sequence[Sequence[Message]], wordings: Sequence[Wording]
) -> list[Prompt]:
    """Every chat asks a wording; all are rendered together."""
    spelled = [
        [
            (i, text)
            for i, option in enumerate(wording.options)
            for text in (option.text, *option.variants)
        ]
        for wording in wordings
    ]
    rendered = iter(
        renderer.render_all(
            [
                (chat, text)
                for chat, spellings in zip(chats, spelled, strict=True)
                for _, text in spellings
            ]
        )
    )
    made = [[(i, next(rendered)) for i, _ in spellings] for spellings in spelled]
    return [
        Prompt(mine[0][1].prompt, tuple((i, r.answer, r.end) for i, r in mine)) for mine in made
    ]


@dataclass
class Tree:
    """Some prompts with their answers. A node is a token after all those before it; its descendants
    lie between `enter` and `leave` of a walk through the tree. `asked` are (node, next token) of
    each prompt."""

    prompts: list[int] = field(default_factory=list)
    asked: list[list[tuple[int, int]]] = field(default_factory=list)
    nodes: list[list[int]] = field(default_factory=list)
    """Token, position, parent."""
    children: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, number: int, prompt: Prompt) -> None:
        def after(node: int, token: int) -> int:
            found = self.children.setdefault((node, token), len(self.nodes))
            if found == len(self.nodes):
                self.nodes.append([token, self.nodes[node][1] + 1 if node >= 0 else 0, node])
            return found

        at = reduce(after, prompt.ids, -1)
        asked: list[tuple[int, int]] = []
        for _, answer, end in prompt.spellings:
            walked = list(accumulate(answer, after, initial=at))
            asked += zip(walked, (*answer, end[0]), strict=True)
        self.prompts.append(number)
        self.asked.append(asked)

    def layout(self) -> "Layout":
        """Parents come before their children, so that sizes add up from the end."""
        size, free = [1] * len(self.nodes), [0] * (len(self.nodes) + 1)
        for node in range(len(self.nodes) - 1, -1, -1):
            if self.nodes[node][2] >= 0:
                size[self.nodes[node][2]] += size[node]
        enter = []
        for node, (_, _, parent) in enumerate(self.nodes):
            enter.append(free[parent])
            free[node], free[parent] = free[parent] + 1, free[parent] + size[node]
        last = {node for asked in self.asked for node, _ in asked}
        order = sorted(range(len(self.nodes)), key=lambda node: (node in last, node))
        place = {node: i - len(order) for i, node in enumerate(order)}
        columns = torch.tensor([[*self.nodes[n][:2], enter[n], enter[n] + size[n]] for n in order])
        pairs = torch.tensor(
            [(place[node], token) for asked in self.asked for node, token in asked]
        ).T
        return Layout(self.prompts, list(map(len, self.asked)), columns, len(last), pairs)


@dataclass(frozen=True)
class Layout:
    """A tree as tensors: `columns` [T, 4] are token, position, enter and leave, the `last` nodes
    those that are asked; `pairs` [2, asked] are places from the end and next tokens, `numbers` of
    them for each prompt."""

    prompts: list[int]
    numbers: list[int]
    columns: Tensor
    last: int
    pairs: Tensor


@lru_cache(maxsize=64)
def lay_out(prompts: tuple[Prompt, ...], tokens_per_tree: int) -> list[Layout]:
    """Trees of prompts that begin alike, the largest last. The same for every adapter on a base."""
    trees: list[Tree] = []
    for number in sorted(range(len(prompts)), key=lambda i: prompts[i].ids):
        if not trees or len(trees[-1].nodes) >= tokens_per_tree:
            trees.append(Tree())
        trees[-1].add(number, prompts[number])
    return sorted((tree.layout() for tree in trees), key=lambda layout: len(layout.columns))


@torch.inference_mode()
def score(
    loaded: Loaded, prompts: Sequence[Prompt], tokens_per_batch: int = TOKENS_PER_BATCH
) -> list[Scored]:
    """Score prompts in batches of trees of like size; the results come in the order of `prompts`."""
    results: dict[int, Scored] = {}
    vocabulary = loaded.model.config.get_text_config().vocab_size
    with _masks_of_pairs(loaded.model):
        left = lay_out(tuple(prompts), min(TOKENS_PER_TREE, tokens_per_batch))[::-1]
        while left:
            fits = min(
                tokens_per_batch // len(left[0].columns),
                LOGITS_PER_BATCH // (vocabulary * max(layout.last for layout in left)),
            )
            batch, left = left[: max(1, fits)], left[max(1, fits) :]
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


def _score_batch(
    loaded: Loaded, prompts: Sequence[Prompt], batch: list[Layout]
) -> dict[int, Scored]:
    """Halves the batch where it does not fit into memory."""
    try:
        values, outside = _forward(loaded, batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
        torch.cuda.empty_cache()
        half = len(batch) // 2
        return _score_batch(loaded, prompts, batch[:half]) | _score_batch(
            loaded, prompts, batch[half:]
        )
    left = iter(values)
    numbers = (
        (i, number)
        for layout in batch
        for i, number in zip(layout.prompts, layout.numbers, strict=True)
    )
    return {
        i: add_up(prompts[i], list(islice(left, number)), top)
        for (i, number), top in zip(numbers, outside, strict=True)
    }


def _forward(
    loaded: Loaded, batch: list[Layout]
) -> tuple[list[float], list[list[tuple[int, float]]]]:
    """Log-probabilities of all pairs, and for every prompt the most probable first tokens that
    begin no allowed answer."""
    device, width = loaded.device, max(len(layout.columns) for layout in batch)
    padded = torch.tensor([loaded.tokenizer.pad_token_id, 0, -1, 0]).repeat(len(batch), width, 1)
    for row, layout in zip(padded, batch, strict=True):
        row[width - len(layout.columns) :] = layout.columns
    tokens, depth, enter, leave = padded.to(device).unbind(-1)  # [B, T]
    sees = (enter[:, None, :] <= enter[:, :, None]) & (
        enter[:, :, None] < leave[:, None, :]
    )  # [B, T, T]
    asked = {
        "position_ids": depth,
        "use_cache": False,
        "logits_to_keep": max(layout.last for layout in batch),
    }
    logits = loaded.model(
        input_ids=tokens, attention_mask=_masks(loaded.model, sees, depth), **asked
    ).logits.float()  # [B, K, V]
    total = logits.logsumexp(-1)
    rows = (
        torch.arange(len(batch))
        .repeat_interleave(torch.tensor([layout.pairs.shape[1] for layout in batch]))
        .to(device)
    )
    places, following = torch.cat([layout.pairs for layout in batch], 1).to(device)
    values = logits[rows, places, following] - total[rows, places]
    numbers = torch.tensor([number for layout in batch for number in layout.numbers], device=device)
    first = numbers.cumsum(0) - numbers
    ends = logits[rows[first], places[first]]  # [prompts, V], after each prompt
    of = torch.arange(len(numbers), device=device).repeat_interleave(numbers)
    begins = (rows == rows[first][of]) & (places == places[first][of])
    ends[of[begins], following[begins]] = -math.inf
    top = ends.topk(NUM_OUTSIDE)
    shares = (top.values - total[rows[first], places[first], None]).exp().tolist()
    return values.tolist(), [
        list(zip(*pair, strict=True)) for pair in zip(top.indices.tolist(), shares, strict=True)
    ]


def _masks(model: Any, sees: Tensor, depth: Tensor) -> Any:
    """What each layer adds to its attention: layers with a sliding window see no further back than
    that."""
    config = model.config.get_text_config()
    window = (
        getattr(config, "sliding_window", None)
        if getattr(config, "use_sliding_window", True)
        else None
    )

    def added(mask: Tensor) -> Tensor:
        return torch.zeros(mask.shape, dtype=model.dtype, device=mask.device).masked_fill_(
            ~mask, torch.finfo(model.dtype).min
        )[:, None]

    kinds = set(getattr(config, "layer_types", None) or [])
    if not window or kinds == {"full_attention"}:
        return added(sees)
    near = added(sees & (depth[:, :, None] - depth[:, None, :] < window))
    return {"full_attention": added(sees), "sliding_attention": near} if len(kinds) > 1 else near


def add_up(prompt: Prompt, values: list[float], outside: list[tuple[int, float]]) -> Scored:
    """Scores of a prompt from the log-probabilities of all tokens of all its spellings, one after
    another."""
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
