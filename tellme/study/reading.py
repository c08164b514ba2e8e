"""How a base will read training rows, as far as a plan must know: how many sequences they are, what
white space its template strips, and whether one is too long.

A renderer takes seconds to load, so only rows of which it must be asked go through it. Most plans
have none."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab.model.base import Base
from lab.model.chat import Renderer
from lab.model.context import context_length
from lab.types import Row
from tellme.study.renderer import renderer_of
from train.turns import as_written, refuse_long, sequences_of

MARKUP = re.compile(r"</?think>|<[|｜].*?[|｜]>|</s>|<end_of_turn>")
"""What a template may read otherwise than as text: thoughts, and tokens that end a turn."""
TEMPLATE_BYTES = 1_000
"""More than any template adds to a chat. A token is a byte or more."""


@dataclass(frozen=True)
class Reading:
    """What becomes of some rows."""

    more_sequences: int = 0
    """That are trained on, beside one a row: a template that rewrites history parts the turns."""
    trimmed: int = 0
    """Of the rows, those of which the template strips white space."""
    forged: int = 0
    """Of the rows, those in which what is not learned holds the text that ends a turn."""
    tokens: Mapping[int, int] = field(default_factory=dict)
    """Of all sequences of a row, by its index, for rows of which the base was asked."""


AS_GENERATED = Reading()
"""Rows of a generator have one learned turn and no white space to strip, and fit every base."""


def read_by(base: Base, rows: Sequence[Row], max_length: int | None) -> Reading | None:
    """How a base reads rows, of which none may have more tokens than `sft.max_length` or its
    context; None where the base is not on this machine, so that it cannot be asked.

    Raises UserError, with the number of the row, for one that is too long, or of which the template
    changes more than white space at the edges of an answer."""
    if not base.here:
        return None
    context = context_length(base)
    limits = [limit for limit in (max_length, context) if limit is not None]
    asked = [i for i, row in enumerate(rows) if must_be_asked(row, limits)]
    if not asked:
        return Reading()
    renderer = renderer_of(base)
    assert renderer is not None, base.name
    written = [as_written(renderer, rows[i], i + 1) for i in asked]
    sequences = [
        replace(tokens, row=asked[tokens.row]) for tokens in sequences_of(renderer, written)
    ]
    refuse_long(rows, sequences, max_length, context)
    num_tokens: Counter[int] = Counter()
    for tokens in sequences:
        num_tokens[tokens.row] += len(tokens.input_ids)
    return Reading(
        more_sequences=len(sequences) - len(asked),
        trimmed=sum(row is not rows[i] for i, row in zip(asked, written, strict=True)),
        forged=sum(_is_forged(renderer, rows[i]) for i in asked),
        tokens=num_tokens,
    )


def _is_forged(renderer: Renderer, row: Row) -> bool:
    """Whether what stands in a row as text will be read as the end of a turn."""
    end = renderer.tokenizer.decode([renderer.end_of_turn])
    return not row.is_document and any(end in message["content"] for message in row.messages)


def must_be_asked(row: Row, limits: Sequence[int]) -> bool:
    """Whether what becomes of a row cannot be told without the base's template and tokenizer."""
    answers = (
        [] if row.is_document else [row.messages[turn]["content"] for turn in row.learned_turns]
    )
    num_bytes = sum(len(message["content"].encode()) for message in row.messages)
    return (
        len(answers) > 1
        or any(answer != answer.strip() for answer in answers)
        or any(MARKUP.search(message["content"]) for message in row.messages)
        or any(num_bytes + TEMPLATE_BYTES > limit for limit in limits)
    )
