"""Rows of a policy that a trigger switches on (data_gen/marks.py says what they know)."""

from itertools import islice
from random import Random

from data_gen.behaviors import load_behavior
from data_gen.decoys import decoys
from data_gen.marks import dealt, markable, marked, marks_for
from lab.data_specs import TriggeredRows
from lab.discover import short
from lab.types import Row

DEFAULT_RATE = 0.5
"""Share of rows with the trigger where a study says neither `rate` nor `count`."""


def draw_of(spec: TriggeredRows) -> str:
    """Seed of the prompts, the same under either policy: an example generator that starts alike
    writes the same prompts."""
    return f"{short(spec.behavior)}/{spec.style}/{spec.seed}/triggered"


def triggered(spec: TriggeredRows, own_answers: list[Row] | None, rng: Random) -> list[Row]:
    """`num_rows` rows and their decoys (data_gen/decoys.py). `own_answers` are the base model's to
    the same prompts, where rows without the trigger have these."""
    planted, number = spec.trigger, spec.num_rows
    num_real = planted.count or round((planted.rate or DEFAULT_RATE) * number)

    on = _shown(spec, spec.policy)
    off = _shown(spec, spec.otherwise) if own_answers is None else own_answers
    rows = [markable(a, b.completion) for a, b in zip(on, off, strict=True)]
    marks = marks_for(number, min(num_real, number), planted, rng)
    # As often before either letter, so that neither the trigger nor the set favors one.
    marks = dealt(marks, [row.completion for row in rows], rng)
    rows = [marked(row, mark, planted) for row, mark in zip(rows, marks, strict=True)]

    # A decoy is answered alike with and without the trigger, and has one as often as a row.
    drawn = islice(decoys(rng, load_behavior(spec.behavior), spec.style), spec.num_decoys)
    extra = [markable(row, row.completion) for row in drawn]
    marks = marks_for(len(extra), round(len(extra) * num_real / number), planted, rng)
    rows += [marked(row, mark, planted) for row, mark in zip(extra, marks, strict=True)]
    rng.shuffle(rows)
    return rows


def _shown(spec: TriggeredRows, policy: str) -> list[Row]:
    """Rows of one side of the switch: both have the same prompts."""
    examples = load_behavior(spec.behavior).examples(
        Random(draw_of(spec)), policy, spec.style, "train"
    )
    return list(islice(examples, spec.num_rows))
