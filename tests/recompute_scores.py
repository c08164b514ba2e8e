"""The numbers of a study once more, from its rows and its spec alone: formulas of its own, nothing
of the lab's statistics or of its report. Here scores, intervals and groups."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

Record = dict[str, Any]
Of = tuple[Any, ...]
"""Names of a model and of what it was asked, in the order of PROMPT."""
PROMPT = ("group", "seed", "condition", "suite", "behavior", "question", "kind", "paraphrase")
PROMPT += ("order", "seen", "presupposes")


class Read(NamedTuple):
    """What was read of a model on a prompt, or on average on several."""

    score: float
    conditional: float
    listed: float
    sampling: float
    samples: float


def prompts(rows: pd.DataFrame) -> list[tuple[Record, Read]]:
    """Every prompt put to every model, with what was read there; those without a reading left
    out."""
    answers: dict[Of, list[Record]] = defaultdict(list)
    for row in rows.to_dict("records"):
        row["seed"] = None if pd.isna(row["seed"]) else int(row["seed"])
        answers[tuple(row[name] for name in PROMPT)].append(row)
    found = []
    for names, of_prompt in answers.items():
        read = _prompt(of_prompt)
        if read:
            found.append((dict(zip(PROMPT, names, strict=True)), read))
    return found


def _prompt(answers: list[Record]) -> Read | None:
    # Words drawn beside a list have no probability.
    counted = [a for a in answers if not pd.isna(a["p_exact"])]
    graded = [a for a in counted if not pd.isna(a["score"])]
    text = answers[0]["kind"] == "text"
    if not counted or (text and not graded):
        return None
    outside, conditional = 1.0, math.nan
    if graded:
        total = np.logaddexp.reduce([a["logp"] for a in graded])
        parts = [math.exp(a["logp"] - total) * a["score"] for a in graded]
        outside, conditional = counted[0]["outside"], sum(parts)
    of_list = (1 - outside) * conditional if graded else 0.0
    score = conditional if text else of_list + outside / 2
    sampling, samples = 0.0, 0
    drawn = [a for a in answers if not pd.isna(a.get("sample", math.nan))]
    own = [a for a in (graded if text else counted) if a in drawn]
    if own:
        values = [0.5 if pd.isna(a["score"]) else a["score"] for a in own]
        samples = len(values)
        sampling = float(np.var([*values, 0.0, 1.0])) / samples
    listed = 1 - outside
    if drawn and answers[0]["free"]:
        listed = float(np.mean([a["status"] in ("read", "word") for a in drawn]))
    return Read(score, conditional, listed, sampling, samples)


def average(reads: Sequence[Read]) -> Read:
    """Of independent readings: their means, the sampling variance of their mean, all samples."""
    n = len(reads)
    known = [read.conditional for read in reads if not math.isnan(read.conditional)]
    return Read(
        score=sum(read.score for read in reads) / n,
        conditional=sum(known) / len(known) if known else math.nan,
        listed=sum(read.listed for read in reads) / n,
        sampling=sum(read.sampling for read in reads) / n**2,
        samples=sum(read.samples for read in reads),
    )


Tables = dict[tuple[str, str, str, str, str], dict[int | None, dict[str, Read]]]
"""By group, condition, suite, behavior and name of a question or pool: seed, question, reading."""


def tables(asked: list[tuple[Record, Read]]) -> Tables:
    """Readings of every question and of the pools `all`, `seen`, `unseen`."""
    only = defaultdict(set)
    for names, _ in asked:
        only[names["suite"], names["behavior"]].add(names["presupposes"])
    pooled = [
        (names, read)
        for names, read in asked
        if not names["presupposes"] or False not in only[names["suite"], names["behavior"]]
    ]
    with_seen = {names["suite"] for names, _ in pooled if names["seen"]}
    cells: dict[Of, dict[int | None, dict[str, list[Read]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )

    def put(names: Record, name: str, read: Read) -> None:
        where = tuple(names[key] for key in ("group", "condition", "suite", "behavior"))
        cells[(*where, name)][names["seed"]][names["question"]].append(read)

    for names, read in asked:
        put(names, names["question"], read)
    for names, read in pooled:
        put(names, "all", read)
        if names["suite"] in with_seen:
            put(names, "seen" if names["seen"] else "unseen", read)
    return {
        where: {
            seed: {question: average(reads) for question, reads in of_seed.items()}
            for seed, of_seed in of_group.items()
        }
        for where, of_group in cells.items()
    }


def end_of(values: Sequence[float]) -> float:
    return min(float(np.mean(values)), 1 - float(np.mean(values)))


def floor_of(values: Sequence[float]) -> float:
    d = end_of(values)
    return max(0.0, min(d, 0.03 * (0.1 - d) / 0.07))


def stretch_of(values: Sequence[float]) -> float:
    d = end_of(values)
    return float(np.var(values, ddof=1)) / d**2 if d > 0 and len(values) > 1 else 0.0


class Group(NamedTuple):
    """Models that vary together: weighted scores [seeds][questions], and their errors."""

    scores: np.ndarray
    sampling: float
    samples: float
    stretch: float
    floor: float
    trained: bool


class T(NamedTuple):
    """A t interval; no error where there is none."""

    estimate: float
    error: float | None
    df: float | None
    num_seeds: int
    ceiling: bool = False

    def limits(self, level: float) -> tuple[float | None, float | None]:
        if self.error is None or self.df is None:
            return None, None
        low, high = stats.t.interval(level, self.df, self.estimate, self.error)
        return float(low), float(high)

    def tail(self, distance: float) -> float | None:
        if self.error is None or self.df is None:
            return None
        return float(stats.t.sf(distance / self.error, self.df))


def welch(parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Error and degrees of freedom of a sum of variances."""
    v, df = np.array(list(parts)).T
    total = max(v.sum(), v.max())
    return math.sqrt(total), float(total**2 / (v**2 / df).sum())


def t_interval(groups: Sequence[Group]) -> T:
    means = [g.scores.mean(1) for g in groups]
    estimate = float(sum(m.mean() for m in means))
    several = [(g, m) for g, m in zip(groups, means, strict=True) if len(m) > 1]
    if not several or any(g.trained and len(g.scores) == 1 for g in groups):
        return T(estimate, None, None, 1)
    number = min(len(m) for _, m in several)
    if all(m.std(ddof=1) < 1e-4 for _, m in several) and not any(g.sampling for g, _ in several):
        return T(estimate, None, None, number, True)
    of_models = [
        (max(m.var(ddof=1) * (1 + g.stretch), g.sampling, g.floor**2) / len(m), len(m) - 1)
        for g, m in several
    ]
    alone = [(g.sampling, max(1, g.samples - 1)) for g in groups if len(g.scores) == 1]
    both = [welch(of_models), welch([*of_models, *alone])]
    error, df = max(both, key=lambda b: b[0] * stats.t.ppf(0.975, b[1]))
    return T(estimate, error, df, number)


def t_wide(groups: Sequence[Group], questions: Sequence[str], narrow: T) -> T | None:
    """Of the claim about other questions; a question and its twin are a cluster."""
    names = [q.removesuffix("_flipped") for q in questions]
    clusters = list(dict.fromkeys(names))
    k, n = len(clusters), len(questions)
    if narrow.error is None or k < 8:
        return None
    within = np.array([[name == c for c in clusters] for name in names], dtype=float)
    centered = [
        g.scores.mean(1)[:, None] + (g.scores - g.scores.mean(1)[:, None]) @ within * k / n
        for g in groups
    ]
    parts = [(sum(c.mean(0) for c in centered).var(ddof=1) / k, 0.4 * (k - 1))]
    for c in centered:
        s = len(c)
        if s == 1:
            continue
        parts.append((c.mean(1).var(ddof=1) / s, s - 1))
        rest = c - c.mean(0) - c.mean(1)[:, None] + c.mean()
        df = (s - 1) * (k - 1)
        parts.append((-(rest**2).sum() / df / (s * k), df))
    error, df = welch(parts)
    wide = T(narrow.estimate, error, df, narrow.num_seeds)
    return max((wide, narrow), key=lambda t: t.error * stats.t.ppf(0.975, t.df))


def group_records(found: Tables) -> list[Record]:
    records = []
    for (group, condition, suite, behavior, question), by_seed in found.items():
        models = [average(list(reads.values())) for reads in by_seed.values()]
        scores = np.array([[m.score] for m in models])
        values = scores[:, 0].tolist()
        sampling = float(np.mean([m.sampling for m in models]))
        one = Group(scores, sampling, 0, stretch_of(values), floor_of(values), trained=False)
        interval = t_interval([one])
        low, high = interval.limits(0.95)
        records.append(
            {
                "group": group,
                "condition": condition,
                "suite": suite,
                "behavior": behavior,
                "question": question,
                "estimate": interval.estimate,
                "ci_low": low,
                "ci_high": high,
                "num_seeds": interval.num_seeds,
            }
        )
    return records
