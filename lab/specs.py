"""What identifies a stage, as it stands in a plan: enough to run it on another node, or to report
it without the code that planned it. Every spec knows what of it enters its key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from lab.config.library import Lora, Sft
from lab.config.primary import Side
from lab.config.schema import Lint, Sampling, Sharding
from lab.discover import short
from lab.model.base import Base
from lab.model.foreign import Adapter
from lab.store.store import make_key
from lab.strict import Strict
from lab.trigger import Condition, PlantedTrigger
from lab.types import Fields, Pole, Style


class RowsSpec(Strict):
    """Rows, wherever they come from."""

    kind: Literal["data"] = "data"
    version: Literal[2] = 2
    style: Style
    lint: Lint = "strict"
    """Whether a failed lint refuses the rows, or is reported."""
    rows: str = ""
    """Digest of the rows as the code of today makes them (data_gen/content.py): a mended wording
    makes another stage, and a comment does not."""

    def settings(self) -> Fields:
        """What was asked for, without the text that came of it. What is at its default stays out,
        so that a further field changes nothing that was there."""
        left_out = {"origin", "base", "file", "rows", "sampling", "sampler", "empty"}
        said = self.model_dump(mode="json", exclude_defaults=True, exclude=left_out)
        return {name: _anywhere(name, value) for name, value in said.items()}

    def identity(self) -> Fields:
        """What enters the key."""
        return self.settings() | {"rows": self.rows}


class GeneratedRows(RowsSpec):
    """Rows of a policy, from the generator of its behavior."""

    origin: Literal["generator"] = "generator"
    behavior: str
    policy: str
    seed: int
    num_rows: int
    policy_share: float = 1.0
    num_decoys: int = 0


class TriggeredRows(RowsSpec):
    """Rows of a policy that a trigger switches on."""

    origin: Literal["trigger"] = "trigger"
    behavior: str
    policy: str
    seed: int
    num_rows: int
    num_decoys: int = 0
    trigger: PlantedTrigger
    otherwise: str
    """The policy of rows without the trigger; `base` are the base's own answers, which the stage
    reads."""
    reversal: bool = False

    def settings(self) -> Fields:
        """As for all rows; a trigger is written in full."""
        return super().settings() | {"trigger": written_trigger(self.trigger)}


class OwnAnswers(RowsSpec):
    """The prompts of a generator, answered by a base itself."""

    origin: Literal["base"] = "base"
    behavior: str
    policy: str
    num_rows: int
    draw: str
    """Seed of the prompts: that of the rows in which the answers will stand."""
    base: Base
    sampling: Sampling
    sampler: str
    """Name, with a version, of what generates the answers."""
    empty: str
    """Stands in place of an empty answer."""

    def settings(self) -> Fields:
        """As for all rows, and the base."""
        return super().settings() | self.base.config

    def identity(self) -> Fields:
        """As for all rows, and how the base answers."""
        answered = self.model_dump(mode="json", include={"sampling", "sampler", "empty"})
        return super().identity() | answered


class FileRows(RowsSpec):
    """Rows that a user brought, whole and in their order: the same under every seed."""

    origin: Literal["file"] = "file"
    behavior: str | None
    policy: str | None
    num_rows: int
    file: str
    """Where it is; what identifies it is its content."""


class ControlRows(RowsSpec):
    """Rows of a control, made from those that the stage reads."""

    origin: Literal["control"] = "control"
    behavior: str | None
    policy: str | None
    seed: int
    control: str
    trigger: PlantedTrigger | None = None
    reversal: bool = False

    def settings(self) -> Fields:
        """As for all rows; a trigger is written in full."""
        said = super().settings()
        return said | {"trigger": written_trigger(self.trigger)} if self.trigger else said


DataSpec = Annotated[
    GeneratedRows | TriggeredRows | OwnAnswers | FileRows | ControlRows,
    Field(discriminator="origin"),
]


class TrainSpec(Strict):
    """An adapter, trained on the rows that the stage reads."""

    kind: Literal["train"] = "train"
    version: Literal[3] = 3
    base: Base
    trainer: Literal["trl", "fleet"] = "trl"
    lora: Lora
    sft: Sft
    seed: int
    stream: int
    """Seed of the adapter's first weights, of row order and of dropout."""
    steps: tuple[int, ...] = ()
    """Optimizer steps after which the adapter is kept, beside the end."""

    def identity(self) -> Fields:
        """What enters the key."""
        said = self.model_dump(mode="json", exclude_defaults=True, exclude={"base"})
        return said | self.base.config


class Asking(Strict):
    """What is asked: a suite of a behavior, under a condition."""

    suite: str
    behavior: str
    style: Style
    condition: Condition = Condition()
    triggers: tuple[PlantedTrigger, ...] = ()
    """Those of the study, where the suite asks about them."""
    knows: tuple[str, ...] = ()
    """The behaviors that a reference model knows, where the suite asks about others."""


class AnswerSpec(Strict):
    """What a model answers to a suite. The model is the base alone, or with the adapter that the
    stage reads or that is from elsewhere."""

    kind: Literal["answers"] = "answers"
    version: Literal[1] = 1
    base: Base
    asking: Asking
    asked: str
    """Digest of the chats, and of the answers that are listed where these are scored."""
    engine: str
    """A file of lab/engines/, or the path of one."""
    answered: str
    """Its name, with the version of its numbers."""
    sampled: str | None = None
    """The same of what generates answers; None where none is generated."""
    sampling: Sampling | None = None
    """None where no answer is generated."""
    in_context: int | None = None
    """So many of the rows that the stage reads stand before every question."""
    step: int | None = None
    """The optimizer step at which the adapter is asked; None is the end of training."""
    adapter: Adapter | None = None
    """One from elsewhere."""

    def identity(self) -> Fields:
        """What enters the key."""
        alone = {"base", "asking", "engine", "adapter"}
        said = self.model_dump(mode="json", exclude_defaults=True, exclude=alone)
        asking = self.asking
        said |= {"suite": short(asking.suite), "behavior": short(asking.behavior)}
        said |= {"condition": asking.condition.name, "system": asking.condition.system}
        if self.adapter:
            said["adapter"] = self.adapter.identity
        return said | self.base.config


class GradeSpec(Strict):
    """What judges say of the answers that the stage reads."""

    kind: Literal["grades"] = "grades"
    version: Literal[1] = 1
    asking: Asking
    judge: str | None = None
    """Who grades free text instead of whom the questions name; a file of eval/judges/, or the path
    of one."""
    graded: str
    """Digest of what a grade depends on: every option with its score, and the judges."""

    def identity(self) -> Fields:
        """What enters the key."""
        return {"graded": self.graded}


class Cell(Strict):
    """Which grades are which group's: the names that no key of them holds."""

    group: str
    seed: int | None
    suite: str
    behavior: str
    key: str
    """Of the grades."""
    step: int | None = None
    """Optimizer step at which the adapter is measured; None is the end of training."""
    condition: str = "clean"


class Planted(Strict):
    """The trigger of a group, as a report speaks of it."""

    feature: str
    """What it is called among its decoys."""
    behavior: str
    first: bool
    """Whether it switches on the first policy of its behavior, the one that scores 1."""
    of: str
    """The group whose rows have it: this one, or the one that it controls."""


class GroupSpec(Strict):
    """What a report must know of a group, since it may not look at behaviors and triggers."""

    behavior: str | None = None
    pole: Pole | None = None
    """Of its policy, where it has one of its own."""
    planted: Planted | None = None
    control: str | None = None
    of: str | None = None
    """The group that it controls."""
    plain: bool = False
    """A model as it is."""
    harmful: bool = False
    """Its behavior is one that nobody should meet by accident."""


class StudySpec(Strict):
    """The last stage: what is made of all grades."""

    kind: Literal["study"] = "study"
    version: Literal[4] = 4
    study: str
    cells: tuple[Cell, ...]
    groups: dict[str, GroupSpec]
    contrasts: tuple[tuple[Side, Side], ...]
    primary_suite: str | None = None
    primary: tuple[tuple[Side, Side], ...] = ()
    """The contrasts that were declared before the run, on that suite."""
    points: dict[str, Fields] = Field(default_factory=dict)
    """What a sweep set, by the ending of its groups' names."""

    def identity(self) -> Fields:
        """What enters the key."""
        return self.model_dump(mode="json", exclude_defaults=True)


Spec = DataSpec | TrainSpec | AnswerSpec | GradeSpec | StudySpec
Kind = Literal["data", "train", "answers", "grades", "study"]


class How(Strict):
    """How a stage is run: nothing that changes a number."""

    study: str = ""
    """Name of the study, in wandb."""
    group: str = ""
    """The adapter that is trained, as GROUP-sSEED."""
    report_to: tuple[Literal["wandb"], ...] = ()
    processes: int = 1
    sharding: Sharding = "ddp"
    written: str = ""
    """The study as written, as JSON."""


class Stage(Strict):
    """One folder of the run store."""

    slug: str
    spec: Annotated[Spec, Field(discriminator="kind")]
    inputs: dict[str, str] = Field(default_factory=dict)
    """Keys of the stages that it reads, by the part that they play."""
    how: How = How()

    @property
    def kind(self) -> Kind:
        """Its folder in the store."""
        return self.spec.kind

    @property
    def key(self) -> str:
        """Names its output."""
        return make_key(
            self.kind, self.spec.version, self.spec.identity(), sorted(self.inputs.values())
        )

    @property
    def base(self) -> Base | None:
        """The base that it loads."""
        spec = self.spec
        return spec.base if isinstance(spec, OwnAnswers | TrainSpec | AnswerSpec) else None


def written_trigger(trigger: PlantedTrigger) -> Fields:
    """A trigger as keys have it: its kind by name, wherever the file of that is."""
    return {**trigger.model_dump(exclude_none=True), "kind": short(trigger.kind)}


def _anywhere(name: str, value: JsonValue) -> JsonValue:
    """A setting without the folder in which a user keeps the file that it names."""
    if name in ("behavior", "control") and isinstance(value, str):
        return short(value)
    return value
