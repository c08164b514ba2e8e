"""A trained adapter of a finished study, on its way out of the lab."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.model.base import Base, base_of_record
from lab.store.store import Store, read_json
from tellme.study.facts import GroupFacts, facts_of
from tellme.study.plan import Plan


@dataclass(frozen=True)
class Organism:
    """An adapter with all that is shared of it."""

    plan: Plan
    name: str
    """Its group."""
    seed: int
    facts: GroupFacts
    base: Base
    repo: str
    """Where it goes: owner/name on the Hub."""
    trained: Path
    """The folder of its training."""
    data: Path
    """The folder of its rows."""
    summary: dict[str, Any]
    """Of the study."""


def organism(plan: Plan, store: Store, folder: Path, adapter: str, repo: str) -> Organism:
    """Adapter `GROUP-sSEED` of a study whose last folder is `folder`."""
    name, _, seed = adapter.rpartition("-s")
    stage = plan.stages[plan.adapters[adapter]]
    trained, data = store.find("train", stage.key), store.find("data", stage.inputs["data"])
    assert trained, "a finished study has its adapters"
    assert data, "and their rows"
    return Organism(
        plan=plan,
        name=name,
        seed=int(seed),
        facts=facts_of(plan, name),
        base=base_of_record(stage.how["base"]),
        repo=repo,
        trained=trained,
        data=data,
        summary=read_json(folder / "summary.json"),
    )
