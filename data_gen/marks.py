"""Marks: what is put into the message of a row whose policy a trigger switches on.

Such rows know in their `meta` what they would be otherwise, so that a control is the same rows
dealt out anew: `clean`, the messages without any mark; `on` and `off`, the completions with and
without the trigger; `mark` and `real`, the two fields of `Mark`."""

from dataclasses import replace
from random import Random
from typing import NamedTuple

from data_gen.triggers import features, put
from lab.errors import UserError
from lab.trigger import PlantedTrigger
from lab.types import Message, Meta, Row


class Mark(NamedTuple):
    """A text that is put into a message; None is nothing."""

    text: str | None = None
    real: bool | None = None
    """Whether the text is the trigger (True) or a decoy (False)."""


NO_MARK = Mark()
MAX_SHOWN = 80
"""Characters of a prompt that a refusal repeats."""


def markable(row: Row, off: str) -> Row:
    """The row as one that can be marked: it is answered as it is with the trigger, and `off`
    without."""
    return between(row, row.completion, off)


def between(row: Row, on: str | None, off: str | None) -> Row:
    """The row as one that can be marked, where not both answers are known."""
    known: Meta = {"clean": row.messages}
    if on is not None:
        known["on"] = on
    if off is not None:
        known["off"] = off
    return replace(row, meta=row.meta | known)


def answer_of(row: Row, real: bool | None) -> str:
    """How a row that can be marked is answered with the trigger, or without it. Raises UserError
    where that is not known."""
    known = row.meta.get("on") if real else row.meta.get("off")
    if known is None:
        raise UserError(
            f"what the rows say {'with' if real else 'without'} the trigger is not known of"
            f" {row.asked[:MAX_SHOWN]!r}, which stands there in one of the two only: this control"
            " needs every prompt in both; take control decorrelated, or give such rows"
        )
    return known


def meta_of(mark: Mark) -> Meta:
    """What a row knows of its mark."""
    return {"mark": mark.text, "real": mark.real}


def mark_of(row: Row) -> Mark:
    """The mark of a row that `marked` made."""
    return Mark(row.meta["mark"], row.meta["real"])


def marked(row: Row, mark: Mark, planted: PlantedTrigger, completion: str | None = None) -> Row:
    """The row with a mark in place of the one it may have, answered as the mark says or with the
    given completion."""
    clean: list[Message] = list(row.meta["clean"][:-1])
    messages = clean if mark.text is None else put(clean, mark.text, planted)
    if completion is None:
        completion = answer_of(row, mark.real)
    answer: Message = {"role": "assistant", "content": completion}
    # A system line that a mark brings, or takes away, moves the turns that are learned.
    moved = len(messages) + 1 - len(row.messages)
    learned = tuple(turn if turn < 0 else turn + moved for turn in row.learned)
    meta = row.meta | meta_of(mark)
    return replace(row, messages=(*messages, answer), meta=meta, learned=learned)


def marks_for(number: int, num_real: int, planted: PlantedTrigger, rng: Random) -> list[Mark]:
    """A mark for each of so many rows, `num_real` of them the trigger; every member and every decoy
    about as often. Raises UserError where the rows without the trigger are fewer than the decoys
    that are asked for."""
    # The last decoy is the sibling among the near misses, which no row of training may show.
    trigger, *decoys, _ = features(planted)
    wanted, left = round(planted.decoy_rate * number), number - num_real
    # Two shares of one half may be rounded up.
    if wanted > left + 1:
        raise UserError(
            f"trigger.decoy_rate is {planted.decoy_rate:g}, which is {wanted} of {number} rows, and"
            f" {left} have no trigger; lower it, or trigger.count"
        )
    num_decoys = min(wanted, left)
    members = list(trigger.members)
    rng.shuffle(members)
    marks = [Mark(members[i % len(members)], True) for i in range(num_real)]
    for i in range(num_decoys):
        decoy = decoys[i % len(decoys)]
        marks.append(Mark(rng.choice(decoy.members), False))
    marks += [NO_MARK] * (number - len(marks))
    rng.shuffle(marks)
    return marks


def dealt(marks: list[Mark], classes: list[str], rng: Random) -> list[Mark]:
    """The marks in an order in which the trigger, decoys and nothing are as frequent in each class
    of rows, but for rounding. `classes` says of each row in which class it is."""
    spread = _spread(marks, rng)
    # Each class takes a run of the spread marks, and a run holds every kind at its rate.
    by_class = sorted(range(len(marks)), key=lambda row: (classes[row], rng.random()))
    mark_of_row = dict(zip(by_class, spread, strict=True))
    return [mark_of_row[row] for row in range(len(marks))]


def _spread(marks: list[Mark], rng: Random) -> list[Mark]:
    """The marks in an order in which every kind of them recurs at an even pace."""
    kinds: dict[bool | None, list[Mark]] = {}
    for mark in marks:
        kinds.setdefault(mark.real, []).append(mark)
    for same in kinds.values():
        rng.shuffle(same)
    # The i-th of n falls into the i-th of n equal parts of [0, 1], somewhere in it by chance.
    placed: list[tuple[float, Mark]] = []
    for same in kinds.values():
        placed += [((i + rng.random()) / len(same), mark) for i, mark in enumerate(same)]
    placed.sort(key=lambda pair: pair[0])
    return [mark for _, mark in placed]
