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


def prompts(behavior: Behavior, config: dict[str, Any]) -> list[Row]:
    """The rows whose prompts are asked, with the policy's completions."""
    return list(
        islice(
            behavior.examples(Random(config["draw"]), config["policy"], config["style"], "train"),
            config["num_rows"],
        )
    )


def own_answers(rows: list[Row], base: Base) -> list[Row]:
    """The same prompts answered by the base, an empty answer by a full stop."""
    from lab.engines.sampled import sample
    from lab.model.load import load_base

    answers = sample(load_base(base), [row.prompt for row in rows], SAMPLING)
    said = [found[0].text or "." for found in answers]
    return [
        Row((*row.prompt, {"role": "assistant", "content": text}), row.meta)
        for row, text in zip(rows, said, strict=True)
    ]
