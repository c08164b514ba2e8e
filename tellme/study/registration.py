"""What a plan declares before it measures (lab/store/registration.py)."""

from lab.errors import UserError
from lab.specs import StudySpec
from lab.store.registration import Registration, register
from lab.store.store import Store
from tellme.study.plan import Plan


def register_plan(plan: Plan, store: Store) -> Registration:
    """Write what a study declares into the run store, unless it stands there already. Raises
    UserError where nothing is declared."""
    spec = plan.final.spec
    assert isinstance(spec, StudySpec), plan.final
    if not spec.primary:
        raise UserError(
            f"study {plan.study.study!r} has no `primary`, so there is nothing to register; name"
            " one of its contrasts and a suite: `primary: {contrast: [A, B], suite: self_report}`"
        )
    about = {cell.name: plan.stages[cell.key].inputs["answers"] for cell in spec.cells_of_primary()}
    return register(store.root, plan.study.study, spec.primary_named(), about, plan.declared)
