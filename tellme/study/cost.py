"""What a plan will cost: rows, tokens and optimizer steps per adapter, before a GPU is spent."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data_gen.facts import is_format_row
from lab.model.base import Base
from lab.specs import Stage, StudySpec, TrainSpec, groups_in
from lab.stats.intervals import LEVEL
from lab.stats.power import detectable
from lab.types import Row
from tellme.report.analysis.families import CONTROLS, PRIMARY, Pair, family_of, fewest_pairs
from tellme.study.plan import Plan
from tellme.study.reading import Reading
from train.job import num_steps, steps_per_epoch
from train.turns import count_turns

FEW_STEPS = 200
"""Below about this many optimizer steps published replications found nothing."""
CHARACTERS_PER_TOKEN = 4
"""Of English under the tokenizers of today's models, where the base's own is not here."""
SEED_DEVIATIONS = (0.04, 0.12)
"""Standard deviation of a score between fine-tuned models: of the reference models, and the most
that was published (weird generalization, old bird names, 23 seeds: 12 points)."""
SAMPLE = 64
"""Rows of either kind whose tokens are counted: those of a kind are of one length, near enough."""


@dataclass(frozen=True)
class Cost:
    """What an adapter costs."""

    group: str
    key: str
    rows: int
    num_format: int
    """Of the rows, those that teach formats of answer."""
    learned: int
    """Turns of the assistant's that carry loss."""
    turns: int
    """All turns of the assistant's. A document is one."""
    documents: int
    trimmed: int | None
    """Of the rows, those of which the base's template strips white space; None where the base is
    not here."""
    forged: int | None
    """Of the rows, those in which what is not learned holds the text that ends a turn of the base;
    None as before."""
    steps: int
    """Of the optimizer."""
    tokens: int
    """Of every pass over the rows: estimated from a sample of them, by the base's own tokenizer
    where it is here."""

    @property
    def few(self) -> bool:
        """Whether published replications found nothing after so few steps."""
        return self.steps < FEW_STEPS


@dataclass(frozen=True)
class Detectable:
    """The differences that a contrast of two groups can find."""

    contrast: str
    seeds: str
    tested: str
    """As what: `primary`, or a secondary of so many."""
    effects: list[float | None]
    """The smallest that is found with a power of 80 %, for every spread of fine-tuned models in
    SEED_DEVIATIONS: beyond zero, of the primary beyond its margin. None where a side is one model
    only."""


def costs(plan: Plan) -> list[Cost]:
    """One for each adapter to train."""
    return [
        _cost(stage, stage.spec, plan)
        for stage in plan.stages.values()
        if isinstance(stage.spec, TrainSpec)
    ]


def detectable_effects(plan: Plan) -> list[Detectable]:
    """One for each contrast of two groups and each way in which it is tested: as the primary, and
    as a secondary in the largest family that it belongs to. Controls are tested for equivalence and
    have no part."""
    spec = plan.final.spec
    assert isinstance(spec, StudySpec)
    sizes = _family_sizes(spec)
    largest: dict[tuple[Pair, bool], int] = {}
    for pair, family in sizes:
        key = pair, family == PRIMARY
        largest[key] = max(largest.get(key, 0), sizes[pair, family])
    return [
        _detectable(plan, spec, pair, primary, size)
        for pair in spec.contrasts
        for (other, primary), size in largest.items()
        if other == pair
    ]


def _family_sizes(spec: StudySpec) -> dict[tuple[Pair, str], int]:
    """Tests in each family of differences, by each contrast of two groups in it."""
    asked: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for cell in spec.cells:
        asked.setdefault((cell.suite, cell.behavior), set()).add((cell.group, cell.condition))
    members: dict[str, list[Pair]] = {}
    for pair in spec.contrasts:
        for (suite, behavior), models in asked.items():
            if {model for side in pair for model in groups_in(side)} <= models:
                members.setdefault(family_of(spec, pair, suite, behavior), []).append(pair)
    return {
        (pair, family): len(pairs)
        for family, pairs in members.items()
        for pair in pairs
        if family != CONTROLS and isinstance(pair[0], str) and isinstance(pair[1], str)
    }


def _detectable(
    plan: Plan, spec: StudySpec, pair: Pair, primary: bool, family_size: int
) -> Detectable:
    """The differences that a contrast can find as one of a family."""
    groups = {group for side in pair for group, _ in groups_in(side)}
    seeds = [_num_seeds(plan, group) for group in sorted(groups)]
    counts = sorted((n for n in seeds if n), reverse=True) or [1]
    other = counts[1] if len(counts) > 1 else None
    fewest = fewest_pairs(spec, pair, primary)
    paired = fewest is not None and counts[0] == other and counts[0] >= fewest
    # At worst Holm's method asks of a contrast what Bonferroni's does.
    level = (1 - LEVEL) / family_size
    # A yes takes a difference beyond the margin, not only beyond zero.
    beyond = spec.margin if primary else 0.0
    smallest = [detectable(d, counts[0], other, level, paired) for d in SEED_DEVIATIONS]
    among = f" of {family_size}" if family_size > 1 else ""
    return Detectable(
        contrast=" - ".join(map(str, pair)),
        seeds=" and ".join(map(str, counts)),
        tested=("primary" if primary else "secondary") + among,
        effects=[None if size is None else beyond + size for size in smallest],
    )


def _num_seeds(plan: Plan, group: str) -> int:
    """Models of a group that were fine-tuned; 0 for one that is asked as it is."""
    seeds = {cell.seed for cell in plan.cells if cell.group == group}
    return len(seeds - {None})


def _cost(stage: Stage, spec: TrainSpec, plan: Plan) -> Cost:
    data, sft = stage.inputs["data"], spec.sft
    rows, reading = plan.planned_rows(data), plan.reading(data, spec.base, sft.max_length)
    sequences = len(rows) + (reading.more_sequences if reading else 0)
    steps, turns = num_steps(sequences, sft), count_turns(rows)
    of_format = [row for row in rows if is_format_row(row)]
    return Cost(
        group=plan.names_of(stage),
        key=stage.key,
        rows=len(rows),
        num_format=len(of_format),
        learned=turns.learned,
        turns=turns.of_assistant,
        documents=turns.documents,
        trimmed=reading.trimmed if reading else None,
        forged=reading.forged if reading else None,
        steps=steps,
        tokens=round(
            _tokens_in(rows, spec.base, reading) * steps / steps_per_epoch(sequences, sft)
        ),
    )


def _tokens_in(rows: list[Row], base: Base, reading: Reading | None) -> float:
    """Of a pass over all rows: known of those of which the base was asked."""
    known = reading.tokens if reading else {}
    left = [row for i, row in enumerate(rows) if i not in known]
    kinds = [
        [row for row in left if is_format_row(row) == of_format] for of_format in (True, False)
    ]
    return sum(known.values()) + sum(_tokens_of(kind, base.source) for kind in kinds)


def _tokens_of(rows: list[Row], source: str) -> float:
    """Of rows of like length, by those of a sample."""
    sample = rows[:SAMPLE]
    return len(rows) * sum(_num_tokens(row, source) for row in sample) / max(1, len(sample))


def _num_tokens(row: Row, source: str) -> float:
    text = " ".join(message["content"] for message in row.messages)
    file = Path(source) / "tokenizer.json"
    if not file.is_file():
        return len(text) / CHARACTERS_PER_TOKEN
    return len(_tokenizer(file).encode(text, add_special_tokens=False).ids)


@cache
def _tokenizer(file: Path) -> Any:
    # Not through transformers: that takes seconds to import, and `tellme plan` answers at once.
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file))


def few_steps_warning(plan: Plan) -> str | None:
    """What to know of a plan whose adapters get few optimizer steps."""
    if not any(cost.few for cost in costs(plan)):
        return None
    return (
        f"warning: fewer than {FEW_STEPS} optimizer steps per adapter; published replications on"
        " large models found no self-report there"
    )
