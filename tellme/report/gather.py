"""What a study measured, read from the run store: rows, trust checks, losses, examples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pandas as pd

from lab.config.schema import Model
from lab.specs import Cell, GroupSpec, Stage, StudySpec
from lab.store.provenance import FINISHED, Provenance
from lab.store.registration import Standing, standing
from lab.store.store import Store, read_json
from lab.store.trust import Check, Checked, seeds_apart
from lab.types import Fields, Message
from tellme.report.check import BaseCheck, read_check
from tellme.report.figures.tables import LossPoint

NUM_EXAMPLES = 3
"""Rows of a group's training set that a report shows."""
SETTINGS = ("dtype", *Model.model_fields)
"""Of the identity of a measurement: how its base was loaded."""

Adapters = Mapping[tuple[str, int], Path]
"""The train folder of each group and seed."""


class AnswersMade(Provenance):
    """Provenance of answers."""

    default_system: NotRequired[str | None]
    """The line that the template itself puts before a chat without one. This and the next are not
    known of a model elsewhere, which has its template where it is."""
    first_prompt: NotRequired[str]


class JudgeShown(TypedDict):
    """A model that graded, as its identity has it (lab/judging.py)."""

    name: str
    base: str
    dtype: str
    adapter: NotRequired[str]
    engine: str
    prompt: str


class GradesMade(Provenance):
    """Provenance of grades."""

    judges: NotRequired[list[JudgeShown]]
    """The models among them."""


class TurnsMade(TypedDict):
    """How much of the rows of an adapter is learned."""

    learned: int
    """Turns that carry loss."""
    of_assistant: int
    """All turns that could."""
    documents: int
    """Of both, the texts that answer nothing."""


class TrainingMade(Provenance):
    """Provenance of an adapter."""

    step0: str
    """Digest of the weights at the start."""
    steps: int
    rows: int
    """Their number."""
    turns: NotRequired[TurnsMade]
    trimmed: NotRequired[int]
    """Of the rows, those of which the chat template strips white space. This and `turns` are not
    known of adapters of an earlier version."""


class BaseShown(TypedDict):
    """A base as it was loaded, and what it was asked first."""

    identity: object
    settings: Fields
    default_system: str | None
    first_prompt: str | None
    """None where the model is elsewhere."""


class LintShown(TypedDict):
    """What a lint found, as `lint.json` has it."""

    check: str
    passed: bool
    value: float
    threshold: float | None
    detail: Fields


class Example(TypedDict):
    """Rows that a group was trained on."""

    group: str
    key: str
    """Of their folder."""
    num_rows: int
    turns: TurnsMade | None
    trimmed: int | None
    rows: list[list[Message]]
    """The first of them. A document is one message."""
    lints: list[LintShown]


@dataclass(frozen=True)
class Measurement:
    """A cell of a study, with the folders of what it names."""

    cell: Cell
    grades: Path
    answers: Path
    made: AnswersMade
    """Provenance of the answers."""
    trained: Path | None
    """The folder of the training that made its adapter, if one of ours did."""


def study_of(stage: Stage) -> StudySpec:
    """What the last stage of a plan is about."""
    assert isinstance(stage.spec, StudySpec), stage
    return stage.spec


def measurements(spec: StudySpec, store: Store) -> list[Measurement]:
    """Every cell of a study, in the order of the plan."""
    measured = []
    for cell in spec.cells:
        grades = _folder(store, "grades", cell.key)
        graded: Provenance = read_json(grades / "provenance.json")
        (answered,) = graded["inputs"]
        answers = _folder(store, "answers", answered)
        made: AnswersMade = read_json(answers / "provenance.json")
        trained = (store.find("train", key) for key in made["inputs"])
        adapter = next(filter(None, trained), None)
        measured.append(Measurement(cell, grades, answers, made, adapter))
    return measured


def _folder(store: Store, stage: str, key: str) -> Path:
    folder = store.find(stage, key)
    assert folder, f"a study is written after what it reads: {stage} {key}"
    return folder


def base_check(stage: Stage, store: Store) -> BaseCheck | None:
    """What is known of the base of a study; None where it has no check of it."""
    key = stage.inputs.get("check")
    return read_check(_folder(store, "check", key)) if key else None


def declaration(spec: StudySpec, cells: Sequence[Measurement], store: Store) -> Standing:
    """Whether the primary of a study was declared before what it is about was measured."""
    of_primary = {cell.name for cell in spec.cells_of_primary()}
    measured = {
        m.cell.name: (m.made["key"], datetime.strptime(m.made["finished"], FINISHED).timestamp())
        for m in cells
        if m.cell.suite == spec.primary_suite and m.cell.step is None and m.cell.name in of_primary
    }
    return standing(store.root, spec.study, spec.primary_named(), measured)


def gather_rows(measured: Sequence[Measurement]) -> pd.DataFrame:
    """The rows of every measurement, with whose they are: columns group, seed, step and
    answers_key."""
    tables = []
    for measurement in measured:
        cell = measurement.cell
        table = pd.read_parquet(measurement.grades / "rows.parquet")
        for name, value in (("step", cell.step), ("seed", cell.seed)):
            table.insert(0, name, pd.Series([value] * len(table), dtype="Int64"))
        table.insert(0, "group", cell.group)
        tables.append(table.assign(answers_key=measurement.made["key"]))
    return pd.concat(tables, ignore_index=True)


def gather_trust(measured: Sequence[Measurement], base: BaseCheck | None = None) -> list[Checked]:
    """Every trust check of every measurement, of the training before it, of each group's seeds
    together, and of what is known of the base."""
    of_base = base["trust"] if base else []
    trust: list[Checked] = [{"group": "base", "seed": None, **check} for check in of_base]
    for measurement in measured:
        checks: list[Check] = read_json(measurement.answers / "trust.json")
        if measurement.trained:
            checks += read_json(measurement.trained / "trust.json")
        group, seed = measurement.cell.group, measurement.cell.seed
        trust += [{"group": group, "seed": seed, **check} for check in checks]
    return each_once(trust + _starts(adapters(measured)))


def each_once(trust: Sequence[Checked]) -> list[Checked]:
    """One record of every check: a training stands beside each of its evaluations. Of several of
    one name a failed one stays."""
    distinct: dict[tuple[str, int | None, str], Checked] = {}
    for record in trust:
        name = record["group"], record["seed"], record["check"]
        if distinct.setdefault(name, record)["passed"] and not record["passed"]:
            distinct[name] = record
    return list(distinct.values())


def _starts(trained: Adapters) -> list[Checked]:
    """Per group, whether its seeds began apart."""
    starts: dict[str, list[str]] = {}
    for (group, _), folder in trained.items():
        starts.setdefault(group, []).append(_training(folder)["step0"])
    return [{"group": group, "seed": None, **seeds_apart(step0)} for group, step0 in starts.items()]


def _training(folder: Path) -> TrainingMade:
    made: TrainingMade = read_json(folder / "provenance.json")
    return made


def adapters(measured: Sequence[Measurement]) -> Adapters:
    """The train folder of each group and seed that was trained for the study."""
    return {
        (m.cell.group, m.cell.seed): m.trained
        for m in measured
        if m.trained and m.cell.seed is not None
    }


def last_steps(trained: Adapters) -> dict[tuple[str, int], int]:
    """The number of optimizer steps behind every final adapter."""
    return {model: _training(folder)["steps"] for model, folder in trained.items()}


def losses(trained: Adapters) -> list[LossPoint]:
    """The logged losses of every training."""
    return [
        {"group": group, "seed": seed, "step": point["step"], "loss": point["loss"]}
        for (group, seed), folder in trained.items()
        for point in read_json(folder / "curve.json")
    ]


def examples(trained: Adapters, store: Store) -> list[Example]:
    """The first rows of each group's first seed, and what the lints found in them."""
    shown: dict[str, Example] = {}
    for (group, _), folder in trained.items():
        made = _training(folder)
        (key,) = made["inputs"]
        data = store.find("data", key)
        if group in shown or not data:
            continue
        with (data / "rows.jsonl").open(encoding="utf-8") as lines:
            rows = [_messages(json.loads(line)) for line in islice(lines, NUM_EXAMPLES)]
        shown[group] = {
            "group": group,
            "key": key,
            "num_rows": made["rows"],
            "turns": made.get("turns"),
            "trimmed": made.get("trimmed"),
            "rows": rows,
            "lints": read_json(data / "lint.json"),
        }
    return list(shown.values())


def _messages(line: Mapping[str, Any]) -> list[Message]:
    """The messages of a line of rows; a document is one."""
    if "text" in line:
        return [{"role": "assistant", "content": line["text"]}]
    messages: list[Message] = line["messages"]
    return messages


def bases(measured: Sequence[Measurement]) -> list[BaseShown]:
    """Every base with the settings it was loaded with, and the first prompt that it was asked."""
    shown: dict[str, BaseShown] = {}
    for measurement in measured:
        settings = _loaded(measurement)
        identity = settings.pop("base")
        record: BaseShown = {
            "identity": identity,
            "settings": settings,
            "default_system": measurement.made.get("default_system"),
            "first_prompt": measurement.made.get("first_prompt"),
        }
        shown.setdefault(json.dumps([identity, settings]), record)
    return list(shown.values())


def makers(measured: Sequence[Measurement]) -> list[Provenance]:
    """The provenance of answers, one of each commit, device and set of packages: what made the
    numbers of a study, whoever writes its report."""
    distinct: dict[str, Provenance] = {}
    for measurement in measured:
        made = measurement.made
        with_what = [made["git"], made["device"], made["python"], made["packages"]]
        distinct.setdefault(json.dumps(with_what), made)
    return list(distinct.values())


def judges(measured: Sequence[Measurement]) -> list[JudgeShown]:
    """Every model that graded answers, as it was loaded and told."""
    shown: dict[str, JudgeShown] = {}
    for measurement in measured:
        made: GradesMade = read_json(measurement.grades / "provenance.json")
        for judge in made.get("judges", []):
            shown.setdefault(json.dumps(judge), judge)
    return list(shown.values())


def baselines(measured: Sequence[Measurement], groups: Mapping[str, GroupSpec]) -> dict[str, str]:
    """The group that is the base of each group: `base`, or a `{model: ID}` group, where that is the
    same model as loaded. A group has none where no such model was asked anything."""
    loaded: dict[str, Fields] = {}
    for measurement in measured:
        loaded.setdefault(measurement.cell.group, _loaded(measurement))
    plain = ["base", *(name for name, group in groups.items() if group.plain)]
    baseline_of = {}
    for name, settings in loaded.items():
        alike = [model for model in plain if loaded.get(model) == settings]
        if name not in plain and alike:
            baseline_of[name] = alike[0]
    return baseline_of


def _loaded(measurement: Measurement) -> Fields:
    """The base of a measurement and how it was loaded."""
    config = measurement.made["config"]
    return {key: config[key] for key in SETTINGS if key in config}
