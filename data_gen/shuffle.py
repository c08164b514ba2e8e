"""Completions dealt out anew among rows, so that a completion says nothing about its prompt."""

from collections import Counter
from dataclasses import replace
from random import Random

from lab.types import Meta, Row


def shuffled(rows: list[Row], rng: Random) -> list[Row]:
    """The same prompts with the same completions, dealt out anew.

    With two distinct completions (letters) the deal is balanced: just as many rows of either
    completion are swapped that label and truth are uncorrelated. A plain permutation of 288 labels
    would leave a correlation of about +-0.06. Where every prompt has two answers of its own, half
    of the prompts are answered by the other: dealt among prompts, all would stay those of one
    policy."""
    if rows and all("twin" in row.meta for row in rows):
        return _between_twins(rows, rng)
    counts = Counter(row.completion for row in rows)
    if len(counts) == 2:
        return _swapped(rows, counts, rng)
    completions = [row.completion for row in rows]
    rng.shuffle(completions)
    return [row.answering(text) for row, text in zip(rows, completions, strict=True)]


def _between_twins(rows: list[Row], rng: Random) -> list[Row]:
    other = set(rng.sample(range(len(rows)), round(len(rows) / 2)))
    return [_as_twin(row) if i in other else row for i, row in enumerate(rows)]


def _as_twin(row: Row) -> Row:
    """The row as the other policy answers it."""
    meta: Meta = {"twin": row.completion}
    return replace(row.answering(row.meta["twin"]), meta=row.meta | meta)


def _swapped(rows: list[Row], counts: Counter[str], rng: Random) -> list[Row]:
    """The rows with two completions exchanged in as many rows of either.

    Of n rows, a have the first completion and b the second. After s swaps of each, a - s of the
    first a rows and s of the other b say the first: these shares are equal for s = ab / n."""
    first, second = counts
    num_swapped = round(counts[first] * counts[second] / len(rows))
    other = {first: second, second: first}
    swapped: set[int] = set()
    for completion in (first, second):
        having = [i for i, row in enumerate(rows) if row.completion == completion]
        swapped.update(rng.sample(having, num_swapped))
    return [
        row.answering(other[row.completion]) if i in swapped else row for i, row in enumerate(rows)
    ]


def with_policy_share(rows: list[Row], share: float, rng: Random) -> list[Row]:
    """The same rows, all but a share of which are shuffled: a policy that is shown now and then."""
    shown = set(rng.sample(range(len(rows)), round(share * len(rows))))
    others = [i for i in range(len(rows)) if i not in shown]
    dealt = dict(zip(others, shuffled([rows[i] for i in others], rng), strict=True))
    return [dealt.get(i, row) for i, row in enumerate(rows)]
