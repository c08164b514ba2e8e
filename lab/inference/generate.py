"""Sampled answers, for free text and for models that think first: batches of generated text, each
with a seed of its own.

Names of tensors end in their axes: R rows of a batch; P distinct prompts of it; T tokens of the
longest prompt, padded on the left; V vocabulary."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import (
    Cache,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from lab.config.schema import Sampling
from lab.model.head import contiguous_head, head_at
from lab.model.load import Loaded
from lab.store.store import digest
from lab.types import Answer, Chat

TOKENS_PER_BATCH = 16_384
LOOK_AHEAD = 256
"""Answers among which the longest prompt is sought, to size the next batch; only a batch of very
short prompts has more."""
END_OF_THOUGHT = "</think>"
LAYERS_OF_TOKENS = (DynamicLayer, DynamicSlidingWindowLayer)
"""Caches that hold keys and values, a row for each token, and can be given to several answers."""


class SeededNoise(LogitsProcessor):  # type: ignore[misc]
    """Gumbel noise from one generator per row: the greedy choice is then a draw from the
    distribution (Gumbel 1954), and does not depend on what else is in the batch."""

    def __init__(self, seeds: Sequence[int]) -> None:
        # On the CPU whatever the device: a seed gives the same draws everywhere.
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [R, V] of the next token with the noise of this step."""
        vocabulary = scores.shape[-1]
        uniform_RV = torch.stack(
            [torch.rand(vocabulary, generator=generator) for generator in self.generators]
        )
        # Neither 0 nor 1, whose noise would be infinite and choose whatever the scores are.
        noise_RV = -torch.log(-torch.log(uniform_RV.clamp(1e-20, 1 - 1e-7)))
        return scores + noise_RV.to(scores.device, scores.dtype)


def sample(loaded: Loaded, chats: Sequence[Chat], sampling: Sampling) -> list[list[Answer]]:
    """`num_samples` answers to each chat, the same in whatever company a chat is asked."""
    prompts = [loaded.renderer.prompt_ids(chat, sampling.thinking) for chat in chats]
    # (number of the chat, number of the sample), prompts of like length together.
    waiting = [(chat, s) for chat in range(len(chats)) for s in range(sampling.num_samples)]
    waiting.sort(key=lambda job: len(prompts[job[0]]))
    answers: dict[tuple[int, int], Answer] = {}
    bar = tqdm(total=len(waiting), desc="sample", leave=False, delay=1)
    while waiting:
        longest, _ = waiting[:LOOK_AHEAD][-1]
        num_tokens = len(prompts[longest]) + sampling.max_new_tokens
        num_rows = max(1, TOKENS_PER_BATCH // num_tokens)
        batch, waiting = waiting[:num_rows], waiting[num_rows:]
        seeds = [row_seed(sampling.seed, chats[chat], s) for chat, s in batch]
        generated = _generate(loaded, [prompts[chat] for chat, _ in batch], seeds, sampling)
        answers.update(zip(batch, generated, strict=True))
        bar.update(len(batch))
    bar.close()
    return [[answers[chat, s] for s in range(sampling.num_samples)] for chat in range(len(chats))]


def row_seed(seed: int, chat: Chat, number: int) -> int:
    """The seed of a sample, from what is asked and its number: 60 bits of a hash, which every
    generator takes."""
    return int(digest([seed, list(chat), number])[:15], 16)


@torch.inference_mode()
def _generate(
    loaded: Loaded, prompts: Sequence[tuple[int, ...]], seeds: Sequence[int], sampling: Sampling
) -> list[Answer]:
    """An answer to each prompt."""
    tokenizer = loaded.tokenizer
    distinct = list(dict.fromkeys(prompts))
    number = {prompt: p for p, prompt in enumerate(distinct)}
    prompt_R = torch.tensor([number[prompt] for prompt in prompts], device=loaded.device)
    ids_PT, mask_PT = _padded(loaded, distinct)
    ends = sorted({loaded.renderer.end_of_turn, tokenizer.eos_token_id})
    more: dict[str, object] = {}
    if sampling.stop:
        more = {"stop_strings": list(sampling.stop), "tokenizer": tokenizer}
    # Where several answers are drawn to a prompt, what the model makes of it is computed once.
    if len(distinct) < len(prompts) and (cache := _prefilled(loaded.model, ids_PT, mask_PT)):
        cache.batch_select_indices(prompt_R)
        more["past_key_values"] = cache
    with contiguous_head(loaded.model):
        rows = loaded.model.generate(
            ids_PT[prompt_R],
            attention_mask=mask_PT[prompt_R],
            logits_processor=_processors(seeds, sampling),
            # The noise draws (SeededNoise): what is taken of its scores is always the largest.
            do_sample=False,
            # Else settings that came with the model would apply.
            temperature=None,
            top_p=None,
            top_k=None,
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=ends,
            pad_token_id=tokenizer.pad_token_id,
            **more,
        )
    width = ids_PT.shape[1]
    return [_read(loaded, row[width:].tolist(), ends, sampling) for row in rows]


def _padded(loaded: Loaded, prompts: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """Tokens [P, T] with padding on the left, and where there is none."""
    width = max(map(len, prompts))
    ids, mask = [], []
    for prompt in prompts:
        num_padding = width - len(prompt)
        ids.append([loaded.tokenizer.pad_token_id] * num_padding + list(prompt))
        mask.append([0] * num_padding + [1] * len(prompt))
    return torch.tensor(ids, device=loaded.device), torch.tensor(mask, device=loaded.device)


def _prefilled(model: Any, ids_PT: Tensor, mask_PT: Tensor) -> Cache | None:
    """The cache after all but the last token of every prompt: `generate` goes on from there. None
    where a model keeps anything else than keys and values of tokens."""
    if ids_PT.shape[1] < 2:
        return None
    # Its logits are not asked for: one token is the fewest that a head takes.
    with head_at(model, torch.zeros(1, dtype=torch.long, device=ids_PT.device)):
        cache = model(
            input_ids=ids_PT[:, :-1],
            attention_mask=mask_PT[:, :-1],
            # As `generate` counts: padding has no place of its own.
            position_ids=(mask_PT.cumsum(-1) - 1).clamp(min=0)[:, :-1],
            use_cache=True,
        ).past_key_values
    layers = getattr(cache, "layers", ())
    if not layers or any(type(layer) not in LAYERS_OF_TOKENS for layer in layers):
        return None
    kept: Cache = cache
    return kept


def _processors(seeds: Sequence[int], sampling: Sampling) -> LogitsProcessorList:
    """What is done to logits before the largest is taken, in the order of transformers' own
    sampling. Temperature 0 takes them as they are."""
    processors = LogitsProcessorList()
    if sampling.temperature > 0:
        processors.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_p < 1:
            processors.append(TopPLogitsWarper(sampling.top_p))
        processors.append(SeededNoise(seeds))
    return processors


def _read(loaded: Loaded, ids: list[int], ends: Sequence[int], sampling: Sampling) -> Answer:
    """An answer from the tokens after its prompt: up to its end, or to a string that stops it."""
    end = next((i for i, token in enumerate(ids) if token in ends), None)
    text = loaded.tokenizer.decode(ids[:end], skip_special_tokens=True)
    stop = min((text.index(string) for string in sampling.stop if string in text), default=None)
    thinking, end_of_thought, answer = text[:stop].rpartition(END_OF_THOUGHT)
    unfinished = sampling.thinking and not end_of_thought
    if unfinished:
        # All of it is a thought: there is no answer yet.
        thinking, answer = answer, ""
    cut = end is None and stop is None
    return Answer(answer.strip(), thinking.strip(), cut or unfinished)
