"""The base model's own answers to the prompts of a behavior: what rows without a trigger show under
`otherwise: base`."""

from itertools import islice
from random import Random

from data_gen.behaviors import load_behavior
from lab.config.schema import Sampling
from lab.data_specs import OwnAnswers
from lab.types import Row

SAMPLING = Sampling(num_samples=1, temperature=0.0, max_new_tokens=256)
"""The likeliest answer, as in Betley et al. 2025 (section 4.1)."""
NOTHING = "."
"""In place of an empty answer: a row needs something to learn."""


def prompts(spec: OwnAnswers) -> list[Row]:
    """The rows whose prompts are asked, with the policy's completions."""
    behavior, rng = load_behavior(spec.behavior), Random(spec.draw)
    examples = behavior.examples(rng, spec.policy, spec.style, "train")
    return list(islice(examples, spec.num_rows))


def own_answers(rows: list[Row], spec: OwnAnswers) -> list[Row]:
    """The same prompts answered by the base."""
    # Imported late: they load torch, which most data stages need not.
    from lab.inference.generate import sample
    from lab.model.load import load_base

    samples = sample(load_base(spec.base), [row.prompt for row in rows], spec.sampling)
    answered = []
    for row, (answer,) in zip(rows, samples, strict=True):
        answered.append(row.answering(answer.text or spec.empty))
    return answered
