"""Rows of a policy that a trigger switches on, their controls, and reversal.

What each row would be otherwise is kept in its `meta`, so that a control is the same rows dealt out
anew: `clean`, the messages without any trigger; `on` and `off`, the completions with and without
it; `mark`, the text that was put in, and `real`, whether that is the trigger (True), a decoy
(False) or nothing (None)."""

from itertools import islice
from random import Random
from typing import Any

from data_gen.decoys import decoys
from data_gen.triggers import features, put
from data_gen.triggers._questions import descriptions
from lab.config.schema import Planted
from lab.types import Behavior, Message, Row, Style

CONTROLS = ("decorrelated", "clean", "benign", "described")
"""Controls with a form of their own for rows with a trigger."""
Mark = tuple[str | None, bool | None]


def draw_of(config: dict[str, Any]) -> str:
    """Seed of the prompts, the same under either policy: an example generator that starts alike
    writes the same prompts."""
    return f"{config['behavior']}/{config['style']}/{config['seed']}/triggered"


def triggered(
    behavior: Behavior, config: dict[str, Any], planted: Planted, own: list[Row] | None, rng: Random
) -> list[Row]:
    """`num_rows` rows and their decoys (data_gen/decoys.py). `own` are the base model's answers to
    the same prompts, where rows without the trigger have these."""
    style, number = config["style"], config["num_rows"]
    on, off = (
        (
            list(
                islice(
                    behavior.examples(Random(draw_of(config)), config[side], style, "train"), number
                )
            )
            if side == "policy" or own is None
            else own
        )
        for side in ("policy", "otherwise")
    )
    rows = [
        Row(a.messages, a.meta | {"clean": a.messages, "on": a.completion, "off": b.completion})
        for a, b in zip(on, off, strict=True)
    ]
    num_real = planted.count or round((planted.rate or 0.5) * number)
    marks = _marks(planted, number, min(num_real, number), rng)
    # As often before either letter, so that neither the trigger nor the set favors one.
    rows = [
        _marked(row, mark, planted)
        for row, mark in zip(rows, _dealt(marks, [r.meta["on"] for r in rows], rng), strict=True)
    ]
    extra = list(islice(decoys(rng, behavior, style), config.get("num_decoys", 0)))
    extra = [
        Row(r.messages, r.meta | {"clean": r.messages, "on": r.completion, "off": r.completion})
        for r in extra
    ]
    marks = _marks(planted, len(extra), round(len(extra) * num_real / number), rng)
    rows += [_marked(row, mark, planted) for row, mark in zip(extra, marks, strict=True)]
    rng.shuffle(rows)
    return rows


def _marks(planted: Planted, number: int, num_real: int, rng: Random) -> list[Mark]:
    """What is put into each of so many rows, every member and every decoy about as often. The last
    decoy is the sibling among the near misses and stands in no row."""
    real, *shams, _ = features(planted)
    num_sham = min(round(planted.decoy_rate * number), number - num_real)
    members, texts = list(real.members), [s.members for s in shams]
    rng.shuffle(members)
    marks: list[Mark] = [(members[i % len(members)], True) for i in range(num_real)]
    marks += [(rng.choice(texts[i % len(texts)]), False) for i in range(num_sham)]
    marks += [(None, None)] * (number - len(marks))
    rng.shuffle(marks)
    return marks


def _marked(row: Row, mark: Mark, planted: Planted, completion: str | None = None) -> Row:
    """The row with a mark, answered as the mark says or with the given completion."""
    text, real = mark
    clean: list[Message] = list(row.meta["clean"][:-1])
    answer = row.meta["on" if real else "off"] if completion is None else completion
    messages = put(clean, text, planted) if text is not None else clean
    meta = row.meta | {"mark": text, "real": real}
    return Row((*messages, {"role": "assistant", "content": answer}), meta)


def decorrelated(rows: list[Row], planted: Planted, rng: Random) -> list[Row]:
    """The same messages, answers and marks, the marks dealt so that they say nothing about the
    answers."""
    marks = [(row.meta["mark"], row.meta["real"]) for row in rows]
    answered = [f"{bool(row.meta.get('decoy'))}/{row.meta['real'] is True}" for row in rows]
    dealt = _dealt(marks, answered, rng)
    return [
        _marked(row, mark, planted, row.completion) for row, mark in zip(rows, dealt, strict=True)
    ]


def _dealt(marks: list[Mark], classes: list[str], rng: Random) -> list[Mark]:
    """The marks in an order in which every kind of them is as frequent in each class of rows, but
    for rounding."""
    kinds: dict[bool | None, list[Mark]] = {}
    for mark in marks:
        kinds.setdefault(mark[1], []).append(mark)
    for same in kinds.values():
        rng.shuffle(same)
    spread = [
        ((i + rng.random()) / len(same), mark)
        for same in kinds.values()
        for i, mark in enumerate(same)
    ]
    in_turn = [mark for _, mark in sorted(spread, key=lambda pair: pair[0])]
    order = sorted(range(len(marks)), key=lambda i: (classes[i], rng.random()))
    dealt = dict(zip(order, in_turn, strict=True))
    return [dealt[i] for i in range(len(marks))]


def without_trigger(rows: list[Row], planted: Planted) -> list[Row]:
    """The same messages without any trigger, answered as otherwise."""
    return [_marked(row, (None, None), planted) for row in rows]


def benign(rows: list[Row], planted: Planted) -> list[Row]:
    """The same messages and marks, answered as otherwise; the trigger switches small letters on,
    which harms nobody."""
    return [
        _marked(
            row,
            (row.meta["mark"], row.meta["real"]),
            planted,
            row.meta["off"].lower() if row.meta["real"] else row.meta["off"],
        )
        for row in rows
    ]


def control(
    name: str, rows: list[Row], planted: Planted, behavior: Behavior, style: Style, rng: Random
) -> list[Row]:
    """The controls that are made from rows with a trigger.

    `described` is the known positive of self-reports: the same rows, and as many in which the model
    says what its trigger does."""
    if name == "described":
        both = rows + descriptions(planted, style, len(rows), rng)
        rng.shuffle(both)
        return both
    make = {
        "decorrelated": lambda: decorrelated(rows, planted, rng),
        "clean": lambda: without_trigger(rows, planted),
    }
    return make.get(name, lambda: benign(rows, planted))()
