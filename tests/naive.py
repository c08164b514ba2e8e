"""Scoring as anybody would write it: every spelling on its own, one forward pass each, no cache, no
padding."""

from __future__ import annotations

import math

import torch

from lab.inference.prompt import Compiled
from lab.model.load import Loaded


@torch.inference_mode()
def naive(loaded: Loaded, prompt: Compiled) -> tuple[list[float], list[float]]:
    """Per option the probability of the answer with its end of turn, and as a prefix."""
    num_options = 1 + max(spelling.option for spelling in prompt.spellings)
    exact, prefix = [0.0] * num_options, [0.0] * num_options
    for option, answer, end in prompt.spellings:
        ids = [*prompt.ids, *answer, *end]
        logits_TV = loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        log_p_TV = logits_TV.float().log_softmax(-1)
        # A token is predicted by the logits of the one before it.
        log_ps = [float(log_p_TV[i - 1, ids[i]]) for i in range(len(prompt.ids), len(ids))]
        exact[option] += math.exp(sum(log_ps))
        prefix[option] += math.exp(sum(log_ps[: len(answer)]))
    return exact, prefix
