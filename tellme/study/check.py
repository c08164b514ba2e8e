"""`tellme check BASE`: a stage of the run store that is of a base alone."""

from collections.abc import Sequence
from pathlib import Path

from eval.check.answers import check_spec
from lab.config.read import load_model
from lab.model.base import Base, resolve_base
from lab.specs import Stage
from lab.store.store import Store, read_json
from lab.store.trust import Check, refuse_untrusted
from tellme.study.stages import run_stage

ENGINE = "exact"
"""Who answers: a check is made of the probabilities of listed answers."""


def check_stage(base: Base, engine: str = ENGINE) -> Stage:
    """The stage that checks a base. Raises UserError for an engine that reads no lists."""
    # A path such as `.` has no name.
    slug = Path(base.name).name.strip(".") or "base"
    return Stage(slug=slug, spec=check_spec(base, engine))


def check_base(name: str, sets: Sequence[str]) -> Path:
    """The folder of the check of a base, made unless it is there. `sets` are overrides of `model`
    and of `run.dir`. Raises UserError for a base that cannot be had, and TrustError where its
    scores are not those of a plain forward pass."""
    model, run_dir = load_model(name, sets)
    stage, store = check_stage(resolve_base(model, online=True)), Store(run_dir)
    store.check_writable()
    folder = run_stage(stage, store)
    found: list[Check] = read_json(folder / "trust.json")
    refuse_untrusted([{"group": "base", "seed": None, **check} for check in found], allow=False)
    return folder
