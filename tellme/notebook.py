"""A study in a notebook: read it, see what it would do, run it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from lab.config import read
from lab.config.schema import Study
from lab.errors import UserError, unknown
from lab.store.store import Store
from tellme.report.result import Result
from tellme.running import plan_study, run_study
from tellme.study.cost import costs, few_steps_warning
from tellme.study.overview import plan_text
from tellme.study.plan import Plan
from tellme.study.show import group_names, row_text

if TYPE_CHECKING:
    import pandas as pd


def load_study(config: str | Path, replaced: Mapping[str, object] | None = None) -> LoadedStudy:
    """The study of a YAML, with values `replaced` by their keys, such as `{"data.num_rows": 64}`.
    Paths, and numbers and arrays of numpy, are as good as plain values. Raises UserError for a
    mistake in either."""
    values = {key: _plain(value) for key, value in (replaced or {}).items()}
    return LoadedStudy(read.load_study(str(config), replaced=values))


def _plain(value: object) -> object:
    """A value as YAML would have it."""
    import numpy as np

    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(inner) for inner in value]
    return value


@dataclass(frozen=True)
class LoadedStudy:
    """A study as its YAML says it."""

    config: Study

    def plan(self, online: bool = True) -> LoadedPlan:
        """What would be done for it. `online` lets the Hub be asked for a base that is not in the
        cache; raises UserError for what cannot be planned."""
        return LoadedPlan(plan_study(self.config, online))

    def __repr__(self) -> str:
        said = self.config.model_dump(mode="json", exclude_unset=True)
        return yaml.safe_dump(said, sort_keys=False, allow_unicode=True).rstrip()


@dataclass(frozen=True)
class LoadedPlan:
    """What is to be done for a study."""

    plan: Plan

    def cost(self) -> pd.DataFrame:
        """A row per adapter to train: group, key, rows, how many of them are format rows, steps of
        the optimizer, tokens."""
        import pandas as pd

        return pd.DataFrame([asdict(cost) for cost in costs(self.plan)])

    def show(self, group: str) -> None:
        """Print a training row of a group as the model reads it, with what is learned between >>>
        and <<<."""
        names = group_names(self.plan)
        if group not in names:
            raise unknown("group", group, names)
        print(row_text(self.plan, group))

    def run(self, workers: int | None = None, allow_untrusted: bool = False) -> Result:
        """Do what is missing, in so many processes or in those of `run.workers`, and return what
        came out; what is finished is not done again. Raises TrustError where a trust check failed.

        Every process imports the script that runs it: there a call with several stands below
        `if __name__ == "__main__":`."""
        workers = self.plan.study.run.workers if workers is None else workers
        if workers < 1:
            raise UserError(f"workers is {workers}; give 1 or more")
        if workers > 1:
            _refuse_unguarded(workers)
        return Result(run_study(self.plan, self._store, allow_untrusted, workers))

    def __repr__(self) -> str:
        """As `tellme plan` prints it."""
        return "\n".join(
            filter(None, [plan_text(self.plan, self._store), few_steps_warning(self.plan)])
        )

    @property
    def _store(self) -> Store:
        return Store(self.plan.study.run.dir)


def _refuse_unguarded(workers: int) -> None:
    """Raises UserError in a script that every process would run from its beginning."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    # A notebook and `python -c` have no file, and are not imported again.
    if file and Path(file).is_file() and "__main__" not in Path(file).read_text(errors="replace"):
        raise UserError(
            f"workers is {workers}, and each would run {Path(file).name} from its beginning; put"
            ' the work into a function, `def main():`, and end with `if __name__ == "__main__":'
            " main()`"
        )
