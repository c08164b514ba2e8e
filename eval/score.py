"""Exact answer probabilities: whole answer strings with their end of turn, over a token trie on one shared prompt.

Shapes: B prompts, L prompt tokens (left-padded), P trie paths, D tokens of a path, V vocabulary."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lab.chat import Renderer
from lab.model import Loaded
from lab.types import Message, Wording

TOKENS_PER_BATCH = 16_384
NUM_OUTSIDE = 3

Path = tuple[int, ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt as token ids, and every spelling of every allowed answer: (index of the option, answer tokens, end token)."""

    ids: Path
    spellings: tuple[tuple[int, Path, Path], ...]

    @property
    def paths(self) -> list[Path]:
        """The longest token paths after which a next token must be known; their own prefixes come along with them."""
        inner = {(*answer, *end)[:d] for _, answer, end in self.spellings for d in range(1, len(answer) + len(end))}
        return sorted(inner - {path[:-1] for path in inner})


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


def compile_prompt(renderer: Renderer, messages: Sequence[Message], wording: Wording) -> Prompt:
    spellings, ids = [], None
    for i, option in enumerate(wording.options):
        for text in (option.text, *option.variants):
            rendered = renderer.render(messages, text)
            ids = rendered.prompt
            spellings.append((i, rendered.answer, rendered.end))
    assert ids is not None, "a question without options"
    return Prompt(ids, tuple(spellings))


@torch.inference_mode()
def score(loaded: Loaded, prompts: Sequence[Prompt], tokens_per_batch: int = TOKENS_PER_BATCH) -> list[Scored]:
    """Score prompts in batches of like length; the results come in the order of `prompts`."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].ids))
    results: dict[int, Scored] = {}
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * len(prompts[i].ids) > tokens_per_batch:
            results.update(_score_batch(loaded, prompts, batch, tokens_per_batch))
            batch = []
        batch.append(i)
    if batch:
        results.update(_score_batch(loaded, prompts, batch, tokens_per_batch))
    return [results[i] for i in range(len(prompts))]


def _score_batch(loaded: Loaded, prompts: Sequence[Prompt], batch: list[int], tokens_per_batch: int) -> dict[int, Scored]:
    width = max(len(prompts[i].ids) for i in batch)
    pad = loaded.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(prompts[i].ids)) + list(prompts[i].ids) for i in batch], device=loaded.device)  # [B, L]
    mask = torch.tensor([[0] * (width - len(prompts[i].ids)) + [1] * len(prompts[i].ids) for i in batch], device=loaded.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    out = loaded.model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
    first = out.logits[:, -1].float().log_softmax(-1)  # [B, V]
    found: list[dict[Path, Tensor]] = [{(): first[row]} for row in range(len(batch))]
    wanted = [(row, path) for row, i in enumerate(batch) for path in prompts[i].paths]
    per_chunk = max(1, tokens_per_batch // width)
    for start in range(0, len(wanted), per_chunk):
        chunk = wanted[start : start + per_chunk]
        for (row, path), logprobs in zip(chunk, _continue(loaded, out.past_key_values, mask, positions, chunk), strict=True):
            found[row].update({path[: d + 1]: logprobs[d] for d in range(len(path))})
    return {i: _add_up(prompts[i], found[row]) for row, i in enumerate(batch)}


def _continue(loaded: Loaded, cache: Any, mask: Tensor, positions: Tensor, chunk: list[tuple[int, Path]]) -> Tensor:
    """Log-probabilities [P, D, V] after each token of each path, on copies of the cached prompt it belongs to."""
    depth = max(len(path) for _, path in chunk)
    rows = torch.tensor([row for row, _ in chunk], device=loaded.device)
    tokens = torch.tensor([list(path) + [path[-1]] * (depth - len(path)) for _, path in chunk], device=loaded.device)
    own = copy.deepcopy(cache)
    own.batch_select_indices(rows)
    ones = torch.ones_like(tokens)
    out = loaded.model(
        input_ids=tokens,
        attention_mask=torch.cat([mask[rows], ones], 1),
        position_ids=positions[rows, -1:] + ones.cumsum(1),
        past_key_values=own,
        use_cache=True,
    )
    logprobs: Tensor = out.logits.float().log_softmax(-1)
    return logprobs


def _add_up(prompt: Prompt, after: dict[Path, Tensor]) -> Scored:
    num_options = 1 + max(i for i, _, _ in prompt.spellings)
    exact: list[list[float]] = [[] for _ in range(num_options)]
    prefix: list[list[float]] = [[] for _ in range(num_options)]
    for i, answer, end in prompt.spellings:
        through = sum(float(after[answer[:d]][token]) for d, token in enumerate(answer))
        prefix[i].append(through)
        exact[i].append(through + float(after[answer][end[0]]))
    begins = {answer[0] for _, answer, _ in prompt.spellings}
    top = after[()].topk(min(NUM_OUTSIDE + len(begins), after[()].numel()))
    outside = [(int(t), float(p)) for t, p in zip(top.indices, top.values.exp(), strict=True) if int(t) not in begins]
    log_exact, log_prefix = ([_log_sum(logs) for logs in options] for options in (exact, prefix))
    p_exact, p_prefix = ([math.exp(log) for log in options] for options in (log_exact, log_prefix))
    return Scored(p_exact, p_prefix, max(0.0, 1.0 - sum(p_exact)), outside[:NUM_OUTSIDE], log_exact, log_prefix)


def _log_sum(logs: list[float]) -> float:
    """Log of a sum of probabilities of which each may be less than a float can hold."""
    most = max(logs)
    return most + math.log(sum(math.exp(log - most) for log in logs))
