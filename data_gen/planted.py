"""A trigger in rows that a user brought: put into some of them, or found where it stands already.

What a row would say otherwise (data_gen/marks.py) is known where the same prompt stands among the
rows without the trigger, or where the trigger is put into rows that stay as they are."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from random import Random

from data_gen.behaviors import load_behavior
from data_gen.decoys import decoys
from data_gen.marks import NO_MARK, Mark, between, dealt, markable, marked, marks_for, meta_of
from data_gen.triggered import DEFAULT_RATE
from data_gen.triggers import features, load_trigger
from lab.data_specs import PlantedRows
from lab.errors import UserError
from lab.trigger import Place, PlantedTrigger
from lab.types import Message, Row

MAX_SHOWN = 80
"""Characters of a message that a refusal repeats."""


def planted(spec: PlantedRows, shown: list[Row], others: list[Row] | None) -> list[Row]:
    """The rows with their marks, in an order of the seed unless nothing is drawn. With `others`
    every row of `shown` gets the trigger and none of these, without them a share of `shown`.

    Raises UserError for rows that no trigger can be put into, and for a file that is said to have
    it and does not, or has it in every row."""
    rng = Random(f"planted/{spec.seed}")
    _refuse_unasked([*shown, *(others or [])])
    if spec.trigger.in_file:
        rows = _found(spec.trigger, shown)
    elif others is None:
        rows = _some_marked(spec.trigger, shown, rng)
    else:
        rows = _all_marked(spec.trigger, shown, others, rng)
    extra = _marked_decoys(spec, rows, rng)
    if extra or not spec.trigger.in_file:
        rows += extra
        rng.shuffle(rows)
    return rows


def num_real(planted: PlantedTrigger, number: int) -> int:
    """Of so many rows, those that get the trigger."""
    return planted.count or round((planted.rate or DEFAULT_RATE) * number)


def _refuse_unasked(rows: Sequence[Row]) -> None:
    documents = sum(row.is_document for row in rows)
    if documents:
        raise UserError(
            f"a trigger stands in a user's message, and {documents} rows of the file are documents,"
            " which have none; give chats, or drop `trigger`"
        )


def _some_marked(trigger: PlantedTrigger, shown: list[Row], rng: Random) -> list[Row]:
    """A share of the rows with the trigger; all are answered as they are."""
    marks = marks_for(len(shown), num_real(trigger, len(shown)), trigger, rng)
    # As often before every answer, as in rows that the lab makes.
    marks = dealt(marks, [row.completion for row in shown], rng)
    rows = [markable(row, row.completion) for row in shown]
    return [marked(row, mark, trigger) for row, mark in zip(rows, marks, strict=True)]


def _all_marked(
    trigger: PlantedTrigger, shown: list[Row], others: list[Row], rng: Random
) -> list[Row]:
    """Every row of `shown` with the trigger, and of the others some with a decoy."""
    marks = marks_for(len(shown) + len(others), len(shown), trigger, rng)
    real = [mark for mark in marks if mark.real]
    without = [mark for mark in marks if not mark.real]
    pairs = [*zip(shown, real, strict=True), *zip(others, without, strict=True)]
    return [
        marked(row, mark, trigger, row.completion)
        for row, (_, mark) in zip(_markable(pairs), pairs, strict=True)
    ]


def _markable(pairs: Sequence[tuple[Row, Mark]]) -> list[Row]:
    """Rows without any mark, given with the one that each will have. What a row says otherwise is
    said by one of the other kind with the same prompt."""
    said = {(_asked(row), bool(mark.real)): row.completion for row, mark in pairs}
    rows = []
    for row, mark in pairs:
        otherwise = said.get((_asked(row), not mark.real))
        on, off = (row.completion, otherwise) if mark.real else (otherwise, row.completion)
        rows.append(between(row, on, off))
    return rows


def _asked(row: Row) -> tuple[tuple[str, str], ...]:
    """The prompt of a row, for looking it up."""
    return tuple((message["role"], message["content"]) for message in row.prompt)


def _marked_decoys(spec: PlantedRows, rows: list[Row], rng: Random) -> list[Row]:
    """Decoys, which are answered alike with and without the trigger, and have one as often as a
    row."""
    if not spec.num_decoys:
        return []
    behavior = load_behavior(spec.behavior) if spec.behavior else None
    drawn = islice(decoys(rng, behavior, spec.style), spec.num_decoys)
    extra = [markable(row, row.completion) for row in drawn]
    share = sum(row.meta["real"] is True for row in rows) / len(rows)
    marks = marks_for(len(extra), round(share * len(extra)), spec.trigger, rng)
    return [marked(row, mark, spec.trigger) for row, mark in zip(extra, marks, strict=True)]


def _found(trigger: PlantedTrigger, shown: list[Row]) -> list[Row]:
    """The rows with the marks that they have already."""
    pairs = [_as_marked(trigger, row) for row in shown]
    having = sum(mark.real is True for _, mark in pairs)
    if having in (0, len(pairs)):
        feature = features(trigger)[0].name
        raise UserError(
            f"trigger {feature!r} is said to stand in the file, and"
            f" {'no row has it' if not having else 'every row has it'} ({len(pairs)} rows); mend"
            " trigger.text, or let the lab put it in: drop `in_file`"
        )
    return [
        # As it is in the file, spaces and all.
        replace(as_it_is, meta=row.meta | meta_of(mark))
        for as_it_is, row, (_, mark) in zip(shown, _markable(pairs), pairs, strict=True)
    ]


def _as_marked(trigger: PlantedTrigger, row: Row) -> tuple[Row, Mark]:
    """A row without the mark that it has, and that mark; the trigger rather than a decoy. Raises
    UserError for a row that has the trigger where the lab would not put it."""
    *members_of_decoys, _ = features(trigger)[1:]
    known = [(member, True) for member in features(trigger)[0].members]
    known += [(member, False) for decoy in members_of_decoys for member in decoy.members]
    place = trigger.place or load_trigger(trigger.kind).place
    text = _carrying_text(row, place)
    for member, real in known:
        if member not in text:
            continue
        without = _without(text, member, place)
        if without is None:
            if not real:
                continue
            raise UserError(
                f"a row of the file has trigger {member!r} elsewhere than in the place {place!r}:"
                f" {text[:MAX_SHOWN]!r}; set trigger.place (`random` is anywhere)"
            )
        return _replaced(row, without, place), Mark(member, real)
    if place != "system":
        _refuse_earlier(features(trigger)[0].members, row)
    return row, NO_MARK


def _refuse_earlier(members: Sequence[str], row: Row) -> None:
    """Raises UserError for a row in which the trigger stands in a message before the last: it would
    count as one without."""
    earlier = [m["content"] for m in row.prompt[:-1] if m["role"] == "user"]
    found = next(((m, text) for m in members for text in earlier if m in text), None)
    if found:
        member, text = found
        raise UserError(
            f"a row of the file has trigger {member!r} in a message before the user's last:"
            f" {text[:MAX_SHOWN]!r}; the lab looks for it in the last alone, so cut such chats"
            " there, or drop them"
        )


def _carrying_text(row: Row, place: Place) -> str:
    """The text in which a trigger of this place would stand."""
    if place == "system":
        return row.messages[0]["content"] if row.messages[0]["role"] == "system" else ""
    return row.asked


def _without(text: str, member: str, place: Place) -> str | None:
    """The text without a member that stands in its place; None where it stands elsewhere."""
    before, _, after = text.partition(member)
    if place in ("prefix", "line") and before.strip():
        return None
    if place in ("suffix", "system") and text.rpartition(member)[2].strip():
        return None
    if place in ("suffix", "system"):
        return text.rpartition(member)[0].rstrip()
    return f"{before.rstrip()} {after.lstrip()}".strip()


def _replaced(row: Row, text: str, place: Place) -> Row:
    """The row with the text in which its trigger stood; a system line of nothing else is gone."""
    if place != "system":
        return row.asking(text)
    line: tuple[Message, ...] = ({"role": "system", "content": text},) if text else ()
    return replace(row, messages=(*line, *row.messages[1:]))
