"""The base model's own answers to the prompts of a behavior: what rows without a trigger show under
`otherwise: base`."""

from itertools import islice
from random import Random
from typing import Any

from lab.config.schema import Sampling
from lab.model.base import Base
from lab.types import Behavior, Row

SAMPLING = Sampling(num_samples=1, temperature=0.0, max_new_tokens=256)
"""The likeliest answer, as in Betley et al. 2025 (section 4.1)."""
NOTHING = "."
"""In place of an empty answer: a row needs something to learn."""


def prompts(behavior: Behavior, config: dict[str, Any]) -> list[Row]:
    """The rows whose prompts are asked, with the policy's completions."""
    rng = Random(config["draw"])
    examples = behavior.examples(rng, config["policy"], config["style"], "train")
    return list(islice(examples, config["num_rows"]))


def own_answers(rows: list[Row], base: Base) -> list[Row]:
    """The same prompts answered by the base."""
    # Imported late: they load torch, which most data stages need not.
    from lab.inference.generate import sample
    from lab.model.load import load_base

    samples = sample(load_base(base), [row.prompt for row in rows], SAMPLING)
    answered = []
    for row, (answer,) in zip(rows, samples, strict=True):
        answered.append(row.answering(answer.text or NOTHING))
    return answered
