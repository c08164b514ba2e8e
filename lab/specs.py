"""What identifies a stage, as it stands in a plan: enough to run it on another node, or to report
it without the code that planned it. Every spec knows what of it enters its key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.config.endpoint import Endpoint
from lab.config.library import Lora, Sft
from lab.config.primary import Side
from lab.config.schema import Sampling, Sharding
from lab.data_specs import DataSpec, OwnAnswers
from lab.discover import short
from lab.formats import Format
from lab.judge import Named
from lab.judging import Judging
from lab.model.base import Base
from lab.model.foreign import Adapter
from lab.stats.intervals import MARGIN
from lab.store.store import make_key
from lab.strict import Strict
from lab.trigger import Condition, PlantedTrigger
from lab.types import NO_BEHAVIOR, Fields, Pole, Style

BENIGN = "benign"
"""As a control: rows of its own, which show and describe nothing, such as a file `of` a group."""


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
        # In full: a default of the lab's may change.
        settings = {"lora": self.lora.arguments(), "sft": self.sft.arguments()}
        return said | settings | self.base.config


class Asking(Strict):
    """What is asked: a suite of a behavior, or by itself, under a condition."""

    suite: str
    behavior: str | None
    """None where no group of the study has one."""
    style: Style
    condition: Condition = Condition()
    triggers: tuple[PlantedTrigger, ...] = ()
    """Those of the study, where the suite asks about them."""
    knows: tuple[str, ...] = ()
    """The behaviors that a reference model knows, where the suite asks about others."""
    kinds: tuple[str, ...] = ()
    """Kinds of question that are asked alone, where the suite has any of them."""

    @property
    def about(self) -> str:
        """What rows and reports call its behavior."""
        return short(self.behavior) if self.behavior else NO_BEHAVIOR


class AnswerSpec(Strict):
    """What a model answers to a suite. The model is the base alone, or with the adapter that the
    stage reads or that is from elsewhere."""

    kind: Literal["answers"] = "answers"
    version: Literal[2] = 2
    base: Base
    asking: Asking
    asked: str
    """Digest of the chats, and of the answers that are listed where these are scored."""
    engine: str
    """A file of lab/engines/, or the path of one."""
    answered: str
    """Its name, with the version of its numbers."""
    code: str | None = None
    """Digest of its file, where a user wrote it."""
    sampled: str | None = None
    """The same of what generates answers; None where none is generated."""
    sampling: Sampling | None = None
    """None where all answers are listed."""
    draws: Sampling | None = None
    """How answers are drawn beside the lists of free questions; `num_samples` are of a question.
    None where none are."""
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
        said |= {"suite": short(asking.suite)}
        said |= {"behavior": short(asking.behavior)} if asking.behavior else {}
        said |= {"condition": asking.condition.name, "system": asking.condition.system}
        for name, sampling in (("sampling", self.sampling), ("draws", self.draws)):
            if sampling:
                # In full: a default of the lab's may change.
                said[name] = sampling.model_dump(mode="json")
        if self.adapter:
            said["adapter"] = self.adapter.identity
        return said | self.base.config


class GradeSpec(Strict):
    """What judges say of the answers that the stage reads."""

    kind: Literal["grades"] = "grades"
    version: Literal[1] = 1
    asking: Asking
    judge: Named | None = None
    """Who grades free text instead of whom the questions name."""
    judging: tuple[Judging, ...] = ()
    """The models among its judges, as they are loaded."""
    graded: str
    """Digest of what a grade depends on: every option with its score, and the judges."""

    def identity(self) -> Fields:
        """What enters the key."""
        return {"graded": self.graded}


class CheckSpec(Strict):
    """Which formats of answers a base follows, asked about facts."""

    kind: Literal["check"] = "check"
    version: Literal[1] = 1
    base: Base
    asked: str
    """Digest of what is asked, and of which answers are right."""
    engine: str
    """This and the next two as of answers."""
    answered: str
    code: str | None = None
    sampled: str
    """What draws answers to free questions."""
    draws: Sampling
    """`num_samples` of them a question."""

    def identity(self) -> Fields:
        """What enters the key."""
        said = self.model_dump(mode="json", exclude_defaults=True, exclude={"base", "engine"})
        # In full: a default of the lab's may change.
        return said | {"draws": self.draws.model_dump(mode="json")} | self.base.config


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

    @property
    def name(self) -> str:
        """Which model this is, what it is asked about, and how."""
        return f"{self.group}/{self.seed}/{self.behavior}/{self.condition}"


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
    summary: str = ""
    """Of the behavior, in a few words."""
    label: str | None = None
    """What rows that a user brought are of."""
    pole: Pole | None = None
    """Of its policy, where it has one of its own."""
    planted: Planted | None = None
    control: str | None = None
    of: str | None = None
    """The group that it controls."""
    null: bool = False
    """It is a control whose answers say nothing of its prompts: no difference from the base is
    expected of it."""
    taught: tuple[str, ...] = ()
    """Kinds of self-report whose form its rows have: a primary is about the others."""
    prompts: str | None = None
    """Groups of which this is equal were shown the same prompts under the same seed."""
    plain: bool = False
    """A model as it is."""
    harmful: bool = False
    """Its behavior is one that nobody should meet by accident."""


class StudySpec(Strict):
    """The last stage: what is made of all grades."""

    kind: Literal["study"] = "study"
    version: Literal[7] = 7
    study: str
    cells: tuple[Cell, ...]
    groups: dict[str, GroupSpec]
    contrasts: tuple[tuple[Side, Side], ...]
    primary_suite: str | None = None
    primary: tuple[tuple[Side, Side], ...] = ()
    """The contrasts that it declares, on that suite (lab/store/registration.py)."""
    direction: Literal["greater", "less"] = "greater"
    """This and the next two are of the primary (lab/config/primary.py)."""
    margin: float = MARGIN
    paired: bool | None = None
    moved: str | None = None
    """The suite that shows whether what was trained moved, where the study names one."""
    of_self: bool = False
    """Whether the primary suite asks the model about itself."""
    judges: tuple[str, ...] = ()
    """Digests of the models and the judges of a user's that grade answers to it, which is no
    reading of a list."""
    style: Style = "natural"
    """Of the questions, which is that of the base."""
    formats: dict[str, Format] = Field(default_factory=dict)
    """In which format each question of the primary suite is asked, by its name, where the study
    reads a check of its base."""
    points: dict[str, Fields] = Field(default_factory=dict)
    """What a sweep set, by the ending of its groups' names."""

    def identity(self) -> Fields:
        """What enters the key."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def primary_named(self) -> list[object]:
        """The primary as declarations are compared by it: its suite, its sides, and what is
        expected of them."""
        sides: list[object] = [list(pair) for pair in self.primary]
        moved = [self.moved] if self.moved else []
        # A judge that was chosen after measuring makes another primary.
        judges = [list(self.judges)] if self.judges else []
        named = [self.primary_suite, sides, self.direction, self.margin, self.paired]
        return [*named, *moved, *judges]

    def cells_of_primary(self) -> list[Cell]:
        """What the primary is about: its suite, asked of the groups that it names at the end of
        their training; the base has no part in it."""
        sides = [s for pair in self.primary for side in pair for s in groups_in(side)]
        return [
            cell
            for cell in self.cells
            if cell.suite == self.primary_suite
            and cell.step is None
            and (cell.group, cell.condition) in sides
            and cell.group != "base"
        ]


def groups_in(side: Side) -> list[tuple[str, str]]:
    """The groups of a side of a contrast, each with the condition under which it is asked."""
    named = [side] if isinstance(side, str) else list(side)
    parts = [name.partition("@") for name in named]
    return [(group, condition or "clean") for group, _, condition in parts]


Spec = DataSpec | TrainSpec | CheckSpec | AnswerSpec | GradeSpec | StudySpec
Kind = Literal["data", "train", "check", "answers", "grades", "study"]


class How(Strict):
    """How a stage is run: nothing that changes a number."""

    study: str = ""
    """Name of the study, in wandb."""
    group: str = ""
    """The adapter that is trained, or asked, as GROUP-sSEED."""
    endpoint: Endpoint | None = None
    """Where a server is asked."""
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
        if isinstance(spec, OwnAnswers | TrainSpec | CheckSpec | AnswerSpec):
            return spec.base
        return None

    @property
    def bases(self) -> list[Base]:
        """Every base that it loads, those of judges too."""
        if isinstance(self.spec, GradeSpec):
            return [judging.base for judging in self.spec.judging]
        return [self.base] if self.base else []
