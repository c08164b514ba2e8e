"""What a verdict looks at, all as contrasts: what models do, say of themselves, say of others, and
say of traits that no row shows."""

from typing import Literal

import pandas as pd

from lab.config.primary import Side
from lab.table import Bounds
from tellme.report.analysis.contrasts import Described, written
from tellme.report.analysis.measurable import kind_of, measurable, of_side
from tellme.report.analysis.reasons import (
    PLACEBO,
    Primary,
    controls_of,
    in_place,
    matched,
    null_of,
    trained,
)
from tellme.report.analysis.validity import trait_of

Kind = Literal["does", "says", "control", "others", "unrelated"]


class Evidence(Bounds):
    """A contrast that a verdict looks at."""

    kind: Kind
    label: str
    """What it is over: kinds of question, a trait."""
    suite: str
    a: str
    b: str
    estimate: float
    at_ceiling: bool
    """The models of a group do not differ, so there is no interval."""
    num_seeds: int
    models: list[float]
    """Of every fine-tuned model of the first side, less the mean of the other; empty where a side
    is a difference itself."""


def evidence(primary: Primary, pool: pd.DataFrame) -> list[Evidence]:
    """Every line of the figure of a verdict, those of a kind together. `pool` are the questions of
    the primary that can be read."""
    suite, a, b = trained(primary)
    found = []
    if suite is not None and b is not None:
        found.append(_shown("does", suite, primary, primary.of_trained(suite), a, b))
    kinds = f"{_number_of_kinds(pool)} kinds of question"
    found.append(_shown("says", kinds, primary, pool, primary.a, primary.b))
    for one, control in _controls(primary):
        asked = measurable(pool, one, control)
        kinds = f"{_number_of_kinds(asked)} kinds of question"
        found.append(_shown("control", kinds, primary, asked, one, control))
    if primary.spec.of_self:
        _, others = matched(primary, pool)
        kinds = f"{_number_of_kinds(others)} kinds of question"
        found.append(_shown("others", kinds, primary, others, primary.a, primary.b))
        asked = primary.measurable(PLACEBO)
        for trait, part in asked.groupby(trait_of(asked), sort=False):
            found.append(_shown("unrelated", str(trait), primary, part, primary.a, primary.b))
    return [one for one in found if one is not None]


def _controls(primary: Primary) -> list[tuple[Side, Side]]:
    """Beside the primary, contrasts with controls in which nothing was to be learned: of both sides
    where models speak of themselves."""
    both = primary.a, primary.b
    if not primary.spec.of_self:
        pairs = [(primary.a, in_place(primary.a, name)) for name in controls_of(primary)]
    elif null := null_of(primary):
        pairs = [(side, in_place(side, null)) for side in (primary.a, primary.b)]
    else:
        pairs = []
    return [(one, null) for one, null in pairs if one != null and (one, null) != both]


def _number_of_kinds(questions: pd.DataFrame) -> int:
    return questions["question"].map(kind_of).nunique()


def _shown(
    kind: Kind, label: str, primary: Primary, asked: pd.DataFrame, a: Side, b: Side
) -> Evidence | None:
    found: Described | None = primary.contrast(asked, a, b) if len(asked) else None
    if found is None:
        return None
    return {
        "kind": kind,
        "label": label,
        "suite": asked["suite"].iloc[0],
        "a": written(a),
        "b": written(b),
        "estimate": found["estimate"],
        "ci_low": found["ci_low"],
        "ci_high": found["ci_high"],
        "at_ceiling": found["at_ceiling"],
        "num_seeds": found["num_seeds"],
        "models": _by_model(asked, a, b),
    }


def _by_model(asked: pd.DataFrame, a: Side, b: Side) -> list[float]:
    if not (isinstance(a, str) and isinstance(b, str)):
        return []
    other = of_side(asked, b)["score"].mean()
    return (of_side(asked, a).groupby("seed")["score"].mean() - other).dropna().tolist()
