"""Scoring as anybody would write it: every spelling on its own, one forward pass each, no cache, no
padding."""

from __future__ import annotations

import math

import torch

from lab.engines.exact import Prompt
from lab.model.load import Loaded


@torch.inference_mode()
def naive(loaded: Loaded, prompt: Prompt) -> tuple[list[float], list[float]]:
    """Per option the probability of the answer with its end of turn, and as a prefix."""
    number = 1 + max(i for i, _, _ in prompt.spellings)
    exact, prefix = [0.0] * number, [0.0] * number
    for i, answer, end in prompt.spellings:
        ids = [*prompt.ids, *answer, *end]
        logits = loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        logprobs = logits.float().log_softmax(-1)
        steps = [float(logprobs[at - 1, ids[at]]) for at in range(len(prompt.ids), len(ids))]
        exact[i] += math.exp(sum(steps))
        prefix[i] += math.exp(sum(steps[: len(answer)]))
    return exact, prefix
