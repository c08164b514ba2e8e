"""A study in a notebook: read it, see what it would do, run it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import yaml

from lab.config import read
from lab.config.schema import Study
from lab.errors import UserError, unknown
from lab.store.store import Store
from tellme.report.result import Result
from tellme.study.cost import costs
from tellme.study.overview import plan_text
from tellme.study.plan import Plan
from tellme.study.planner import make_plan
from tellme.study.run import run_plan
from tellme.study.show import group_names, row_text

if TYPE_CHECKING:
    import pandas as pd


def load_study(config: str, replaced: Mapping[str, object] | None = None) -> LoadedStudy:
    """The study of a YAML, with values `replaced` by their keys, as by `--set KEY=YAML`. Raises
    UserError for a mistake in either."""
    sets = [f"{key}={_as_yaml(value)}" for key, value in (replaced or {}).items()]
    return LoadedStudy(read.load_study(config, sets))


def _as_yaml(value: object) -> str:
    """On one line, as the command line takes it."""
    return yaml.safe_dump(value, default_flow_style=True, width=sys.maxsize).removesuffix("\n...\n")


@dataclass(frozen=True)
class LoadedStudy:
    """A study as its YAML says it."""

    config: Study

    def plan(self, online: bool = True) -> LoadedPlan:
        """What would be done for it. `online` lets the Hub be asked for a base that is not in the
        cache; raises UserError for what cannot be planned."""
        return LoadedPlan(make_plan(self.config, online))


@dataclass(frozen=True)
class LoadedPlan:
    """What is to be done for a study."""

    plan: Plan

    def __str__(self) -> str:
        return plan_text(self.plan, self._store)

    def cost(self) -> pd.DataFrame:
        """A row per adapter to train: group, key, rows, steps of the optimizer, tokens."""
        import pandas as pd

        return pd.DataFrame([asdict(cost) for cost in costs(self.plan)])

    def show(self, group: str) -> None:
        """Print a training row of a group as the model reads it, with what is learned between >>>
        and <<<."""
        names = group_names(self.plan)
        if group not in names:
            raise unknown("group", group, names)
        print(row_text(self.plan, group))

    def run(self, workers: int = 1, allow_untrusted: bool = False) -> Result:
        """Do what is missing, in so many processes, and return what came out; what is finished is
        not done again. Raises TrustError where a trust check failed."""
        if workers < 1:
            raise UserError(f"workers is {workers}; give 1 or more")
        run = self.plan.study.run.model_copy(update={"workers": workers})
        self.plan.study = self.plan.study.model_copy(update={"run": run})
        return Result(run_plan(self.plan, self._store, allow_untrusted))

    @property
    def _store(self) -> Store:
        return Store(self.plan.study.run.dir)
