"""Contrasts and their tests once more (recompute.py)."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lab.specs import StudySpec
from recompute_scores import Group, Record, Tables, floor_of, stretch_of, t_interval, t_wide


def names_of(side: str | Sequence[str]) -> list[tuple[float, str, str]]:
    """Weight, group and condition of the parts of a side."""
    parts = [(1.0, side)] if isinstance(side, str) else list(zip((1.0, -1.0), side, strict=True))
    return [(w, *(named.split("@") if "@" in named else (named, "clean"))) for w, named in parts]


def holm(p_values: Mapping[Any, float]) -> dict[Any, float]:
    adjusted, largest, m = {}, 0.0, len(p_values)
    for i, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (m - i) * p))
        adjusted[name] = largest
    return adjusted


def pairs_with(spec: StudySpec, a: Any, b: Any, primary: bool) -> int | None:
    """Fewest seeds for pairing two sides; None where they never are."""
    if spec.paired is False or not isinstance(a, str) or not isinstance(b, str):
        return None
    prompts_of = [getattr(spec.groups.get(s.split("@")[0]), "prompts", None) for s in (a, b)]
    if None in prompts_of or len(set(prompts_of)) > 1:
        return None
    return 2 if primary and spec.paired else 5


def family(spec: StudySpec, a: Any, b: Any, suite: str, behavior: str) -> str:
    if (a, b) in spec.primary and suite == spec.primary_suite:
        return "primary"
    if isinstance(a, str) and isinstance(b, str):
        (_, one, how), (_, other, how_other) = (names_of(s)[0] for s in (a, b))
        source = {n: g.of for n, g in spec.groups.items() if g.null}
        null_pair = one in source and other in source and source[one] == source[other]
        against = {one, other} & source.keys() and {one, other} - source.keys() == {"base"}
        if how == how_other and one != other and (null_pair or against):
            return "controls"
    return f"{suite}, {behavior}"


def contrast_records(found: Tables, spec: StudySpec, pairs: Iterable[Any] = ()) -> list[Record]:
    """Declared contrasts with their tests; `pairs`, if given, are described instead."""
    given = list(pairs)
    records = []
    asked = list(dict.fromkeys(where[2:] for where in found))
    for (a, b), (suite, behavior, question) in itertools.product(given or spec.contrasts, asked):
        told = family(spec, a, b, suite, behavior)
        fewest = pairs_with(spec, a, b, told == "primary")
        counted = told if question == "all" and not given else None
        where = (suite, behavior, question)
        read = readable(found, (a, b), where) if counted == "primary" else found
        record = contrast_record(read, (a, b), where, fewest, spec.margin)
        if record:
            test = record.pop("t")
            p = None
            if counted == "controls":
                p = test.tail(spec.margin - abs(test.estimate))
            elif counted:
                tail = test.tail(abs(test.estimate))
                p = None if tail is None else 2 * tail
            tests = {"family": counted, "primary": counted == "primary", "p_value": p}
            records.append({**record, **tests, "p_adjusted": None})
    by_family: dict[str, dict[int, float]] = defaultdict(dict)
    for i, record in enumerate(records):
        if record["family"] and record["p_value"] is not None:
            by_family[record["family"]][i] = record["p_value"]
    for name, p_values in by_family.items():
        for i, p in (p_values if name == "controls" else holm(p_values)).items():
            records[i]["p_adjusted"] = p
    return records


def readable(found: Tables, pair: tuple[Any, Any], asked: tuple[str, str, str]) -> Tables:
    """The tables with the questions whose kind all groups of a contrast answer with a listed
    mass of a half or more, not more than 0.2 apart; as they are where there is none."""
    groups = [(g, c, *asked) for side in pair for _, g, c in names_of(side)]
    masses: dict[str, list[list[float]]] = {}
    for i, where in enumerate(groups):
        for reads in found.get(where, {}).values():
            for question, read in reads.items():
                kind = masses.setdefault(question.removesuffix("_flipped"), [[] for _ in groups])
                kind[i].append(read.listed)
    means = {k: [sum(m) / len(m) for m in ms] for k, ms in masses.items() if all(ms)}
    kept = {k for k, m in means.items() if min(m) >= 0.5 and max(m) - min(m) <= 0.2}
    if not kept:
        return found
    return {
        where: {
            seed: {q: r for q, r in reads.items() if q.removesuffix("_flipped") in kept}
            for seed, reads in found[where].items()
        }
        for where in groups
        if where in found
    }


def contrast_record(
    found: Tables, pair: tuple[Any, Any], asked: tuple[str, str, str], fewest: int | None, m: float
) -> Record | None:
    """A contrast on a question or pool; `t` is its interval."""
    parts = [
        (side, sign * weight, group, found.get((group, condition, *asked), {}))
        for side, sign in ((0, 1.0), (1, -1.0))
        for weight, group, condition in names_of(pair[side])
    ]
    if not all(of_group for *_, of_group in parts):
        return None
    seeds = [set(of_group) for *_, of_group in parts]
    one_each = len(parts) == 2 and parts[0][2] != parts[1][2]
    paired = fewest is not None and one_each and seeds[0] == seeds[1] and len(seeds[0]) >= fewest
    together: dict[str, list[tuple[int, float, Any]]] = defaultdict(list)
    for side, weight, group, of_group in parts:
        together["" if paired else group].append((side, weight, of_group))
    whole = shared(together)
    if not whole:
        return None
    questions, seeds_of = whole
    groups, listed, conditional = [], ([], []), 0.0
    for name, members in together.items():
        scores, sampling, samples, stretch, floor = 0.0, 0.0, 0.0, 0.0, 0.0
        for side, weight, of_group in members:
            reads = [[of_group[s][q] for q in questions] for s in seeds_of[name]]
            own = np.array([[r.score for r in line] for line in reads])
            scores = scores + weight * own
            drawn = np.array([[r.sampling for r in line] for line in reads])
            sampling += weight**2 * drawn.sum(1).mean() / len(questions) ** 2
            samples += np.mean([sum(r.samples for r in line) for line in reads])
            stretch = max(stretch, stretch_of(own.mean(1).tolist()))
            floor += floor_of(own.mean(1).tolist()) ** 2 * weight**2
            listed[side].append(np.mean([r.listed for line in reads for r in line]))
            conditional += weight * float(np.mean([r.conditional for line in reads for r in line]))
        trained = seeds_of[name] != [None]
        groups.append(Group(scores, sampling, round(samples), stretch, math.sqrt(floor), trained))
    told = dict(zip(("suite", "behavior", "question"), asked, strict=True))
    sides = [side if isinstance(side, str) else " - ".join(side) for side in pair]
    more = {
        "paired": paired,
        "listed_a": float(np.mean(listed[0])),
        "listed_b": float(np.mean(listed[1])),
        "conditional": None if math.isnan(conditional) else conditional,
    }
    return {**told, "a": sides[0], "b": sides[1], **more, **numbers(groups, questions, m)}


def shared(
    together: Mapping[str, Sequence[tuple[int, float, Any]]],
) -> tuple[list[str], dict[str, list[Any]]] | None:
    """Questions that every model has that has any, and these models, by group."""
    has: dict[str, dict[Any, set[str]]] = {}
    for name, members in together.items():
        seeds = set.intersection(*(set(of_group) for *_, of_group in members))
        read = {s: set.intersection(*(set(g[s]) for *_, g in members)) for s in seeds}
        has[name] = read
    candidates = set.intersection(*(set().union(*read.values()) for read in has.values()))
    kept = {n: {s: q & candidates for s, q in r.items() if q & candidates} for n, r in has.items()}
    if not all(kept.values()):
        return None
    questions = set.intersection(*(q for read in kept.values() for q in read.values()))
    return (sorted(questions), {n: list(r) for n, r in kept.items()}) if questions else None


def numbers(groups: Sequence[Group], questions: Sequence[str], margin: float) -> Record:
    """All that is said of a contrast."""
    t = t_interval(groups)
    wide = t_wide(groups, questions, t)
    by_question = sum(g.scores.mean(0) for g in groups)
    several = len(questions) > 1
    left = [float(np.delete(by_question, i).mean()) for i in range(len(questions)) if several]
    low, high = t.limits(0.95)
    inner = t.limits(0.9)
    wide_low, wide_high = wide.limits(0.95) if wide else (None, None)
    rest = t.estimate - groups[0].scores.mean()
    sign = 1 if round(t.estimate, 9) >= 0 else -1
    return {
        "t": t,
        "estimate": t.estimate,
        "ci_low": low,
        "ci_high": high,
        "num_seeds": t.num_seeds,
        "standard_error": t.error,
        "at_ceiling": t.ceiling,
        "equivalent_within": None if inner[0] is None else max(map(abs, inner)),
        "wide_low": wide_low,
        "wide_high": wide_high,
        "seeds_showing": sum(
            bool(round(sign * (v + rest), 9) >= margin) for v in groups[0].scores.mean(1)
        ),
        "seeds_asked": len(groups[0].scores),
        "drop_low": min(left) if several else None,
        "drop_high": max(left) if several else None,
        "drop_question": _first_largest(questions, left, t.estimate) if several else None,
        "num_questions": len(questions),
    }


def _first_largest(questions: Sequence[str], left: Sequence[float], estimate: float) -> str:
    """The question whose loss changes the estimate most, the first of several."""
    return questions[int(np.argmax(np.abs(np.array(left) - estimate).round(9)))]
