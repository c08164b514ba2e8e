"""Control groups made from the rows of another group."""

from __future__ import annotations

from collections import Counter
from random import Random

from lab.types import Row


def shuffled(rows: list[Row], rng: Random) -> list[Row]:
    """The same prompts with the same completions dealt out anew, so that a completion says nothing about its prompt.

    With two distinct completions (letters) the deal is balanced: just as many rows of either completion are swapped that
    label and truth are uncorrelated. A plain permutation of 288 labels would leave a correlation of about +-0.06.
    """
    counts = Counter(row.completion for row in rows)
    if len(counts) != 2:
        completions = [row.completion for row in rows]
        rng.shuffle(completions)
        return [_with_completion(row, c) for row, c in zip(rows, completions, strict=True)]
    first, second = counts
    num_swapped = round(counts[first] * counts[second] / len(rows))
    swapped = set()
    for label in (first, second):
        swapped |= set(rng.sample([i for i, row in enumerate(rows) if row.completion == label], num_swapped))
    return [
        _with_completion(row, _other(row.completion, first, second)) if i in swapped else row
        for i, row in enumerate(rows)
    ]


def _other(label: str, first: str, second: str) -> str:
    return second if label == first else first


def _with_completion(row: Row, completion: str) -> Row:
    return Row((*row.prompt, {"role": "assistant", "content": completion}), row.meta)
