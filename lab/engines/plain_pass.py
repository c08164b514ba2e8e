"""A few answers of every evaluation scored as anybody would write it: one row each, and no mask but
the model's own."""

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch

from lab.engines.exact import LOGITS_PER_BATCH, TOKENS_PER_BATCH, Prompt, Scored, add_up
from lab.model.load import Loaded
from lab.store.trust import check

NUM_PROMPTS = 4
NUM_OPTIONS = 3
LEAST_NATS = 1e-3
"""In float32 a tree and a plain pass differ by about 1e-5; architectures that carry a state from
token to token, by 0.1 to 8."""
ROUNDED = 32
"""Times the relative step of its dtype by which a token may differ in half precision. Logits
between 16 and 32 are multiples of 16 such steps (0.125 nats in bfloat16), and two orders of adding
up may round one to either side of two; an answer of several tokens adds up errors that have nothing
to do with one another, so that they grow with the root of their number."""


def plain_pass(
    of: str,
    loaded: Loaded,
    prompts: Sequence[Prompt],
    kinds: Sequence[str],
    scores: Sequence[Scored],
) -> dict[str, Any]:
    """The trust check that trees of tokens were scored as a plain forward pass scores each answer,
    on the answer that differs most for what its dtype allows; `kinds` are those of the questions,
    over which the checked prompts are spread."""
    chosen = spread(sorted(range(len(prompts)), key=lambda i: (kinds[i], i)), NUM_PROMPTS)
    options = [spread(range(len(scores[i].log_exact)), NUM_OPTIONS) for i in chosen]
    few = [_with_options(prompts[i], mine) for i, mine in zip(chosen, options, strict=True)]
    found = []
    for i, mine, prompt, plain in zip(
        chosen, options, few, score_plainly(loaded, few), strict=True
    ):
        longest = 1 + max(len(answer) for _, answer, _ in prompt.spellings)
        for at, option in enumerate(mine):
            pairs = (
                (scores[i].log_exact[option], plain.log_exact[at]),
                (scores[i].log_prefix[option], plain.log_prefix[at]),
            )
            found += [(abs(tree - alone), allowed(loaded, longest)) for tree, alone in pairs]
    gap, most = max(found, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0] / pair[1])
    return check(f"plain_pass:{of}", gap, most, gap <= most)


def allowed(loaded: Loaded, tokens: int) -> float:
    """Nats by which an answer of so many tokens may differ; int8 rounds what goes into a layer as
    coarsely as bfloat16."""
    coarse = getattr(loaded.model, "is_loaded_in_8bit", False)
    unit = torch.finfo(torch.bfloat16 if coarse else loaded.model.dtype).eps
    return max(LEAST_NATS, ROUNDED * unit * math.sqrt(tokens))


def spread(items: Sequence[int], number: int) -> list[int]:
    """At most as many of them, at even distances."""
    number = min(number, len(items))
    return [items[(2 * i + 1) * len(items) // (2 * number)] for i in range(number)]


def _with_options(prompt: Prompt, options: list[int]) -> Prompt:
    """The prompt with some of its options only, numbered anew, in every spelling."""
    number = {option: i for i, option in enumerate(options)}
    return Prompt(
        prompt.ids,
        tuple((number[i], answer, end) for i, answer, end in prompt.spellings if i in number),
    )


@torch.inference_mode()
def score_plainly(loaded: Loaded, prompts: Sequence[Prompt]) -> list[Scored]:
    """Each answer with its prompt and end of turn as one row, padded on the right, where causal
    models do not look."""
    rows = [[*p.ids, *answer, end[0]] for p in prompts for _, answer, end in p.spellings]
    asked = [len(p.ids) - 1 for p in prompts for _ in p.spellings]
    width = max(map(len, rows))
    vocabulary = loaded.model.config.get_text_config().vocab_size
    at_once = max(1, min(TOKENS_PER_BATCH, LOGITS_PER_BATCH // vocabulary) // width)
    values: list[list[float]] = []
    for first in range(0, len(rows), at_once):
        batch = rows[first : first + at_once]
        ids = torch.full((len(batch), width), loaded.tokenizer.pad_token_id)
        for row, tokens in zip(ids, batch, strict=True):
            row[: len(tokens)] = torch.tensor(tokens)
        ids = ids.to(loaded.device)
        logits = loaded.model(input_ids=ids, use_cache=False).logits  # [rows, tokens, vocabulary]
        for row, tokens, start in zip(range(len(batch)), batch, asked[first:], strict=False):
            end = len(tokens) - 1
            logs = logits[row, start:end].float().log_softmax(-1)
            values.append(logs.gather(-1, ids[row, start + 1 : end + 1, None])[:, 0].tolist())
    left = iter(values)
    return [
        add_up(p, [v for row in islice(left, len(p.spellings)) for v in row], []) for p in prompts
    ]
