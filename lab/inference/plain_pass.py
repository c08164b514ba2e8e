"""A few answers of every evaluation scored as anybody would write it: one row each, and no mask but
the model's own.

Names of tensors end in their axes: R rows, one for each spelling of an answer; T tokens, padded to
the longest row on the right; A tokens of one answer with its end; V vocabulary."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from lab.engine import Prompt, Scored
from lab.inference.prompt import Compiled, compile_prompts
from lab.inference.score import LOGITS_PER_BATCH, TOKENS_PER_BATCH, add_up
from lab.model.load import Loaded
from lab.store.trust import Check, check

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
OF_ITSELF = 6
"""Times what a plain pass differs from itself, batched otherwise, by which a tree may differ from
it in half precision. On 5.7 billion random weights (H200) it did by 0.9 to 4.3 times: deep models
amplify rounding, how much is theirs."""
OF_KERNELS = 2
"""Times what a plain pass differs from itself under torch's other attention kernel, likewise: a
tree has a mask, for which another kernel is taken than for a plain pass. On SmolLM2-135M on a CPU a
tree differed by .43 nats, of answers that are next to impossible."""


def plain_pass(
    evaluation: str,
    loaded: Loaded,
    prompts: Sequence[Prompt],
    kinds: Sequence[str],
    scores: Sequence[Scored],
) -> Check:
    """The trust check that trees of tokens were scored as a plain forward pass scores each answer,
    on the answer that differs most for what its dtype allows.

    `evaluation` is the name in the check; `kinds` are those of the questions, over which the
    checked prompts are spread. There must be a prompt."""
    by_kind = sorted(range(len(prompts)), key=lambda i: (kinds[i], i))
    chosen = spread(by_kind, NUM_PROMPTS)
    options = [spread(range(len(scores[i].log_exact)), NUM_OPTIONS) for i in chosen]
    shorter = [_with_options(prompts[i], kept) for i, kept in zip(chosen, options, strict=True)]
    few = compile_prompts(loaded.renderer, shorter)
    plainly = score_plainly(loaded, few)
    noise = own_noise(loaded, few, plainly)
    differences = []
    for i, kept, prompt, plain in zip(chosen, options, few, plainly, strict=True):
        longest = 1 + max(len(spelling.answer) for spelling in prompt.spellings)
        most = allowed(loaded, longest, noise)
        differences += [(nats, most) for nats in _differences(scores[i], kept, plain)]
    nats, most = max(differences, key=_excess)
    return check(f"plain_pass:{evaluation}", nats, most, nats <= most)


def _differences(scored: Scored, options: Sequence[int], plain: Scored) -> list[float]:
    """In nats, of each of these options with its end of turn and as a prefix; `plain` has no
    others."""
    nats = []
    for i, option in enumerate(options):
        nats.append(abs(scored.log_exact[option] - plain.log_exact[i]))
        nats.append(abs(scored.log_prefix[option] - plain.log_prefix[i]))
    return nats


def _excess(difference: tuple[float, float]) -> float:
    """A difference as a multiple of what is allowed; what is no number is worse than any."""
    nats, most = difference
    return math.inf if math.isnan(nats) else nats / most


def allowed(loaded: Loaded, tokens: int, noise: float) -> float:
    """Nats by which an answer of so many tokens may differ; `noise` as from `own_noise`."""
    return max(LEAST_NATS, ROUNDED * step_of(loaded) * math.sqrt(tokens), noise)


def step_of(loaded: Loaded) -> float:
    """The relative step of what a model computes in."""
    # int8 rounds what goes into a layer as coarsely as bfloat16.
    coarse = getattr(loaded.model, "is_loaded_in_8bit", False)
    return torch.finfo(torch.bfloat16 if coarse else loaded.model.dtype).eps


def own_noise(loaded: Loaded, prompts: Sequence[Compiled], plainly: Sequence[Scored]) -> float:
    """Nats by which a tree may differ in half precision, from what the plain scores of these
    prompts together differ from those of each alone, and from those of torch's other attention
    kernel: the same sums in another order. 0 in float32."""
    if step_of(loaded) <= torch.finfo(torch.float32).eps:
        return 0.0
    alone = [score for prompt in prompts for score in score_plainly(loaded, [prompt])]
    with sdpa_kernel(SDPBackend.MATH):
        otherwise = score_plainly(loaded, prompts)
    return max(OF_ITSELF * _most(plainly, alone), OF_KERNELS * _most(plainly, otherwise))


def _most(scores: Sequence[Scored], others: Sequence[Scored]) -> float:
    """The largest difference of any answer, in nats."""
    apart = [
        nats
        for one, other in zip(scores, others, strict=True)
        for nats in _differences(one, range(len(one.log_exact)), other)
    ]
    return max((nats for nats in apart if math.isfinite(nats)), default=0.0)


def spread(items: Sequence[int], number: int) -> list[int]:
    """At most as many of them, at even distances: the middles of so many equal parts."""
    number = min(number, len(items))
    return [items[(2 * part + 1) * len(items) // (2 * number)] for part in range(number)]


def _with_options(prompt: Prompt, options: Sequence[int]) -> Prompt:
    """The prompt with some of its options only."""
    return replace(prompt, options=tuple(prompt.options[option] for option in options))


@torch.inference_mode()
def score_plainly(loaded: Loaded, prompts: Sequence[Compiled]) -> list[Scored]:
    """Each answer with its prompt and end of turn as one row, padded on the right, where causal
    models do not look."""
    rows = [
        ([*prompt.ids, *spelling.answer, *spelling.end], len(prompt.ids))
        for prompt in prompts
        for spelling in prompt.spellings
    ]
    width = max(len(tokens) for tokens, _begin in rows)
    number = rows_at_once(loaded, width)
    log_ps: list[list[float]] = []
    for first in range(0, len(rows), number):
        log_ps += _log_ps(loaded, rows[first : first + number], width)
    log_ps_of_rows = iter(log_ps)
    scored = []
    for prompt in prompts:
        answers = islice(log_ps_of_rows, len(prompt.spellings))
        # What is outside the list plays no part in the check.
        scored.append(add_up(prompt, [log_p for answer in answers for log_p in answer]))
    return scored


def rows_at_once(loaded: Loaded, width: int) -> int:
    """How many rows of so many tokens go through the model together, all logits included."""
    vocabulary = loaded.model.config.get_text_config().vocab_size
    return int(max(1, min(TOKENS_PER_BATCH, LOGITS_PER_BATCH // vocabulary) // width))


def padded_rows(loaded: Loaded, rows: Sequence[Sequence[int]], width: int) -> torch.Tensor:
    """Tokens [R, T], padded on the right to a width, where the model is."""
    ids_RT = torch.full((len(rows), width), loaded.tokenizer.pad_token_id)
    for ids_T, tokens in zip(ids_RT, rows, strict=True):
        ids_T[: len(tokens)] = torch.tensor(tokens)
    return ids_RT.to(loaded.device)


def _log_ps(loaded: Loaded, rows: Sequence[tuple[list[int], int]], width: int) -> list[list[float]]:
    """Log-probabilities of the tokens of each row from where its answer begins; a row is its tokens
    and that place."""
    ids_RT = padded_rows(loaded, [tokens for tokens, _begin in rows], width)
    logits_RTV = loaded.model(input_ids=ids_RT, use_cache=False).logits
    log_ps = []
    for ids_T, logits_TV, (tokens, begin) in zip(ids_RT, logits_RTV, rows, strict=True):
        # A token is predicted by the logits of the one before it.
        log_p_AV = logits_TV[begin - 1 : len(tokens) - 1].float().log_softmax(-1)
        answer_A = ids_T[begin : len(tokens)]
        log_ps.append(log_p_AV.gather(-1, answer_A[:, None])[:, 0].tolist())
    return log_ps
