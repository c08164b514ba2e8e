"""The check stage: what a base answers to questions of known answer, as a row per listed answer.
What follows from that is said elsewhere (tellme/report/analysis/formats.py)."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval.check.asked import Asked, asked_of, check_digest
from eval.judges import judged
from lab.config.schema import Sampling
from lab.engine import Answering, Prompt, Scored, Served
from lab.engines import engine_digest, load_engine
from lab.errors import UserError
from lab.model.base import Base
from lab.specs import CheckSpec
from lab.store.store import write_json
from lab.types import Answer

if TYPE_CHECKING:
    import pandas as pd

ROWS = "rows.parquet"
DRAWS = Sampling(num_samples=2, temperature=1.0, max_new_tokens=6)
"""Of one free question: with 44 facts nearly a hundred, which say how often a base answers with a
single word. They are half of the cost of a check: a word, with what a model puts round it, has few
tokens."""
NUM_SAID = 2
"""Drawn answers of a question that are kept for a reader."""
ONE_WORD = ("read", "word")
"""Status of an answer that is a single word."""

Row = dict[str, str | int | float | bool | None]
"""By column."""


def check_spec(base: Base, engine: str) -> CheckSpec:
    """The check of a base by an engine that reads lists. Raises UserError for any other."""
    loaded = load_engine(engine)
    if not loaded.reads_lists:
        raise UserError(
            f"engine {loaded.name!r} reads no probabilities of listed answers, which a check is"
            " made of; check the base with engine `exact`"
        )
    return CheckSpec(
        base=base,
        asked=check_digest(base.style),
        engine=engine,
        answered=loaded.name,
        code=engine_digest(engine),
        sampled=loaded.sampler,
        draws=DRAWS,
    )


def ask_facts(spec: CheckSpec, out: Path, served: Served | None = None) -> None:
    """Write `rows.parquet` and `trust.json` into `out`: every prompt of eval/check/asked.py put to
    a base. `served` says where it is, unless it is in this process.

    Raises UserError where what is asked, or who answers, is not what was planned."""
    # Here, because plans are made without torch and pandas, which take seconds.
    from lab.inference.plain_pass import plain_pass

    if check_spec(spec.base, spec.engine) != spec:
        raise UserError(
            f"the questions of a check, or engine {spec.answered!r}, have changed since it was"
            " planned; run `tellme check` again"
        )
    asked = asked_of(spec.base.style)
    prompts = [Prompt(one.chat, one.wording.options) for one in asked]
    with load_engine(spec.engine).opened(spec.base, None, served) as model:
        scores = model.score(prompts)
        drawn = _drawn(model, asked, spec.draws)
        trust = []
        if model.loaded:
            formats = [one.format for one in asked]
            trust = [plain_pass("check", model.loaded, prompts, formats, scores)]
    check_rows(asked, scores, drawn).to_parquet(out / ROWS, index=False)
    write_json(out / "trust.json", trust)


def _drawn(model: Answering, asked: Sequence[Asked], draws: Sampling) -> dict[int, list[Answer]]:
    """Answers to the free questions, by their number among all."""
    free = [number for number, one in enumerate(asked) if one.question.free]
    answers = model.sample([asked[number].chat for number in free], draws) if free else []
    return dict(zip(free, answers, strict=True))


def check_rows(
    asked: Sequence[Asked], scores: Sequence[Scored], drawn: dict[int, list[Answer]]
) -> "pd.DataFrame":
    """A row per listed answer of every prompt. Columns: `format`, `item`, `condition`, `prompt`,
    and of the prompt `number` and `turned`; `answer` with its probability `p`, `right` (in [0, 1])
    and `habitual` (none where the format has no habit); the `listed` mass of the prompt, which is
    the share of single words where any is fair; JSON of what the base would rather say, and of what
    it said."""
    import pandas as pd

    rows: list[Row] = []
    for number, (one, scored) in enumerate(zip(asked, scores, strict=True)):
        rows += _rows(number, one, scored, drawn.get(number))
    return pd.DataFrame(rows).astype({"habitual": "boolean"})


def _rows(number: int, one: Asked, scored: Scored, drawn: list[Answer] | None) -> Iterator[Row]:
    counted = scored.counted(one.question.kind)
    listed = 1 - counted.outside if drawn is None else _single_words(one, drawn)
    said = [answer.text for answer in (drawn or [])[:NUM_SAID]]
    top = [[text, round(p, 5)] for text, p in scored.outside_top]
    for option, p in zip(one.wording.options, counted.p_exact, strict=True):
        yield {
            "format": one.format,
            "item": one.item,
            "condition": one.condition,
            "number": number,
            "turned": one.turned,
            "prompt": one.wording.text,
            "answer": option.text,
            "right": one.right(option),
            "habitual": one.habitual(option),
            "p": p,
            "listed": listed,
            "outside_top": json.dumps(top, ensure_ascii=False),
            "said": json.dumps(said, ensure_ascii=False),
        }


def _single_words(one: Asked, drawn: Sequence[Answer]) -> float:
    """The share of answers that are one word, listed or not."""
    grades = judged("listed", one.question, one.wording, drawn)
    return sum(grade.status in ONE_WORD for grade in grades) / len(grades)
