"""A plan: the stages of a study in order, and the cells that say which output is whose."""

from dataclasses import dataclass, field

from data_gen.build import rows_for
from data_gen.content import kept_digest
from lab.config.schema import Study
from lab.data_specs import BroughtRows, DataSpec, RowsSpec
from lab.judge import ModelJudge
from lab.judging import Judging
from lab.model.base import Base
from lab.specs import Cell, How, Spec, Stage
from lab.trigger import PlantedTrigger
from lab.types import Fields, Row
from tellme.study.reading import AS_GENERATED, Reading, read_by


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
    judges: dict[ModelJudge, Judging] = field(default_factory=dict)
    """The models that judge, as they are loaded."""
    provisional: bool = False
    """A base or an adapter is not on this machine, so that keys are not final."""
    online: bool = False
    """Whether the Hub may be asked for what is not in the cache."""
    declared: Fields = field(default_factory=dict)
    """The study as written, in full, but for how it is run."""
    rows: dict[str, list[Row]] = field(default_factory=dict)
    """Rows of data stages, once they were asked for."""
    readings: dict[tuple[str, Base, int | None], Reading | None] = field(default_factory=dict)
    """How bases read them, once that was asked."""

    def add(
        self, slug: str, spec: Spec, inputs: dict[str, str] | None = None, how: How | None = None
    ) -> str:
        """The key of a stage, which is added unless there is one: what is asked for twice is made
        once. The spec and the keys of `inputs` are its identity; `how` is not."""
        stage = Stage(slug=slug, spec=spec, inputs=inputs or {}, how=how or How())
        self.stages.setdefault(stage.key, stage)
        return stage.key

    def add_rows(self, slug: str, spec: DataSpec, inputs: dict[str, str] | None = None) -> str:
        """The key of a data stage, in which the digest of its rows has a part."""
        source = next((self.data_spec(key).rows for key in (inputs or {}).values()), "")
        spec = spec.model_copy(update={"source": source})
        made: list[list[Row]] = []

        def make() -> list[Row]:
            made.append(rows_for(spec, self._source(inputs or {})))
            return made[0]

        rows = kept_digest(spec, make)
        key = self.add(slug, spec.model_copy(update={"rows": rows}), inputs)
        if made:
            self.rows[key] = made[0]
        return key

    def data_spec(self, key: str) -> DataSpec:
        """The spec of a data stage."""
        spec = self.stages[key].spec
        assert isinstance(spec, RowsSpec), spec
        return spec

    def planned_rows(self, key: str) -> list[Row]:
        """The rows a data stage will write, made now; where a base answers itself, its answers are
        those of the policy."""
        if key not in self.rows:
            self.rows[key] = rows_for(self.data_spec(key), self._source(self.stages[key].inputs))
        return self.rows[key]

    def reading(self, data: str, base: Base, max_length: int | None) -> Reading | None:
        """How a base reads the rows of a data stage. Returns and raises as `read_by` does."""
        if not (self._is_brought(data) or max_length):
            return AS_GENERATED
        key = data, base, max_length
        if key not in self.readings:
            self.readings[key] = read_by(base, self.planned_rows(data), max_length)
        return self.readings[key]

    def _is_brought(self, data: str) -> bool:
        """Whether rows are a user's, or made from a user's."""
        is_own = isinstance(self.data_spec(data), BroughtRows)
        return is_own or any(map(self._is_brought, self.stages[data].inputs.values()))

    def source_of(self, key: str) -> list[Row] | None:
        """The rows that a data stage reads, as `planned_rows`."""
        return self._source(self.stages[key].inputs)

    def _source(self, inputs: dict[str, str]) -> list[Row] | None:
        """The rows that a data stage reads."""
        return next((self.planned_rows(key) for key in inputs.values()), None)

    def names_of(self, stage: Stage) -> str:
        """What a stage is called on the terminal: every adapter it makes, or its slug."""
        names = [name for name, key in self.adapters.items() if key == stage.key]
        return ", ".join(names) or stage.slug

    @property
    def final(self) -> Stage:
        """The stage of the study itself."""
        return list(self.stages.values())[-1]
