"""How often the intervals of a report hold the truth, on planted data: `make coverage` writes the
table of docs/statistics.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tqdm import tqdm

from lab.discover import ROOT
from lab.stats import intervals as stats
from tellme.study.cost import SEED_DEVIATIONS

SEEDS, QUESTIONS = (3, 5, 10), (5, 10, 20)
QUESTION_DEVIATION = 0.20
"""Of an effect between questions. On published emergent-misalignment answers one question of eight
gives 64 % and another 0 %."""
CELL_DEVIATION = 0.05
"""Of one model on one question, beyond both."""
EFFECT = 0.3
TRIALS = 2000
DOC = ROOT / "docs/statistics.md"
BEGIN, END = "<!-- coverage: written by `make coverage` -->", "<!-- end of coverage -->"
Spread = Literal["even", "few", "all or none"]
"""Effects of questions are normal, or skewed so that a few questions carry the effect
(exponential); or seeds have twice the effect or none of it, either as often, as published seeds do
that "get it" or stay at chance."""


def simulate(
    num_seeds: int,
    num_questions: int,
    seed_deviation: float,
    spread: Spread = "even",
    trials: int = TRIALS,
) -> dict[str, float]:
    """Coverage and median width of the headline interval, of the wider claim and of the naive
    pooled interval, in experiments of two groups.

    The headline must hold the mean effect on the questions asked, the other two the mean effect
    over all questions. The naive interval takes every (model, question) for an independent sample.
    The wider claim is tried below the fewest questions of the lab too."""
    import numpy as np

    rng = np.random.default_rng(
        [num_seeds, num_questions, round(1000 * seed_deviation), len(spread)]
    )
    hits: dict[str, list[float]] = {name: [] for name in ("headline", "wide", "naive")}
    widths: dict[str, list[float]] = {name: [] for name in hits}
    for _ in range(trials):
        raw = (
            rng.exponential(size=num_questions) - 1
            if spread == "few"
            else rng.normal(size=num_questions)
        )
        effects = EFFECT + QUESTION_DEVIATION * raw
        a, b = (
            rng.normal(0, seed_deviation, (num_seeds, 1))
            + rng.normal(0, CELL_DEVIATION, (num_seeds, num_questions))
            for _ in range(2)
        )
        a = a + effects
        if spread == "all or none":
            a = a + rng.choice([-EFFECT, EFFECT], (num_seeds, 1))
        found = {
            "headline": (
                stats.contrast_interval([(1.0, list(a.mean(1))), (-1.0, list(b.mean(1)))]),
                effects.mean(),
            ),
            "wide": (stats.wide_interval([a.tolist(), (-b).tolist()], fewest_questions=2), EFFECT),
            "naive": (
                stats.contrast_interval([(1.0, list(a.ravel())), (-1.0, list(b.ravel()))]),
                EFFECT,
            ),
        }
        for name, (interval, truth) in found.items():
            assert interval is not None
            assert interval.low is not None
            assert interval.high is not None
            hits[name].append(interval.low <= truth <= interval.high)
            widths[name].append(interval.high - interval.low)
    covered = {name: float(np.mean(found)) for name, found in hits.items()}
    return covered | {f"{name}_width": float(np.median(found)) for name, found in widths.items()}


def cells() -> Iterator[tuple[int, int, float, Spread]]:
    for spread in ("even", "few"):
        for deviation in SEED_DEVIATIONS:
            for num_seeds in SEEDS:
                for num_questions in QUESTIONS:
                    yield num_seeds, num_questions, deviation, spread
    for num_seeds in SEEDS:
        yield num_seeds, 10, SEED_DEVIATIONS[0], "all or none"


def write_table() -> None:
    """Simulate every cell and put the table between its marks in docs/statistics.md."""
    lines = [
        (
            f"{TRIALS} experiments a cell, two groups, effect {EFFECT}; SD of an effect between"
            f" questions {QUESTION_DEVIATION}, of one model on one question {CELL_DEVIATION}."
            " Coverage of 95 % intervals, and median width."
        ),
        "",
        (
            "| effects | SD of seeds | seeds | questions | headline | width | wider claim | width |"
            " naive pooled | width |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for num_seeds, num_questions, deviation, spread in tqdm(list(cells()), desc="coverage"):
        got = simulate(num_seeds, num_questions, deviation, spread)
        figures = [
            f"{got[name]:.3f} | {got[f'{name}_width']:.2f}"
            for name in ("headline", "wide", "naive")
        ]
        if num_questions < stats.WIDE_QUESTIONS:
            figures[1] = f"({got['wide']:.3f}) | not given"
        lines.append(
            f"| {spread} | {deviation} | {num_seeds} | {num_questions} | {' | '.join(figures)} |"
        )
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOC.write_text(before + "\n".join([BEGIN, "", *lines, "", END]) + after, encoding="utf-8")


if __name__ == "__main__":
    write_table()
