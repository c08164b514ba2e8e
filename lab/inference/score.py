"""Exact answer probabilities: whole answer strings with their end of turn, every distinct beginning
computed once (lab/inference/tree.py).

Names of tensors end in their axes:
B trees of a batch; T columns of a tree, one for each token, padded to the longest tree on the left;
Q the same columns as those who look at T; K the columns of all trees after which something is
asked, tree after tree; V vocabulary; P prompts of the batch; N pairs of a column and a next token,
all pairs of a prompt one after another.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from lab.engine import Scored, log_sum
from lab.inference.prompt import Compiled
from lab.inference.tree import Layout, lay_out
from lab.model.head import head_at
from lab.model.load import Loaded

TOKENS_PER_BATCH = 16_384
TOKENS_PER_TREE = 256
"""A tree is closed when it has as many. Larger ones share more, and attend to more in vain: the
mask of a tree is square."""
LOGITS_PER_BATCH = 2**27
"""Logits are what fills the memory where a vocabulary is large: so many are half a GiB in
float32."""
NUM_OUTSIDE = 3
"""How many tokens that begin no listed answer are kept, for a reader to see what the model would
rather say."""

TokenShare = tuple[int, float]
"""A token and its probability."""


@torch.inference_mode()
def score(
    loaded: Loaded, prompts: Sequence[Compiled], tokens_per_batch: int = TOKENS_PER_BATCH
) -> list[Scored]:
    """Scores in the order of `prompts`, computed in batches of trees of like size."""
    vocabulary = loaded.model.config.get_text_config().vocab_size
    layouts = lay_out(tuple(prompts), min(TOKENS_PER_TREE, tokens_per_batch))
    # The largest first: a batch is as wide as its first tree, and what does not fit into memory
    # shows at once.
    waiting = list(reversed(layouts))
    scored: dict[int, Scored] = {}
    with _masks_of_pairs(loaded.model):
        while waiting:
            widest = len(waiting[0].columns)
            most_kept = max(layout.num_kept for layout in waiting)
            within_tokens = tokens_per_batch // widest
            within_logits = LOGITS_PER_BATCH // (vocabulary * most_kept)
            # A tree that is too large by itself is tried all the same.
            num_trees = max(1, min(within_tokens, within_logits))
            batch, waiting = waiting[:num_trees], waiting[num_trees:]
            scored.update(_score_batch(loaded, prompts, batch))
    return [scored[number] for number in range(len(prompts))]


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
    loaded: Loaded, prompts: Sequence[Compiled], batch: list[Layout]
) -> dict[int, Scored]:
    """Scores by number of the prompt. Halves the batch where it does not fit into memory."""
    numbers = [number for layout in batch for number in layout.prompts]
    try:
        results = _forward(loaded, batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    else:
        return {
            number: add_up(prompts[number], log_ps, _in_words(loaded, outside_top))
            for number, (log_ps, outside_top) in zip(numbers, results, strict=True)
        }
    # Not inside `except`: the traceback would keep the tensors that did not fit.
    torch.cuda.empty_cache()
    half = len(batch) // 2
    first, second = (_score_batch(loaded, prompts, part) for part in (batch[:half], batch[half:]))
    return first | second


def _forward(loaded: Loaded, batch: list[Layout]) -> list[tuple[list[float], list[TokenShare]]]:
    """For every prompt of the batch: the log-probabilities of its pairs, and the most probable
    first tokens that begin no allowed answer."""
    logits_KV = _logits(loaded, batch)
    # The logarithm of what a softmax divides by. Only what is asked is divided, because all
    # log-probabilities would be a second tensor of [K, V].
    total_K = logits_KV.logsumexp(-1)

    # Places count from the end of a tree, whose columns end here among all K.
    ends = torch.tensor([layout.num_kept for layout in batch]).cumsum(0).tolist()
    pairs = [
        layout.pairs + torch.tensor([[end], [0]]) for layout, end in zip(batch, ends, strict=True)
    ]
    kept_N, next_N = torch.cat(pairs, 1).to(loaded.device)
    log_p_N = logits_KV[kept_N, next_N] - total_K[kept_N]

    pairs_per_prompt = [number for layout in batch for number in layout.pairs_per_prompt]
    outside_top = _outside(logits_KV, total_K, kept_N, next_N, pairs_per_prompt)
    log_ps = iter(log_p_N.tolist())
    log_ps_of_prompts = [list(islice(log_ps, number)) for number in pairs_per_prompt]
    return list(zip(log_ps_of_prompts, outside_top, strict=True))


def _outside(
    logits_KV: Tensor,
    total_K: Tensor,
    kept_N: Tensor,
    next_N: Tensor,
    pairs_per_prompt: list[int],
) -> list[list[TokenShare]]:
    """For every prompt the most probable first tokens that begin no allowed answer."""
    pairs_P = torch.tensor(pairs_per_prompt, device=kept_N.device)
    # The first pair of a prompt asks what comes after the prompt itself, as every spelling does
    # with its first token. `first_P` is where that pair stands among all N.
    first_P = pairs_P.cumsum(0) - pairs_P
    kept_P = kept_N[first_P]
    logits_PV = logits_KV[kept_P]  # a copy: indices that are tensors make no view
    # Whatever is asked in the same place begins an allowed answer, and is taken out.
    prompt_N = torch.arange(len(pairs_P), device=kept_N.device).repeat_interleave(pairs_P)
    begins_N = kept_N == kept_P[prompt_N]
    logits_PV[prompt_N[begins_N], next_N[begins_N]] = -math.inf
    top = logits_PV.topk(NUM_OUTSIDE)  # [P, NUM_OUTSIDE]
    shares = (top.values - total_K[kept_P].unsqueeze(-1)).exp()
    return [
        list(zip(tokens_of_prompt, shares_of_prompt, strict=True))
        for tokens_of_prompt, shares_of_prompt in zip(
            top.indices.tolist(), shares.tolist(), strict=True
        )
    ]


def _logits(loaded: Loaded, batch: list[Layout]) -> Tensor:
    """Logits [K, V] in float32."""
    width = max(len(layout.columns) for layout in batch)
    # Padding is entered before all tokens and left at once: it sees only itself, so that no row of
    # the mask is empty (a softmax of nothing is no number), and no token sees it.
    padding = torch.tensor([loaded.tokenizer.pad_token_id, 0, -1, 0])
    columns_BT4 = padding.repeat(len(batch), width, 1)
    for columns_T4, layout in zip(columns_BT4, batch, strict=True):
        columns_T4[width - len(layout.columns) :] = layout.columns
    tokens_BT, depth_BT, enter_BT, leave_BT = columns_BT4.to(loaded.device).unbind(-1)
    # The columns with a question stand last in each tree.
    ends = range(width, (len(batch) + 1) * width, width)
    kept = [
        torch.arange(end - layout.num_kept, end) for layout, end in zip(batch, ends, strict=False)
    ]
    with head_at(loaded.model, torch.cat(kept).to(loaded.device)):
        logits_KV: Tensor = loaded.model(
            input_ids=tokens_BT,
            attention_mask=_masks(loaded.model, _sees(enter_BT, leave_BT), depth_BT),
            # Not the column: a token stands where it would stand in its own prompt and answer.
            position_ids=depth_BT,
            use_cache=False,
        ).logits
    return logits_KV.float()


def _sees(enter_BT: Tensor, leave_BT: Tensor) -> Tensor:
    """Whether Q sees T [B, Q, T]: its ancestors and itself, which a walk through the tree entered
    no later than Q, and had not left when it entered Q."""
    enter_BQ = enter_BT
    entered_BQT = enter_BT[:, None, :] <= enter_BQ[:, :, None]
    not_left_BQT = enter_BQ[:, :, None] < leave_BT[:, None, :]
    return entered_BQT & not_left_BQT


def _masks(model: Any, sees_BQT: Tensor, depth_BT: Tensor) -> Tensor | dict[str, Tensor]:
    """What attention adds to its scores: one tensor where all layers see alike, or one for each
    kind of layer by name, as transformers takes them."""
    config = model.config.get_text_config()
    # Some configs give a window and say that it is not used (Qwen 2.5).
    windowed = getattr(config, "use_sliding_window", True)
    window = getattr(config, "sliding_window", None) if windowed else None
    kinds = set(getattr(config, "layer_types", None) or [])
    if not window or kinds == {"full_attention"}:
        return _additive(sees_BQT, model.dtype)
    # A window is of positions, and columns of a tree are none: the distance is one of depths.
    distance_BQT = depth_BT[:, :, None] - depth_BT[:, None, :]
    near = _additive(sees_BQT & (distance_BQT < window), model.dtype)
    if len(kinds) <= 1:
        return near
    return {"full_attention": _additive(sees_BQT, model.dtype), "sliding_attention": near}


def _additive(sees_BQT: Tensor, dtype: torch.dtype) -> Tensor:
    """[B, 1, Q, T], one for all heads: 0 where Q sees T, else the lowest number of the dtype,
    because infinity less infinity is no number."""
    zeros_BQT = torch.zeros(sees_BQT.shape, dtype=dtype, device=sees_BQT.device)
    return zeros_BQT.masked_fill_(~sees_BQT, torch.finfo(dtype).min)[:, None]


def _in_words(loaded: Loaded, shares: Sequence[TokenShare]) -> tuple[tuple[str, float], ...]:
    """Tokens as text."""
    return tuple((loaded.tokenizer.decode([token]), p) for token, p in shares)


def add_up(
    prompt: Compiled, log_ps: Sequence[float], outside_top: tuple[tuple[str, float], ...] = ()
) -> Scored:
    """Scores of a prompt from the log-probabilities of all tokens of all its spellings, one after
    another: of each its answer tokens, then its end."""
    num_options = 1 + max(spelling.option for spelling in prompt.spellings)
    exact: list[list[float]] = [[] for _ in range(num_options)]
    prefix: list[list[float]] = [[] for _ in range(num_options)]
    start = 0
    for spelling in prompt.spellings:
        end = start + len(spelling.answer)
        stop = end + len(spelling.end)
        prefix[spelling.option].append(sum(log_ps[start:end]))
        exact[spelling.option].append(sum(log_ps[start:stop]))
        start = stop
    return Scored(tuple(map(log_sum, exact)), tuple(map(log_sum, prefix)), outside_top)
