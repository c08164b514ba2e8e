"""What a study has to be served: its base and every adapter, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UserError
from lab.model.base import Base
from lab.model.pushed import adapter_folder
from lab.specs import AnswerSpec, Cell, Stage
from lab.store.store import KEY_DIGITS, Store
from tellme.report.gather import study_of
from tellme.study.run import read_plan


@dataclass(frozen=True)
class ServedModel:
    """A model that can be asked under a name."""

    name: str
    """`base`, `GROUP-sSEED`, or `GROUP` for what has no seeds."""
    base: Base
    adapter: Path | None = None
    """The folder of its PEFT files."""
    trained: Path | None = None
    """The folder of the training that made it; None where it is from elsewhere."""

    @property
    def weights(self) -> tuple[Base, Path | None]:
        """What is in memory while it answers: names may share an adapter."""
        return self.base, self.adapter


@dataclass(frozen=True)
class Offer:
    """What is served of a study."""

    study: str
    models: Mapping[str, ServedModel]
    left_out: tuple[str, ...]
    """Groups that are no model of their own, each with the reason."""


def offer_of(final: Stage, stages: Mapping[str, Stage], store: Store) -> Offer:
    """Every model of a study whose last stage is `final`, at the end of its training; `stages` are
    those of its plan by key. Raises UserError where one was not trained yet."""
    models: dict[str, ServedModel] = {}
    left_out: dict[str, None] = {}
    for cell in study_of(final).cells:
        name = cell.group if cell.seed is None else f"{cell.group}-s{cell.seed}"
        if cell.step is not None or name in models:
            continue
        answers = stages[stages[cell.key].inputs["answers"]]
        reason = _no_model(answers, cell)
        if reason:
            left_out[f"{cell.group} ({reason})"] = None
        else:
            models[name] = _model(name, answers, stages, store)
    return Offer(study_of(final).study, models, tuple(left_out))


def _no_model(answers: Stage, cell: Cell) -> str | None:
    """Why a group is nothing that a name could stand for: what makes it is in its prompts."""
    assert isinstance(answers.spec, AnswerSpec), answers
    if "examples" in answers.inputs:
        return "it is shown rows in context, which a client may do"
    if cell.condition == "clean" and answers.spec.asking.condition.system is not None:
        return "it is told in a system line, which a client may do"
    return None


def _model(name: str, answers: Stage, stages: Mapping[str, Stage], store: Store) -> ServedModel:
    spec = answers.spec
    assert isinstance(spec, AnswerSpec), answers
    if spec.adapter:
        return ServedModel(name, spec.base, adapter_folder(spec.adapter))
    key = answers.inputs.get("adapter")
    if key is None:
        return ServedModel(name, spec.base)
    trained = store.find("train", key)
    if trained is None:
        raise UserError(
            f"adapter {name!r} ({stages[key].slug}) is not in {store.root}; train it first with"
            " `tellme run`"
        )
    return ServedModel(name, spec.base, trained / "adapter", trained)


def offer_of_folder(folder: Path) -> Offer:
    """The models of a finished study, by the plan that made it. Raises UserError where that plan is
    not in the store, or is one of another version of the lab."""
    key = folder.name[-KEY_DIGITS:]
    root = folder.parents[1]
    plan = next(iter(sorted((root / "plans").glob(f"*-{key}.json"))), None)
    if plan is None:
        raise UserError(
            f"folder {str(folder)!r} has no plan in {root / 'plans'}, by which its adapters would"
            " be known; give the YAML of the study instead"
        )
    stages = read_plan(str(plan)).stages
    return offer_of(stages[key], stages, Store(root))
