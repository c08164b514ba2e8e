"""What a calibration found, from the measurements of its studies."""

from typing import TypedDict

import pandas as pd

from lab.agreed import SELF_REPORT
from lab.store.store import Store
from tellme.calibrate.faults import Fault, trust_faults, validity_faults
from tellme.calibrate.measured import Measured, measure
from tellme.calibrate.signs import KnownVerdict, Sign, known_verdicts, signs
from tellme.calibrate.spread import Spread, spreads
from tellme.calibrate.studies import COUNTED, Tally, tallies
from tellme.report.analysis.dose import PAIR, DoseRecord, directions_of, instrumented, pairs
from tellme.report.analysis.novelty import NoveltyRecord, novelty_contrasts
from tellme.report.figures.tables import sweep_table
from tellme.report.gather import baselines
from tellme.study.plan import Plan
from tellme.study.reference import LINKS

TAUGHT_NOTHING = "shuffled"
"""The group whose spread says from which size on a dose would be found."""


class Detected(TypedDict):
    """A contrast at a dose, beside what three models a side would find."""

    suite: str
    key: str
    value: str
    estimate: float
    limit: float | None
    """None where the nulls leave none to be had."""
    detected: bool


class FineTuned(TypedDict):
    """What a model at a dose does and says."""

    group: str
    family: str
    """The group before the sweep."""
    label: str
    """Of its point."""
    behavior: str
    seed: int
    direction: int
    does: float
    says: float


class Reach(NoveltyRecord):
    """A contrast of a reference model's self-reports over the questions of one novelty."""

    model: str


class Calibration(TypedDict):
    """What `calibration.json` has."""

    signs: list[Sign]
    verdicts: list[KnownVerdict]
    reach: list[Reach]
    tallies: list[Tally]
    spreads: list[Spread]
    """Of the nulls."""
    faults: list[Fault]
    dose: list[DoseRecord]
    detected: list[Detected]
    models: list[FineTuned]


def results(plans: dict[str, Plan], store: Store) -> Calibration:
    """What `calibration.json` holds. Raises TrustError where a trust check failed in a study
    without a planted fault."""
    reference = {name: measure(plans[f"signs-{name}"], store) for name in LINKS}
    counted: list[Tally] = []
    spread: list[Spread] = []
    # One after the other: each has hundreds of models.
    for part in COUNTED:
        many = measure(plans[part], store)
        counted += tallies(part, many.wordings, many.spec)
        spread += spreads(many.questions) if part == "nulls" else []
    dose, faults = measure(plans["dose"], store), measure(plans["faults"], store)
    models = pairs(dose.questions, directions_of(dose.spec.groups), dose.spec.points)
    return {
        "signs": signs(reference),
        "verdicts": known_verdicts(reference),
        "reach": [record for name in LINKS for record in _reach(name, reference[name])],
        "tallies": counted,
        "spreads": spread,
        "faults": [
            *trust_faults(faults.plan, store),
            *validity_faults(
                faults.wordings, faults.rows, baselines(faults.cells, faults.spec.groups)
            ),
        ],
        "dose": instrumented(models, dose.spec.points),
        "detected": detected(dose, _limits(spread)),
        "models": _fine_tuned(models),
    }


def _reach(model: str, study: Measured) -> list[Reach]:
    return [
        {"model": model, **record}
        for record in novelty_contrasts(study.wordings, study.spec)
        if record["suite"] == SELF_REPORT
    ]


def _limits(spread: list[Spread]) -> dict[str, float | None]:
    """By suite what three models a side would find."""
    return {s["suite"]: s["detectable"] for s in spread if s["group"] == TAUGHT_NOTHING}


def _fine_tuned(models: pd.DataFrame) -> list[FineTuned]:
    """A record a model; `models` as from `pairs`."""
    # As records, whose numbers are Python's own and can stand in JSON.
    return [
        {
            "group": model["group"],
            "family": model["family"],
            "label": model["label"],
            "behavior": model["behavior"],
            "seed": model["seed"],
            "direction": model["direction"],
            "does": model["does"],
            "says": model["says"],
        }
        for model in models[PAIR].to_dict("records")
    ]


def detected(dose: Measured, limits: dict[str, float | None]) -> list[Detected]:
    """The contrast of every suite at every dose, beside what three models a side would find
    (`limits`, by suite)."""
    records: list[Detected] = []
    for line in sweep_table(dose.contrasts, dose.spec.points).to_dict("records"):
        limit, estimate = limits[line["suite"]], line["estimate"]
        records.append(
            {
                "suite": line["suite"],
                "key": line["key"],
                "value": line["value"],
                "estimate": estimate,
                "limit": limit,
                "detected": limit is not None and abs(estimate) >= limit,
            }
        )
    return records
