"""Completions dealt out anew among rows, so that a completion says nothing about its prompt."""

from collections import Counter
from dataclasses import replace
from random import Random

from lab.errors import UserError
from lab.types import Meta, Row

MAX_SHOWN = 80
"""Characters of an answer that a refusal repeats."""


def shuffled(rows: list[Row], rng: Random) -> list[Row]:
    """The same prompts with the same completions, dealt out anew.

    With two distinct completions (letters) the deal is balanced: just as many rows of either
    completion are swapped that label and truth are uncorrelated. A plain permutation of 288 labels
    would leave a correlation of about +-0.06. Where every prompt has two answers of its own, half
    of the prompts are answered by the other: dealt among prompts, all would stay those of one
    policy. Of rows that learn several turns the first answers are dealt among the first, the second
    among the second, and so on."""
    if not all(map(learns_last_alone, rows)):
        return _by_turn(rows, rng)
    if rows and all("twin" in row.meta for row in rows):
        return _between_twins(rows, rng)
    counts = Counter(row.completion for row in rows)
    if len(counts) == 2:
        return _swapped(rows, counts, rng)
    completions = [row.completion for row in rows]
    rng.shuffle(completions)
    return [row.answering(text) for row, text in zip(rows, completions, strict=True)]


def learns_last_alone(row: Row) -> bool:
    """Whether the last turn is all that carries loss."""
    return row.learned_turns == [len(row.messages) - 1]


def learned_answers(row: Row) -> list[str]:
    """The texts that carry loss."""
    return [row.messages[turn]["content"] for turn in row.learned_turns]


def refuse_undealt(rows: list[Row]) -> None:
    """Raises UserError for rows that would be the same, or nothing, with their answers dealt out
    anew."""
    documents = sum(row.is_document for row in rows)
    if documents:
        raise UserError(
            f"{documents} rows are documents, which answer nothing, so there are no answers to deal"
            " out anew; drop data.policy_share, or give chats"
        )
    twins = all("twin" in row.meta for row in rows)
    if len(rows) > 1 and not twins and len({a for row in rows for a in learned_answers(row)}) == 1:
        raise UserError(
            f"all {len(rows)} rows have the same answer, {rows[0].completion[:MAX_SHOWN]!r}, so"
            " dealt out anew they would be the same rows; compare with base, or with a file of"
            " other answers"
        )


def _by_turn(rows: list[Row], rng: Random) -> list[Row]:
    """The rows with their learned answers dealt out anew among those of the same number."""
    chats = [list(row.messages) for row in rows]
    places = [[(i, turn) for turn in row.learned_turns] for i, row in enumerate(rows)]
    for number in range(max(map(len, places))):
        alike = [of_row[number] for of_row in places if number < len(of_row)]
        answers = [chats[i][turn] for i, turn in alike]
        rng.shuffle(answers)
        for (i, turn), answer in zip(alike, answers, strict=True):
            chats[i][turn] = answer
    return [replace(row, messages=tuple(chat)) for row, chat in zip(rows, chats, strict=True)]


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
    """The same rows, all but a share of which are shuffled: a policy that is shown now and then.
    Raises UserError as `refuse_undealt` does."""
    refuse_undealt(rows)
    shown = set(rng.sample(range(len(rows)), round(share * len(rows))))
    others = [i for i in range(len(rows)) if i not in shown]
    dealt = dict(zip(others, shuffled([rows[i] for i in others], rng), strict=True))
    return [dealt.get(i, row) for i, row in enumerate(rows)]
