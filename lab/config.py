"""A study is one YAML: its schema, how it is read, and one clear line for every mistake in it (DESIGN 3)."""

from __future__ import annotations

import copy
import re
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lab.discover import ROOT, find_path
from lab.errors import UserError, unknown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=+-]*")
OWNED = {
    **dict.fromkeys(["output_dir", "logging_dir", "run_name"], "run.dir"),
    **dict.fromkeys(["seed", "data_seed", "full_determinism"], "seeds"),
    **dict.fromkeys(["report_to", "project", "trackio_space_id"], "run.report_to"),
    **dict.fromkeys(["push_to_hub", "hub_model_id", "hub_token", "hub_strategy", "hub_private_repo", "hub_revision"], "tellme push"),
    **dict.fromkeys(["resume_from_checkpoint", "do_train", "do_eval", "do_predict"], "tellme run, which resumes by itself"),
    **dict.fromkeys(["use_cpu", "bf16", "fp16", "model_init_kwargs", "trust_remote_code"], "model.dtype"),
    **dict.fromkeys(["chat_template_path", "eos_token", "assistant_only_loss", "completion_only_loss", "dataset_text_field"], "the lab's renderer"),
    **dict.fromkeys(["task_type", "inference_mode", "base_model_name_or_path", "revision", "peft_type", "auto_mapping", "peft_version"], "model"),
}
"""Library fields that the lab sets itself, with the key or command to use instead."""
POSITIVE = {"learning_rate", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "r", "lora_alpha", "max_length"}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Model(Strict):
    base: str = Field(min_length=1)
    """A reference model (`reference/linked`), a path, or a Hub id."""
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"


class Data(Strict):
    num_rows: int = Field(288, ge=1)
    lint: Literal["report", "strict"] = "report"
    """What a failed lint does to a user's file. Generated sets always refuse."""


class Group(Strict):
    behavior: str | None = None
    policy: str | None = None
    control: Literal["shuffled"] | None = None
    of: str | None = None
    file: str | None = None
    adapter: str | None = None
    prompted: str | None = None
    in_context: int | None = Field(None, ge=1)
    model: str | dict[str, Any] | None = None
    """A mapping overrides keys of the study's `model`; a string is a model evaluated as it is."""
    data: dict[str, Any] = {}
    lora: dict[str, Any] = {}
    sft: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_source(self) -> Group:
        sources = {
            "control": self.control,
            "file": self.file,
            "adapter": self.adapter,
            "prompted": self.prompted,
            "in_context": self.in_context,
            "model (a string)": self.model if isinstance(self.model, str) else None,
        }
        given = [name for name, value in sources.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"a group has one source, got {' and '.join(given)}")
        if (self.control is None) != (self.of is None):
            raise ValueError("`control` and `of` go together: {control: shuffled, of: GROUP}")
        if (not given or self.in_context) and not (self.behavior and self.policy):
            raise ValueError("a group needs `behavior` and `policy`, or one of control, file, adapter, prompted, in_context, model")
        return self

    @property
    def trained(self) -> bool:
        return not (self.adapter or self.prompted or self.in_context or isinstance(self.model, str))


Side = str | tuple[str, str]
"""A group, `group@condition`, or a difference of two of these."""


class Primary(Strict):
    contrast: tuple[Side, Side]
    suite: str


class Eval(Strict):
    suites: tuple[str, ...] = Field(("behavior", "self_report"), min_length=1)


class Run(Strict):
    dir: str = "runs"
    report_to: tuple[Literal["wandb"], ...] = ()


class Study(Strict):
    study: str
    model: Model
    groups: dict[str, Group] = Field(min_length=1)
    contrasts: tuple[tuple[Side, Side], ...] = ()
    primary: Primary | None = None
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 1, 2), min_length=1)
    data: Data = Data()
    lora: dict[str, Any] = {}
    sft: dict[str, Any] = {}
    eval: Eval = Eval()
    run: Run = Run()
    sweep: dict[str, list[Any]] = {}

    @field_validator("study")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("a study name has letters, digits and . _ - only; it becomes a folder name, not a path")
        return value

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each seed is one independent model and stands once")
        return value

    @field_validator("groups")
    @classmethod
    def _group_names(cls, value: dict[str, Group]) -> dict[str, Group]:
        for name in value:
            if name == "base":
                raise ValueError("`base` is the reserved name of the model without an adapter; rename this group")
            if not NAME.fullmatch(name):
                raise ValueError(f"group name {name!r} has letters, digits and . _ = + - only")
        return value

    def sides(self) -> list[str]:
        """Every `group` or `group@condition` that a contrast names."""
        pairs = [*self.contrasts, *([self.primary.contrast] if self.primary else [])]
        return [s for pair in pairs for side in pair for s in ([side] if isinstance(side, str) else side)]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-4 as a string and keeps the last of two equal keys; both have spoiled runs."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = True) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = {str(k) for k in keys if keys.count(k) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"key {sorted(twice)[0]!r} stands twice", node.start_mark)
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{where}{line} is not valid YAML: {getattr(error, 'problem', None) or error}") from None


def load_study(path: str, sets: list[str] | None = None) -> Study:
    """Read, override (`KEY=YAML`, last wins), expand the sweep and validate; raises UserError with one line."""
    found = find_path(path)
    if found is None or not found.is_file():
        near = ", ".join(sorted(p.name for p in (ROOT / "configs").glob("*.yaml")))
        raise UserError(f"config {path!r} was not found in {Path.cwd()} or {ROOT}; configs/ has: {near}")
    try:
        raw = parse_yaml(found.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise UserError(f"config {path!r} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None
    if not isinstance(raw, dict):
        raise UserError(f"config {path!r} must be a mapping with the keys {', '.join(Study.model_fields)}")
    for assignment in sets or []:
        raw = override(raw, assignment)
    return validate(raw, path)


def override(raw: dict[str, Any], assignment: str) -> dict[str, Any]:
    """`--set a.b=YAML`: replace the value at a.b, a mapping too."""
    key, equals, value = assignment.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(f"--set {assignment!r} must look like KEY=YAML, for example --set model.base=reference/unlinked")
    result = copy.deepcopy(raw)
    place = result
    *parents, last = key.split(".")
    for part in parents:
        if not isinstance(place.setdefault(part, {}), dict):
            raise UserError(f"--set {assignment!r}: {part!r} is a value, not a mapping, so {last!r} cannot be set below it")
        place = place[part]
    place[last] = parse_yaml(value, f"--set {key}")
    return result


def validate(raw: dict[str, Any], where: str) -> Study:
    try:
        written = Study.model_validate(raw)
        study = Study.model_validate(_expand_sweep(copy.deepcopy(raw), written)) if written.sweep else written
    except ValidationError as error:
        raise _one_line(error, where) from None
    for place, fields in [("", study), *((f"groups.{n}.", g) for n, g in study.groups.items())]:
        check_fields("lora", fields.lora, f"{where}: {place}lora")
        check_fields("sft", fields.sft, f"{where}: {place}sft")
    for name, group in study.groups.items():
        try:
            Data.model_validate(study.data.model_dump() | group.data)
            if isinstance(group.model, dict):
                Model.model_validate(study.model.model_dump() | group.model)
        except ValidationError as error:
            raise _one_line(error, f"{where}: groups.{name}") from None
        if group.of is not None and group.of not in study.groups:
            raise unknown(f"{where}: groups.{name}.of", group.of, study.groups)
        if group.of is not None and not (study.groups[group.of].trained and study.groups[group.of].control is None):
            raise UserError(f"{where}: groups.{name}.of is {group.of!r}, which has no rows of its own to shuffle; name a trained group")
    for side in study.sides():
        name, _, condition = side.partition("@")
        if name not in study.groups and name != "base":
            raise unknown(f"{where}: contrast names group", name, [*study.groups, "base"])
        if condition not in ("", "clean"):
            raise unknown(f"{where}: contrast side {side!r} names condition", condition, ["clean"])
    return study


def _expand_sweep(raw: dict[str, Any], written: Study) -> dict[str, Any]:
    """One group per trained group and point, named `group.key=value`; contrasts compare sides at the same point."""
    for key, values in written.sweep.items():
        section, _, field = key.partition(".")
        if section not in ("model", "data", "lora", "sft") or not field or not values:
            raise UserError(f"sweep key {key!r} must be model.KEY, data.KEY, lora.KEY or sft.KEY with a list of values")
    points = [dict(zip(written.sweep, values, strict=True)) for values in product(*written.sweep.values())]
    labels = [".".join(f"{k.partition('.')[2]}={v}" for k, v in point.items()).replace("/", "-") for point in points]
    swept = {name for name, group in written.groups.items() if group.trained}

    def at(side: Any, label: str) -> Any:
        if not isinstance(side, str):
            return [at(s, label) for s in side]
        name, mark, condition = side.partition("@")
        return f"{name}.{label}{mark}{condition}" if name in swept else side

    groups: dict[str, Any] = {name: g for name, g in raw["groups"].items() if name not in swept}
    for name in written.groups:
        for point, label in zip(points, labels, strict=True):
            if name not in swept:
                continue
            group = copy.deepcopy(raw["groups"][name])
            for key, value in point.items():
                section, _, field = key.partition(".")
                group.setdefault(section, {})[field] = value
            if "of" in group:
                group["of"] = at(group["of"], label)
            groups[f"{name}.{label}"] = group
    contrasts = [at(pair, label) for pair in raw.get("contrasts", []) for label in labels]
    unique = [pair for i, pair in enumerate(contrasts) if pair not in contrasts[:i]]
    return {**{k: v for k, v in raw.items() if k != "sweep"}, "groups": groups, "contrasts": unique}


def library_fields() -> dict[str, dict[str, str]]:
    """`lora` and `sft`: field name -> type, as the installed classes had them when lab/fields.yaml was written."""
    fields: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "lab" / "fields.yaml").read_text())
    return fields


def check_fields(section: Literal["lora", "sft"], given: dict[str, Any], where: str) -> None:
    known = library_fields()[section]
    library = {"lora": "peft.LoraConfig", "sft": "trl.SFTConfig"}[section]
    for name, value in given.items():
        if name in OWNED:
            raise UserError(f"{where}.{name} is set by the lab; use {OWNED[name]} instead")
        if name not in known:
            raise unknown(f"{where}: field of {library}", name, known)
        if not _fits(value, known[name]):
            raise UserError(f"{where}.{name} is {value!r}; {library} takes {known[name]}")
        if name in POSITIVE and not value > 0:
            raise UserError(f"{where}.{name} is {value!r}; it must be greater than 0")


def _fits(value: Any, annotation: str) -> bool:
    kinds = {"int": int, "float": (int, float), "str": str, "bool": bool, "list": list, "dict": dict}
    allowed = annotation.split(" | ")
    if value is None:
        return "None" in allowed
    if isinstance(value, bool):
        return "bool" in allowed
    return any(isinstance(value, kinds[a]) for a in allowed if a in kinds)


def _one_line(error: ValidationError, where: str) -> UserError:
    """The first mistake as one line; an unknown key with the nearest valid one."""
    first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
    place = [str(p) for p in first["loc"]]
    if first["type"] == "extra_forbidden":
        return unknown(f"{where}: key", ".".join(place), _keys_beside(place), "see `tellme run --help`")
    value = "" if first["type"] == "missing" else f" is {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    return UserError(f"{where}: {'.'.join(place) or 'config'}{value if len(value) < 120 else ''}: {message}")


def _keys_beside(place: list[str]) -> list[str]:
    models: dict[str, type[Strict]] = {"model": Model, "groups": Group, "data": Data, "eval": Eval, "run": Run, "primary": Primary}
    owner = models.get(place[0], Study) if len(place) > 1 else Study
    prefix = ".".join(place[:-1])
    return [f"{prefix}.{name}" if prefix else name for name in owner.model_fields]
