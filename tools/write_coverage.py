"""How often the intervals of a report hold the truth, on planted data: `make coverage` writes the
table of docs/statistics.md.

Arrays are [S, Q]: S fine-tuned models (seeds) of a group, Q questions that each was asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from tqdm import tqdm

from lab.discover import ROOT
from lab.stats import intervals as stats
from tellme.study.cost import SEED_DEVIATIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEEDS, QUESTIONS = (3, 5, 10), (5, 10, 20)
QUESTION_DEVIATION = 0.20
"""Of an effect between questions. On published emergent-misalignment answers one question of eight
gives 64 % and another 0 %."""
CELL_DEVIATION = 0.05
"""Of one model on one question, beyond both."""
EFFECT = 0.3
TRIALS = 2000
CLAIMS = ("headline", "wide", "naive")
DOC = ROOT / "docs/statistics.md"
BEGIN, END = "<!-- coverage: written by `make coverage` -->", "<!-- end of coverage -->"
HEAD = (
    "| effects | SD of seeds | seeds | questions"
    " | headline | width | wider claim | width | naive pooled | width |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
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
    """Coverage of each of CLAIMS, and its median width as `CLAIM_width`, in experiments of two
    groups.

    The headline must hold the mean effect on the questions asked, the other two the mean effect
    over all questions. The naive interval takes every (model, question) for an independent sample.
    The wider claim is tried below the fewest questions of the lab too."""
    import numpy as np

    rng = np.random.default_rng(
        [num_seeds, num_questions, round(1000 * seed_deviation), len(spread)]
    )
    hits: dict[str, list[bool]] = {name: [] for name in CLAIMS}
    widths: dict[str, list[float]] = {name: [] for name in CLAIMS}
    for _ in range(trials):
        a, b, asked = experiment(rng, num_seeds, num_questions, seed_deviation, spread)
        truths = {"headline": asked, "wide": EFFECT, "naive": EFFECT}
        for name, (low, high) in claims(a, b).items():
            hits[name].append(low <= truths[name] <= high)
            widths[name].append(high - low)
    covered = {name: float(np.mean(hits[name])) for name in CLAIMS}
    return covered | {f"{name}_width": float(np.median(widths[name])) for name in CLAIMS}


def experiment(
    rng: np.random.Generator,
    num_seeds: int,
    num_questions: int,
    seed_deviation: float,
    spread: Spread,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Scores [S, Q] of a group with the effect and of one without, and the mean effect on the
    questions asked."""
    if spread == "few":
        raw = rng.exponential(size=num_questions) - 1
    else:
        raw = rng.normal(size=num_questions)
    effects = EFFECT + QUESTION_DEVIATION * raw  # [Q]
    a, b = (
        rng.normal(0, seed_deviation, (num_seeds, 1))
        + rng.normal(0, CELL_DEVIATION, (num_seeds, num_questions))
        for _ in range(2)
    )
    a = a + effects
    if spread == "all or none":
        # Added to EFFECT: a model has twice the effect, or none of it.
        a = a + rng.choice([-EFFECT, EFFECT], (num_seeds, 1))
    return a, b, float(effects.mean())


def claims(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    """Low and high end of each of CLAIMS, from the scores [S, Q] of two groups."""
    intervals = {
        "headline": stats.contrast_interval([(1.0, list(a.mean(1))), (-1.0, list(b.mean(1)))]),
        "wide": stats.wide_interval([a.tolist(), (-b).tolist()], fewest_questions=2),
        "naive": stats.contrast_interval([(1.0, list(a.ravel())), (-1.0, list(b.ravel()))]),
    }
    ends = {}
    for name, interval in intervals.items():
        assert interval is not None
        assert interval.low is not None
        assert interval.high is not None
        ends[name] = (interval.low, interval.high)
    return ends


def cells() -> Iterator[tuple[int, int, float, Spread]]:
    """Seeds, questions, deviation of seeds and spread of every line of the table."""
    spreads: tuple[Spread, ...] = ("even", "few")
    for spread in spreads:
        for deviation in SEED_DEVIATIONS:
            for num_seeds in SEEDS:
                for num_questions in QUESTIONS:
                    yield num_seeds, num_questions, deviation, spread
    for num_seeds in SEEDS:
        yield num_seeds, 10, SEED_DEVIATIONS[0], "all or none"


def table_line(num_seeds: int, num_questions: int, deviation: float, spread: Spread) -> str:
    result = simulate(num_seeds, num_questions, deviation, spread)
    figures = {name: f"{result[name]:.3f} | {result[f'{name}_width']:.2f}" for name in CLAIMS}
    if num_questions < stats.WIDE_QUESTIONS:
        figures["wide"] = f"({result['wide']:.3f}) | not given"
    told = f"{spread} | {deviation} | {num_seeds} | {num_questions}"
    return f"| {told} | {' | '.join(figures.values())} |"


def write_table() -> None:
    """Simulate every cell and put the table between its marks in docs/statistics.md."""
    about = (
        f"{TRIALS} experiments a cell, two groups, effect {EFFECT}; SD of an effect between"
        f" questions {QUESTION_DEVIATION}, of one model on one question {CELL_DEVIATION}."
        " Coverage of 95 % intervals, and median width."
    )
    lines = [table_line(*cell) for cell in tqdm(list(cells()), desc="coverage")]
    table = "\n".join([BEGIN, "", about, "", HEAD, *lines, "", END])
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    DOC.write_text(before + table + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write_table()
