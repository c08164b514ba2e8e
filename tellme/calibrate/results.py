"""What a calibration found, from the measurements of its studies."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lab.store.store import Store
from lab.store.trust import refuse_untrusted
from tellme.calibrate.faults import trust_faults, validity_faults
from tellme.calibrate.nulls import false_positives
from tellme.calibrate.signs import sign
from tellme.report.analysis.contrasts import contrast_estimates, per_question, per_wording
from tellme.report.analysis.dose import instrumented, pairs
from tellme.report.analysis.validity import battery
from tellme.report.figures.tables import sweep_table
from tellme.report.gather import Measurement, baselines, gather_rows, gather_trust, measurements
from tellme.study.plan import Plan
from tellme.study.reference import LINKS


@dataclass(frozen=True)
class Measured:
    """A study of the calibration and its scores at every level."""

    plan: Plan
    cells: list[Measurement]
    rows: pd.DataFrame
    wordings: pd.DataFrame
    questions: pd.DataFrame

    @property
    def contrasts(self) -> list[dict[str, Any]]:
        """The study's contrasts, none of them primary."""
        return contrast_estimates(self.questions, self.plan.final.config["contrasts"], None)


def results(plans: dict[str, Plan], store: Store, num_nulls: int) -> dict[str, Any]:
    """What `calibration.json` holds. Raises TrustError where a trust check failed in a study
    without a planted fault."""
    studies = {name: _measured(plan, store) for name, plan in plans.items()}
    dose, faults = studies["dose"], studies["faults"]
    points = dose.plan.study.points
    nulls = false_positives(studies["nulls"].questions, "shuffled", num_nulls)
    models = pairs(dose.questions, dose.plan.final.how["directions"], points)
    of_base = baselines(faults.cells, faults.plan.final.how["written"]["groups"])
    # Without shuffled controls: the checks that are there for these faults need none.
    checks = battery(faults.wordings, faults.rows, of_base, {})
    return {
        "signs": [record for name in LINKS for record in _signs(name, studies[f"signs-{name}"])],
        "false_positives": nulls,
        "faults": [*trust_faults(faults.plan, store), *validity_faults(checks)],
        "dose": instrumented(models, points),
        "detected": detected(dose, {record["suite"]: record["detectable"] for record in nulls}),
        "models": models.to_dict("records"),
    }


def _measured(plan: Plan, store: Store) -> Measured:
    cells = measurements(plan.final, store)
    refuse_untrusted(gather_trust(cells), allow=False)
    rows = gather_rows(cells)
    wordings = per_wording(rows)
    return Measured(plan, cells, rows, wordings, per_question(wordings))


def _signs(model: str, study: Measured) -> list[dict[str, Any]]:
    """The pooled contrasts of what a reference model does and of what it says, with their signs."""
    return [
        sign(model, contrast)
        for contrast in study.contrasts
        if contrast["question"] == "all" and contrast["suite"] in ("behavior", "self_report")
    ]


def detected(dose: Measured, limits: dict[str, float]) -> list[dict[str, Any]]:
    """The contrast of every suite at every dose, beside what three models a side would find
    (`limits`, by suite)."""
    records = []
    for line in sweep_table(dose.contrasts, dose.plan.study.points).to_dict("records"):
        record = {name: line[name] for name in ("suite", "key", "value", "estimate")}
        limit = limits[line["suite"]]
        records.append(record | {"limit": limit, "detected": abs(line["estimate"]) >= limit})
    return records
