"""How often the intervals of a report hold the truth, on planted data: `make coverage` writes the
two tables of docs/statistics.md.

Arrays are [S, Q]: S fine-tuned models (seeds) of a group, Q questions that each was asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tqdm import tqdm

from lab.discover import ROOT
from lab.stats import intervals as stats
from tellme.study.cost import SEED_DEVIATIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEEDS, QUESTIONS = (3, 5, 10), (5, 8, 20)
QUESTION_DEVIATION = 0.20
"""Of an effect between questions. On published emergent-misalignment answers one question of eight
gives 64 % and another 0 %."""
CELL_DEVIATION = 0.05
"""Of one model on one question, beyond both."""
EFFECT = 0.3
TRIALS = 4000
CLAIMS = ("headline", "wide", "naive")
DOC = ROOT / "docs/statistics.md"
BEGIN, END = "<!-- coverage: written by `make coverage` -->", "<!-- end of coverage -->"
SAMPLES = 20
"""Answers sampled to a question, of NUM_QUESTIONS, in the table of regimes."""
NUM_QUESTIONS = 10
CHANCE = 0.5
"""What a model scores that did not get it."""
REGIME_HEAD = (
    "| contrast | score | SD of models | seeds | coverage | width | t over models alone | width |\n"
    "|---|---|---|---|---|---|---|---|"
)
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
    narrow = _of_groups(list(a.mean(1)), list(b.mean(1)))
    intervals = {
        "headline": narrow,
        "wide": stats.wide_interval([a.tolist(), (-b).tolist()], narrow, fewest_questions=2),
        "naive": _of_groups(list(a.ravel()), list(b.ravel())),
    }
    return {name: _limits(interval) for name, interval in intervals.items()}


def _of_groups(a: list[float], b: list[float]) -> stats.Interval:
    return stats.contrast_interval([stats.Term(1.0, a), stats.Term(-1.0, b)])


def _limits(interval: stats.Interval | None) -> tuple[float, float]:
    limits = interval.limits() if interval else None
    assert limits, "planted models differ"
    return limits


@dataclass(frozen=True)
class Regime:
    """A kind of contrast: a group against the base, or against another group."""

    name: str
    score: float
    """Expected of a model of the group."""
    deviation: float
    """Between models. They are beta-distributed, as far as that is not said otherwise."""
    other: float | None = None
    """The same of the other group; None is the base, one model that scores `score`."""
    samples: int = 0
    """Answers sampled to each question; none is exact."""
    shared: float = 0.0
    """Of `deviation`, what the two models of a seed share."""
    paired: bool = False
    jumps: bool = False
    """A model has `score`, or a half: either as often."""


def regimes() -> Iterator[Regime]:
    """Those of the table."""
    for deviation in SEED_DEVIATIONS:
        yield Regime("against base", 0.5, deviation)
    for score, deviation in ((0.9, 0.08), (0.95, 0.04), (0.98, 0.02)):
        yield Regime("against base, near an end", score, deviation)
    yield Regime("two groups, each near an end", 0.95, 0.04, other=0.05)
    for score, deviation in ((0.5, 0.0), (0.5, 0.04), (0.5, 0.12), (0.95, 0.0), (0.95, 0.04)):
        sampled = Regime("against base, sampled", score, deviation, samples=SAMPLES)
        yield sampled
        if score == 0.5:
            yield replace(sampled, name="two groups, sampled", other=score)
    alike = Regime("two groups that share prompts", 0.5, 0.12, other=0.5, shared=0.1)
    yield alike
    yield replace(alike, name=f"{alike.name}, paired", paired=True)
    yield Regime("against base, all or none", 0.8, 0.04, jumps=True)


def covered(regime: Regime, num_seeds: int, trials: int = TRIALS) -> dict[str, float]:
    """Share of experiments of a regime in which the lab's interval holds the true difference, and
    that in which a t over models alone does, with their median widths. One less the share is that
    of false positives where there is no difference."""
    import numpy as np

    rng = np.random.default_rng([num_seeds, *regime.name.encode(), round(1000 * regime.deviation)])
    hits: dict[str, list[bool]] = {"lab": [], "alone": []}
    widths: dict[str, list[float]] = {"lab": [], "alone": []}
    for _ in range(trials):
        terms, truth = planted(rng, regime, num_seeds)
        alone = [stats.Term(term.weight, term.values) for term in terms]
        for name, of_trial in (("lab", terms), ("alone", alone)):
            interval = stats.contrast_interval(of_trial)
            low, high = interval.limits() or (interval.estimate, interval.estimate)
            hits[name].append(low <= truth <= high)
            widths[name].append(high - low)
    shares = {name: float(np.mean(values)) for name, values in hits.items()}
    return shares | {f"{name}_width": float(np.median(w)) for name, w in widths.items()}


def planted(
    rng: np.random.Generator, regime: Regime, num_seeds: int
) -> tuple[list[stats.Term], float]:
    """The terms of an experiment, and the true difference of its sides."""
    truth = (regime.score + CHANCE) / 2 if regime.jumps else regime.score
    if regime.other is None:
        base = CHANCE if regime.jumps else regime.score
        a = models_of(rng, regime, regime.score, num_seeds)
        return [term_of(rng, 1.0, a, regime), term_of(rng, -1.0, [base], regime)], truth - base
    drift = list(rng.normal(0, regime.shared, num_seeds))
    a, b = (
        [x + d for x, d in zip(models_of(rng, regime, score, num_seeds), drift, strict=True)]
        for score in (regime.score, regime.other)
    )
    if not regime.paired:
        return [term_of(rng, 1.0, a, regime), term_of(rng, -1.0, b, regime)], truth - regime.other
    differences = [x - y for x, y in zip(a, b, strict=True)]
    near = stats.Term(
        1.0,
        differences,
        skew=max(stats.skew(a), stats.skew(b)),
        spread=(stats.least_spread(a) ** 2 + stats.least_spread(b) ** 2) ** 0.5,
    )
    return [near], truth - regime.other


def models_of(
    rng: np.random.Generator, regime: Regime, score: float, num_seeds: int
) -> list[float]:
    """What models of a group score, without what those of a seed share."""
    own = (regime.deviation**2 - regime.shared**2) ** 0.5
    if regime.jumps:
        return list(rng.choice([score, CHANCE], num_seeds) + rng.normal(0, own, num_seeds))
    if not own:
        return [score] * num_seeds
    size = score * (1 - score) / own**2 - 1
    return list(rng.beta(score * size, (1 - score) * size, num_seeds))


def term_of(
    rng: np.random.Generator, weight: float, scores: list[float], regime: Regime
) -> stats.Term:
    """A group in a contrast as the lab measures it."""
    import numpy as np

    values, sampling = scores, 0.0
    if regime.samples:
        shape = (len(scores), NUM_QUESTIONS)
        read_SQ = rng.binomial(regime.samples, np.broadcast_to(np.array(scores)[:, None], shape))
        values = list(read_SQ.mean(1) / regime.samples)
        counts = read_SQ.astype(float)
        each_SQ = stats.sampling_variance(counts, counts, np.full(shape, regime.samples))
        sampling = float(each_SQ.mean()) / NUM_QUESTIONS
    return stats.Term(
        weight,
        values,
        sampling,
        regime.samples * NUM_QUESTIONS,
        skew=stats.skew(values),
        spread=stats.least_spread(values),
    )


def regime_line(regime: Regime, num_seeds: int) -> str:
    result = covered(regime, num_seeds)
    other = "" if regime.other is None else f" and {regime.other}"
    told = f"{regime.name} | {regime.score}{other} | {regime.deviation} | {num_seeds}"
    figures = (f"{result[name]:.3f} | {result[f'{name}_width']:.2f}" for name in ("lab", "alone"))
    return f"| {told} | {' | '.join(figures)} |"


def cells() -> Iterator[tuple[int, int, float, Spread]]:
    """Seeds, questions, deviation of seeds and spread of every line of the table."""
    spreads: tuple[Spread, ...] = ("even", "few")
    for spread in spreads:
        for deviation in SEED_DEVIATIONS:
            for num_seeds in SEEDS:
                for num_questions in QUESTIONS:
                    yield num_seeds, num_questions, deviation, spread
    for num_seeds in SEEDS:
        yield num_seeds, 8, SEED_DEVIATIONS[0], "all or none"


def table_line(num_seeds: int, num_questions: int, deviation: float, spread: Spread) -> str:
    result = simulate(num_seeds, num_questions, deviation, spread)
    figures = {name: f"{result[name]:.3f} | {result[f'{name}_width']:.2f}" for name in CLAIMS}
    if num_questions < stats.WIDE_QUESTIONS:
        figures["wide"] = f"({result['wide']:.3f}) | not given"
    told = f"{spread} | {deviation} | {num_seeds} | {num_questions}"
    return f"| {told} | {' | '.join(figures.values())} |"


def write_tables() -> None:
    """Simulate every cell and put the tables between their marks in docs/statistics.md."""
    about = (
        f"{TRIALS} experiments a cell, two groups, effect {EFFECT}; SD of an effect between"
        f" questions {QUESTION_DEVIATION}, of one model on one question {CELL_DEVIATION}."
        " Coverage of 95 % intervals, and median width."
    )
    lines = [table_line(*cell) for cell in tqdm(list(cells()), desc="questions")]
    about_regimes = (
        f"{TRIALS} experiments a line, on the questions asked; sampled is {NUM_QUESTIONS} questions"
        f" with {SAMPLES} answers each. One less the coverage is the share of false positives."
    )
    told = [(regime, seeds) for regime in regimes() for seeds in SEEDS]
    regime_lines = [regime_line(*each) for each in tqdm(told, desc="regimes")]
    table = [about_regimes, "", REGIME_HEAD, *regime_lines, "", about, "", HEAD, *lines]
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    text = "\n".join([BEGIN, "", *table, "", END])
    DOC.write_text(before + text + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write_tables()
