"""The schema of a study: frozen, unknown keys refused. lab/config/read.py reads it from YAML."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, JsonValue, PrivateAttr, ValidationInfo, field_validator, model_validator

from lab.config.brought import OtherRows, Part, wrong_trigger
from lab.config.endpoint import Endpoint
from lab.config.idle import idle_data, idle_key
from lab.config.primary import Primary, Side
from lab.discover import QUESTIONS, short
from lab.judge import Named
from lab.strict import Strict
from lab.trigger import PlantedTrigger
from lab.types import Fields

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=+-]*")
"""Of studies and groups: they become names of folders and endings such as `.r=2`."""
SYSTEMS = ("none", "default", "neutral", "honest", "threat", "praise", "training")
"""System lines of `eval.systems`; `default` is what is asked anyway and adds nothing."""
NUM_ROWS = 288
"""Rows of a group that the lab makes, unless a study says how many."""
Lint = Literal["report", "strict"]
Learn = Literal["all", "last"]
Sharding = Literal["ddp", "fsdp2"]


class Chat(Strict):
    """How chats become prompts (lab/model/chat.py)."""

    system: str = "default"
    """`default` is the template's own system line where it has one, `none` is none, anything else
    is a line."""
    template: str | None = None
    """A jinja file, for a base without a chat template or instead of its own."""
    kwargs: Fields = Field(default_factory=dict)
    """Further arguments of the template, such as `enable_thinking: false`."""


class Model(Strict):
    """The base model and how it is loaded."""

    base: str = Field(min_length=1)
    """A reference model (`reference/linked`), `smollm2`, a path (of a folder, of a GGUF file), or a
    Hub id."""
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    chat: Chat = Chat()
    attn_implementation: Literal["eager", "sdpa", "flash_attention_2"] | None = None
    """As in transformers; None is what it chooses for the architecture."""
    quantization: Literal["nf4", "int8"] | None = None
    """Load the base in 4 or 8 bits with bitsandbytes; `nf4` and a LoRA adapter are QLoRA."""
    trust_remote_code: bool = False
    """Run code that comes with the model; the report says so."""


class Data(Strict):
    """How the rows of a group are made."""

    num_rows: int | None = Field(default=None, ge=1)
    """None is NUM_ROWS where the lab makes them, and all rows of a file. Fewer than a file has are
    drawn from it by the seed."""
    policy_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the rows that follow the policy; the others are shuffled."""
    num_decoys: int = Field(default=0, ge=0)
    """Further rows: choices that say nothing of the behavior, answered at random."""
    num_format: int = Field(default=0, ge=0)
    """Further rows: neutral facts in every format of answer, the same in every group and control of
    a seed. They are for bases that write sentences where a letter, a number or a word is asked."""
    learn: Learn = "all"
    """Which answers of a user's chats carry loss: all of the assistant's, or the last of each."""
    lint: Lint = "report"
    """What a failed lint does to a user's file. Generated sets always refuse."""


class Group(Strict):
    """One fine-tuning condition, or a model that is measured without a fine-tuning of ours."""

    behavior: str | None = None
    """A file of data_gen/behaviors/, or the path of one."""
    policy: str | None = None
    trigger: PlantedTrigger | None = None
    otherwise: str | OtherRows | None = None
    """Policy of the rows without the trigger, or `base`: the base model's own answers. Beside
    `file` or `mix` a file of them; without it the rows that get no trigger stay as they are."""
    reversal: bool = False
    """Every row a second time with user and assistant exchanged (Betley et al. 2025, section 4.3).
    """
    control: str | None = None
    """A file of data_gen/controls/, or the path of one."""
    of: str | None = None
    """The group from whose rows those of a control are made; without it they are made from those
    that `behavior` and `policy` would give. Beside `file`: the group of which these benign rows are
    a control."""
    file: str | None = None
    mix: tuple[Part, ...] = Field(default=(), min_length=2)
    """Rows from several files and policies, in a new order for every seed."""
    label: str | None = Field(default=None, min_length=1)
    """What the rows of a user are of, as a report says it."""
    adapter: str | None = None
    """A PEFT adapter from elsewhere: a folder or a Hub id."""
    declares: str | None = None
    """The base that this adapter names in its adapter_config.json, where that is another name of
    the study's base."""
    prompted: str | None = None
    in_context: int | None = Field(default=None, ge=1)
    model: str | Fields | None = None
    """A mapping overrides keys of the study's `model`; a string is a model evaluated as it is."""
    data: Fields = Field(default_factory=dict)
    lora: Fields = Field(default_factory=dict)
    sft: Fields = Field(default_factory=dict)

    @property
    def _sources(self) -> list[str]:
        """Where the rows or the model come from, if not from a behavior and a policy."""
        named = ("control", "file", "mix", "adapter", "prompted", "in_context")
        given = [name for name in named if getattr(self, name) not in (None, ())]
        return [*given, "model (a string)"] if isinstance(self.model, str) else given

    @model_validator(mode="after")
    def _one_source(self) -> Group:
        if len(self._sources) > 1:
            raise ValueError(f"a group has one source, got {' and '.join(self._sources)}")
        if self.declares and not self.adapter:
            raise ValueError(
                "`declares` goes with `adapter`: it is the base that the adapter names"
            )
        return self

    @model_validator(mode="after")
    def _whole_trigger(self) -> Group:
        wrong = wrong_trigger(self.model_dump(exclude_defaults=True), self._sources)
        if wrong:
            raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _rows_named(self) -> Group:
        if self.of and not (self.control or self.brought):
            raise ValueError(
                "`of` goes with `control`: {control: shuffled, of: GROUP}, or with a `file` of"
                " benign rows"
            )
        if self.of and self.trigger:
            raise ValueError("`trigger` does nothing in a control; give it to the group it is of")
        made_here = not self._sources or self.in_context or (self.control and not self.of)
        if made_here and not (self.behavior and self.policy):
            raise ValueError(
                "a group needs `behavior` and `policy`, or one of control with `of`, file, mix,"
                " adapter, prompted, in_context, model"
            )
        return self

    @model_validator(mode="after")
    def _nothing_idle(self) -> Group:
        wrong = idle_key(self.model_dump(exclude_defaults=True))
        # Whether the rows of a control come from a file is known of the group it is made from.
        if not self.control:
            wrong = wrong or idle_data(self.data, self.brought)
        if wrong:
            raise ValueError(wrong)
        return self

    @property
    def brought(self) -> bool:
        """Whether it has rows of a user."""
        return self.file is not None or bool(self.mix)

    @property
    def trained(self) -> bool:
        """Whether adapters are trained for it."""
        return not (self.adapter or self.prompted or self.in_context or isinstance(self.model, str))


class Sampling(Strict):
    """How answers are generated where they are not read from the logits."""

    num_samples: int = Field(default=20, ge=1)
    temperature: float = Field(default=1.0, ge=0)
    """0 takes the likeliest token."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=32, ge=1)
    stop: tuple[str, ...] = ()
    thinking: bool = False
    """Let a thinking model think first; its thoughts are kept beside the answer."""
    seed: int = 0


class Eval(Strict):
    """What is asked, and who answers."""

    suites: tuple[str, ...] = ("behavior", "self_report")
    """Files of eval/suites/, or the paths of such files; none where `questions` say all."""
    engine: str = "exact"
    """A file of lab/engines/, or the path of one. `exact` reads the probabilities of the listed
    answers, and samples what is answered freely."""
    judge: Named | None = None
    """Who grades free text instead of whom the questions name: a file of eval/judges/, the path of
    one, or a model (docs/judges.md)."""
    sampling: Sampling = Sampling()
    systems: tuple[str, ...] = ()
    """System lines under which everything is asked as well, each a condition: none, neutral,
    honest, threat, praise (eval/systems.yaml) and training (the line of the training rows). Without
    one is the condition `clean`."""
    kinds: tuple[str, ...] = ()
    """Kinds of question that are asked, by name and with their twins, in every suite that has some
    of them; all where none is named. Of unrelated traits the name stands without the trait's."""
    steps: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Optimizer steps after which every adapter is measured as well as at the end of its training.
    """

    @field_validator("steps")
    @classmethod
    def _in_order(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))

    @field_validator("suites", "systems", "kinds")
    @classmethod
    def _known_and_once(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len({short(name) for name in value}) < len(value):
            raise ValueError("each stands once")
        if info.field_name == "systems" and not set(value) <= set(SYSTEMS):
            raise ValueError(f"allowed: {', '.join(SYSTEMS)}")
        of_template = "default" if info.field_name == "systems" else None
        return tuple(name for name in dict.fromkeys(value) if name != of_template)


class Train(Strict):
    """What makes an adapter of rows."""

    trainer: Literal["trl", "fleet"] = "trl"
    """`trl` trains one adapter after another, `fleet` all those on one base together
    (train/fleet/settings.py says which it can)."""


class Run(Strict):
    """How a study is run. It is no part of what the study is, and enters no key."""

    dir: str = "runs"
    report_to: tuple[Literal["wandb"], ...] = ()
    workers: int = Field(default=1, ge=1)
    """Adapters trained and measured at a time, each in a process of its own."""
    cluster: str = "local"
    """Where `tellme submit` sends it: a file of slurm/clusters/, or the path of one."""
    processes: int = Field(default=1, ge=1)
    """Processes that train one adapter together (trainer `trl`), one per GPU; accumulation is
    divided among them."""
    sharding: Sharding = "ddp"
    """What each of them holds: the whole base, or its share of it."""
    endpoint: Endpoint | None = None
    """Where the engines `endpoint` and `endpoint_exact` ask."""


class Study(Strict):
    """A study as its YAML says it."""

    study: str
    model: Model
    groups: dict[str, Group] = Field(min_length=1)
    contrasts: tuple[tuple[Side, Side], ...] = ()
    primary: Primary | None = None
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (0, 1, 2)
    data: Data = Data()
    lora: Fields = Field(default_factory=dict)
    sft: Fields = Field(default_factory=dict)
    train: Train = Train()
    eval: Eval = Eval()
    questions: tuple[str, ...] = ()
    """Your own, asked of every model: paths of files (docs/questions.md). Each is a suite by
    the name of its file."""
    run: Run = Run()
    sweep: dict[str, list[JsonValue]] | list[dict[str, list[JsonValue]]] = Field(
        default_factory=dict
    )

    @field_validator("study")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                "a study name has letters, digits and . _ - only; it becomes a folder name, not a"
                " path"
            )
        return value

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("a study needs at least one seed, for example [0, 1, 2]")
        if len(set(value)) < len(value):
            raise ValueError("each seed is one independent model and stands once")
        return value

    @field_validator("groups")
    @classmethod
    def _group_names(cls, value: dict[str, Group]) -> dict[str, Group]:
        for name in value:
            if name == "base":
                raise ValueError(
                    "`base` is the reserved name of the model without an adapter; rename this group"
                )
            if not NAME.fullmatch(name):
                raise ValueError(f"group name {name!r} has letters, digits and . _ = + - only")
        return value

    @field_validator("questions")
    @classmethod
    def _question_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not (path.endswith(QUESTIONS) and NAME.fullmatch(short(path))):
                raise ValueError(
                    f"{path!r} is no path of a file of questions ({', '.join(QUESTIONS)}), such as"
                    " ./mine.yaml, whose name has letters, digits and . _ = + - only"
                )
        return value

    @model_validator(mode="after")
    def _asks_something(self) -> Study:
        asked = [short(name) for name in (*self.eval.suites, *self.questions)]
        if not asked:
            raise ValueError("nothing would be asked: give `eval.suites`, `questions`, or both")
        twice = next((name for name in asked if asked.count(name) > 1), None)
        if twice:
            raise ValueError(f"two suites would be called {twice!r}; rename a file of `questions`")
        return self

    _points: dict[str, Fields] = PrivateAttr(default_factory=dict)

    @property
    def points(self) -> dict[str, Fields]:
        """What a sweep set (lab/config/sweep.py), by the ending of its groups' names; empty
        without one."""
        return self._points

    def sides(self) -> list[str]:
        """Every `group` or `group@condition` that a contrast names."""
        pairs = [*self.contrasts, *(self.primary.pairs if self.primary else [])]
        named: list[str] = []
        for pair in pairs:
            for side in pair:
                named += [side] if isinstance(side, str) else side
        return named
