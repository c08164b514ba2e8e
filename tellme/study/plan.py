"""A plan: the stages of a study in order, and the cells that say which output is whose."""

from dataclasses import dataclass, field
from typing import Any

from data_gen import build
from lab.config.schema import PlantedTrigger, Study
from lab.specs import Cell, Stage
from lab.store.store import make_key
from lab.types import Row


@dataclass
class Plan:
    """What is to be done for a study. It is built once by `make_plan`, and then only read."""

    study: Study
    stages: dict[str, Stage] = field(default_factory=dict)
    """By key, each after those that it reads."""
    cells: list[Cell] = field(default_factory=list)
    triggers: list[PlantedTrigger] = field(default_factory=list)
    """Those that groups have, each feature once."""
    adapters: dict[str, str] = field(default_factory=dict)
    """Key of the train stage by `GROUP-sSEED`; groups that are trained alike share one."""
    notes: dict[str, None] = field(default_factory=dict)
    """What was decided otherwise than the study says, a line each, once and in order."""
    provisional: bool = False
    """A base or an adapter is not on this machine, so that keys are not final."""
    online: bool = False
    """Whether the Hub may be asked for what is not in the cache."""
    rows: dict[str, list[Row]] = field(default_factory=dict)
    """Rows of data stages, once they were asked for."""

    def add(
        self,
        kind: str,
        version: int,
        slug: str,
        config: dict[str, Any],
        inputs: dict[str, str],
        **how: Any,
    ) -> str:
        """The key of a stage, which is added unless there is one: what is asked for twice is made
        once. `config`, the version and the keys of `inputs` are its identity; `how` is not."""
        key = make_key(kind, version, config, sorted(inputs.values()))
        self.stages.setdefault(key, Stage(kind, slug, key, config, inputs, how))
        return key

    def names_of(self, stage: Stage) -> str:
        """What a stage is called on the terminal: every adapter it makes, or its slug."""
        names = [name for name, key in self.adapters.items() if key == stage.key]
        return ", ".join(names) or stage.slug

    @property
    def final(self) -> Stage:
        """The stage of the study itself."""
        return list(self.stages.values())[-1]


def planned_rows(plan: Plan, key: str) -> list[Row]:
    """The rows a data stage will write, made now."""
    if key not in plan.rows:
        stage = plan.stages[key]
        source = next((planned_rows(plan, parent) for parent in stage.inputs.values()), None)
        plan.rows[key] = build.rows_for(stage.config, source, stage.how.get("file"))
    return plan.rows[key]
