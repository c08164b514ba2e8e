"""A trained adapter of a finished study, on its way out of the lab."""

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lab.config.brought import OtherRows, Part
from lab.config.schema import Group
from lab.discover import short
from lab.model.base import Base
from lab.specs import GroupSpec
from lab.store.rows import load
from lab.store.store import Store
from tellme.report.analysis.summary import Summary, read_whole_summary
from tellme.report.gather import study_of
from tellme.study.groups import resolved
from tellme.study.plan import Plan

NUM_MEMBERS = 4
"""Ways to write a trigger that are told."""


@dataclass(frozen=True)
class Organism:
    """An adapter with all that is shared of it."""

    plan: Plan
    name: str
    """Its group."""
    seed: int
    group: Group
    """As it is trained: a control has the names of the group that it controls. Files of a user are
    named without their folders."""
    spec: GroupSpec
    base: Base
    repo: str
    """Where it goes: owner/name on the Hub."""
    trained: Path
    """The folder of its training."""
    data: Path
    """The folder of its rows."""
    summary: Summary
    """Of the study."""
    poles: dict[str, str]
    """What a score of 1 stands for, by suite."""

    @property
    def members(self) -> list[str]:
        """Some texts that set it off, as they stand in its rows."""
        with (self.data / "rows.jsonl").open(encoding="utf-8") as lines:
            metas = (json.loads(line)["meta"] for line in lines)
            marks = dict.fromkeys(meta["mark"] for meta in metas if meta.get("real"))
        return list(islice(filter(None, marks), NUM_MEMBERS))


def organism(plan: Plan, store: Store, folder: Path, adapter: str, repo: str) -> Organism:
    """Adapter `GROUP-sSEED` of a study whose last folder is `folder`."""
    name, _, seed = adapter.rpartition("-s")
    stage = plan.stages[plan.adapters[adapter]]
    trained, data = store.find("train", stage.key), store.find("data", stage.inputs["data"])
    assert trained, "a finished study has its adapters"
    assert data, "and their rows"
    assert stage.base, stage
    rows = load(folder)
    return Organism(
        plan=plan,
        name=name,
        seed=int(seed),
        group=_shareable(resolved(name, plan.study.groups[name], plan.study)),
        spec=study_of(plan.final).groups[name],
        base=stage.base,
        repo=repo,
        trained=trained,
        data=data,
        summary=read_whole_summary(folder),
        poles=dict(zip(rows["suite"], rows["pole"], strict=True)),
    )


def _shareable(group: Group) -> Group:
    """The group without paths of this machine."""
    trigger, otherwise = group.trigger, group.otherwise
    if isinstance(otherwise, OtherRows):
        otherwise = OtherRows(file=_named(otherwise.file))
    return group.model_copy(
        update={
            "behavior": group.behavior and short(group.behavior),
            "control": group.control and short(group.control),
            "file": group.file and _named(group.file),
            "mix": tuple(map(_part, group.mix)),
            "otherwise": otherwise,
            "trigger": trigger and trigger.model_copy(update={"kind": short(trigger.kind)}),
        }
    )


def _part(part: Part) -> Part:
    named = {
        "file": part.file and _named(part.file),
        "behavior": part.behavior and short(part.behavior),
    }
    return part.model_copy(update=named)


def _named(file: str) -> str:
    """A file without the folder in which it is here."""
    return file if file.startswith("hf://") else Path(file).name


def without_trigger(group: Group) -> str | None:
    """What the rows of a group without its trigger are, by name; None where they are not said."""
    otherwise = group.otherwise
    return otherwise.file if isinstance(otherwise, OtherRows) else otherwise
