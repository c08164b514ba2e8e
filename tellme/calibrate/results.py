"""What a calibration found, from the measurements of its studies."""

from dataclasses import dataclass
from typing import TypedDict

import pandas as pd

from lab.specs import StudySpec
from lab.store.store import Store
from lab.store.trust import refuse_untrusted
from tellme.calibrate.faults import Fault, trust_faults, validity_faults
from tellme.calibrate.nulls import NullRecord, false_positives
from tellme.calibrate.signs import Sign, sign
from tellme.report.analysis.contrasts import ContrastRecord, contrast_estimates
from tellme.report.analysis.dose import PAIR, DoseRecord, directions_of, instrumented, pairs
from tellme.report.analysis.scores import per_question, per_wording
from tellme.report.analysis.validity import battery
from tellme.report.figures.tables import sweep_table
from tellme.report.gather import (
    Measurement,
    baselines,
    gather_rows,
    gather_trust,
    measurements,
    study_of,
)
from tellme.study.plan import Plan
from tellme.study.reference import LINKS


class Detected(TypedDict):
    """A contrast at a dose, beside what three models a side would find."""

    suite: str
    key: str
    value: str
    estimate: float
    limit: float | None
    """None where the pool leaves none to be had."""
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


class Calibration(TypedDict):
    """What `calibration.json` has."""

    signs: list[Sign]
    false_positives: list[NullRecord]
    faults: list[Fault]
    dose: list[DoseRecord]
    detected: list[Detected]
    models: list[FineTuned]


@dataclass(frozen=True)
class Measured:
    """A study of the calibration and its scores at every level."""

    plan: Plan
    cells: list[Measurement]
    rows: pd.DataFrame
    wordings: pd.DataFrame
    questions: pd.DataFrame

    @property
    def spec(self) -> StudySpec:
        """What its report would be about."""
        return study_of(self.plan.final)

    @property
    def contrasts(self) -> list[ContrastRecord]:
        """The study's contrasts."""
        return contrast_estimates(self.questions, self.spec)


def results(plans: dict[str, Plan], store: Store, num_nulls: int) -> Calibration:
    """What `calibration.json` holds. Raises TrustError where a trust check failed in a study
    without a planted fault."""
    studies = {name: _measured(plan, store) for name, plan in plans.items()}
    dose, faults = studies["dose"], studies["faults"]
    nulls = false_positives(studies["nulls"].questions, "shuffled", num_nulls)
    models = pairs(dose.questions, directions_of(dose.spec.groups), dose.spec.points)
    of_base = baselines(faults.cells, faults.spec.groups)
    # Without shuffled controls: the checks that are there for these faults need none.
    checks = battery(faults.wordings, faults.rows, of_base, {})
    return {
        "signs": [record for name in LINKS for record in _signs(name, studies[f"signs-{name}"])],
        "false_positives": nulls,
        "faults": [*trust_faults(faults.plan, store), *validity_faults(checks)],
        "dose": instrumented(models, dose.spec.points),
        "detected": detected(dose, {record["suite"]: record["detectable"] for record in nulls}),
        "models": _fine_tuned(models),
    }


def _measured(plan: Plan, store: Store) -> Measured:
    cells = measurements(study_of(plan.final), store)
    refuse_untrusted(gather_trust(cells), allow=False)
    rows = gather_rows(cells)
    wordings = per_wording(rows)
    return Measured(plan, cells, rows, wordings, per_question(wordings))


def _signs(model: str, study: Measured) -> list[Sign]:
    """The pooled contrasts of what a reference model does and of what it says, with their signs."""
    return [
        sign(model, contrast)
        for contrast in study.contrasts
        if contrast["question"] == "all" and contrast["suite"] in ("behavior", "self_report")
    ]


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
