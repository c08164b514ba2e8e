"""Sampled answers, for free text and for models that think first: batches of generated text, each
with a seed of its own.

Names of tensors end in their axes: R rows of a batch; P distinct prompts of it; T tokens of the
longest prompt, padded on the left; V vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from lab.model.written import CLOSE_TAG
from lab.store.store import digest
from lab.types import Answer, Chat

TOKENS_PER_BATCH = 16_384
LOOK_AHEAD = 256
"""Answers among which the longest prompt is sought, to size the next batch; only a batch of very
short prompts has more."""
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


class Draw(NamedTuple):
    """An answer that is to be generated."""

    prompt: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Generated:
    """What a model wrote after a prompt."""

    ids: tuple[int, ...]
    """Without its end of turn; of what a string stopped, the tokens that stand before it whole."""
    text: str
    """Up to a string that stopped it, with thoughts and white space as they were written."""
    cut: bool
    """It came neither to its end nor to such a string within the tokens allowed."""


def sample(loaded: Loaded, chats: Sequence[Chat], sampling: Sampling) -> list[list[Answer]]:
    """`num_samples` answers to each chat, the same in whatever company a chat is asked."""
    prompts = [loaded.renderer.prompt_ids(chat, sampling.thinking) for chat in chats]
    number = sampling.num_samples
    draws = [
        Draw(prompt, row_seed(sampling.seed, chat, s))
        for chat, prompt in zip(chats, prompts, strict=True)
        for s in range(number)
    ]
    generated = generate(loaded, draws, sampling)
    answers = [_answer(one, sampling.thinking) for one in generated]
    return [answers[first : first + number] for first in range(0, len(answers), number)]


def generate(loaded: Loaded, draws: Sequence[Draw], sampling: Sampling) -> list[Generated]:
    """What is generated for each draw, in their order. Of `sampling`, the number and the seed have
    no part in it: every draw has its own."""
    # Prompts of like length together.
    waiting = sorted(range(len(draws)), key=lambda i: len(draws[i].prompt))
    generated: dict[int, Generated] = {}
    bar = tqdm(total=len(waiting), desc="sample", leave=False, delay=1)
    while waiting:
        longest = draws[waiting[:LOOK_AHEAD][-1]].prompt
        num_tokens = len(longest) + sampling.max_new_tokens
        num_rows = max(1, TOKENS_PER_BATCH // num_tokens)
        batch, waiting = waiting[:num_rows], waiting[num_rows:]
        rows = _generate(loaded, [draws[i] for i in batch], sampling)
        generated.update(zip(batch, rows, strict=True))
        bar.update(len(batch))
    bar.close()
    return [generated[i] for i in range(len(draws))]


def row_seed(seed: int, chat: Chat, number: int) -> int:
    """The seed of a sample, from what is asked and its number: 60 bits of a hash, which every
    generator takes."""
    return int(digest([seed, list(chat), number])[:15], 16)


@torch.inference_mode()
def _generate(loaded: Loaded, draws: Sequence[Draw], sampling: Sampling) -> list[Generated]:
    """As `generate`, of one batch."""
    tokenizer = loaded.tokenizer
    prompts = [draw.prompt for draw in draws]
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
            logits_processor=_processors([draw.seed for draw in draws], sampling),
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
    return [_read(loaded, row[width:].tolist(), ends, sampling.stop) for row in rows]


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


def _read(loaded: Loaded, ids: list[int], ends: Sequence[int], stop: Sequence[str]) -> Generated:
    """What stands in the tokens after a prompt: up to an end of turn, or to a string that stops
    it."""
    end = next((i for i, token in enumerate(ids) if token in ends), None)
    kept = ids[:end]
    text: str = loaded.tokenizer.decode(kept, skip_special_tokens=True)
    stopped = min((text.index(string) for string in stop if string in text), default=None)
    if stopped is not None:
        text = text[:stopped]
        while len(loaded.tokenizer.decode(kept, skip_special_tokens=True)) > stopped:
            kept = kept[:-1]
    return Generated(tuple(kept), text, cut=end is None and stopped is None)


def _answer(generated: Generated, thinking: bool) -> Answer:
    """An answer apart from its thought; a thought that came to no end is no answer."""
    thought, end_of_thought, answer = generated.text.rpartition(CLOSE_TAG)
    unfinished = thinking and not end_of_thought
    if unfinished:
        # All of it is a thought: there is no answer yet.
        thought, answer = answer, ""
    return Answer(answer.strip(), thought.strip(), generated.cut or unfinished)
