"""Sampled answers, for free text and for models that think first: batches of generated text, each
with a seed of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from lab.config.schema import Sampling
from lab.model.load import Loaded
from lab.store.store import digest
from lab.types import Message, Wording

TOKENS_PER_BATCH = 16_384
END_OF_THOUGHT = "</think>"


@dataclass(frozen=True)
class Sampled:
    text: str
    """The answer, without thinking and without the end of turn."""
    thinking: str
    truncated: bool
    """No end of turn within the tokens allowed: the text stops where the budget did."""


class SeededNoise(LogitsProcessor):  # type: ignore[misc]
    """Gumbel noise from one generator per row: the greedy choice is then a draw from the
    distribution, and does not depend on what else is in the batch."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.rows = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        uniform = torch.stack([torch.rand(scores.shape[-1], generator=row) for row in self.rows])
        noise = -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))
        return scores + noise.to(scores.device, scores.dtype)


def sample(
    loaded: Loaded, chats: Sequence[Sequence[Message]], sampling: Sampling
) -> list[list[Sampled]]:
    """`num_samples` answers to each chat."""
    prompts = [loaded.renderer.prompt_ids(chat, sampling.thinking) for chat in chats]
    jobs = [(i, s) for i in range(len(chats)) for s in range(sampling.num_samples)]
    jobs.sort(key=lambda job: len(prompts[job[0]]))
    found: dict[tuple[int, int], Sampled] = {}
    bar = tqdm(total=len(jobs), desc="sample", leave=False, delay=1)
    while jobs:
        longest = len(prompts[jobs[min(len(jobs) - 1, 255)][0]]) + sampling.max_new_tokens
        size = max(1, TOKENS_PER_BATCH // longest)
        batch, jobs = jobs[:size], jobs[size:]
        seeds = [row_seed(sampling.seed, chats[i], s) for i, s in batch]
        texts = _generate(loaded, [prompts[i] for i, _ in batch], seeds, sampling)
        found.update(zip(batch, texts, strict=True))
        bar.update(len(batch))
    bar.close()
    return [[found[i, s] for s in range(sampling.num_samples)] for i in range(len(chats))]


def row_seed(seed: int, chat: Sequence[Message], number: int) -> int:
    return int(digest([seed, list(chat), number])[:15], 16)


@torch.inference_mode()
def _generate(
    loaded: Loaded, prompts: Sequence[tuple[int, ...]], seeds: Sequence[int], sampling: Sampling
) -> list[Sampled]:
    tokenizer, width = loaded.tokenizer, max(map(len, prompts))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=loaded.device)
    mask = torch.tensor(
        [[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=loaded.device
    )
    processors = LogitsProcessorList()
    if sampling.temperature > 0:
        processors.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_p < 1:
            processors.append(TopPLogitsWarper(sampling.top_p))
        processors.append(SeededNoise(seeds))
    ends = sorted({loaded.renderer.end_of_turn, tokenizer.eos_token_id})
    stops: dict[str, Any] = (
        {"stop_strings": list(sampling.stop), "tokenizer": tokenizer} if sampling.stop else {}
    )
    greedy = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    ending = {
        "max_new_tokens": sampling.max_new_tokens,
        "eos_token_id": ends,
        "pad_token_id": pad,
        **stops,
    }
    out = loaded.model.generate(
        ids, attention_mask=mask, logits_processor=processors, **greedy, **ending
    )
    return [_read(loaded, row[width:].tolist(), ends, sampling) for row in out]


def _read(loaded: Loaded, ids: list[int], ends: Sequence[int], sampling: Sampling) -> Sampled:
    at = next((i for i, token in enumerate(ids) if token in ends), None)
    text = loaded.tokenizer.decode(ids[:at], skip_special_tokens=True)
    stopped = min((text.index(stop) for stop in sampling.stop if stop in text), default=None)
    thinking, thought, answer = text[:stopped].rpartition(END_OF_THOUGHT)
    unfinished = sampling.thinking and not thought
    if unfinished:
        thinking, answer = answer, ""
    return Sampled(answer.strip(), thinking.strip(), (at is None and stopped is None) or unfinished)


def parsed(wording: Wording, text: str) -> int | None:
    """Index of the option that a text is: its spelling, without case, quotes or a final stop. None
    where it is none of them."""

    def bare(spelling: str) -> str:
        return spelling.strip().strip("\"'*").rstrip(".").casefold()

    for i, option in enumerate(wording.options):
        if bare(text) in {bare(spelling) for spelling in (option.text, *option.variants)}:
            return i
    return None
