"""What a study may ask of models at an address: refused before anything is asked."""

from collections.abc import Mapping

from eval.ask import questions_of
from lab.config.schema import Group, Study
from lab.discover import short
from lab.engines import load_engine
from lab.errors import UserError
from lab.model.base import SERVED, Base
from lab.specs import AnswerSpec
from tellme.study.plan import Plan


def refuse_unserved(
    study: Study, groups: Mapping[str, Group], study_base: Base, bases: Mapping[str, Base]
) -> None:
    """Raises UserError for a model that the engine of the study cannot ask, or that nobody knows
    the name of at the server. `bases` are those of the groups."""
    engine = load_engine(study.eval.engine)
    served = next((base for base in (study_base, *bases.values()) if base.served), None)
    if served and not engine.elsewhere:
        raise UserError(
            f"model {served.name!r} is asked where it is served, and eval.engine is"
            f" {short(study.eval.engine)!r}; set eval.engine: endpoint"
        )
    if not engine.elsewhere:
        return
    if study.run.endpoint is None:
        raise UserError(
            f"eval.engine {short(study.eval.engine)!r} asks a server; say where: --set"
            " run.endpoint.url=http://127.0.0.1:8000/v1"
        )
    if study.eval.steps:
        raise UserError(
            "eval.steps: a server has adapters as they are at the end of training; drop it, or set"
            " eval.engine: exact"
        )
    for name, base in bases.items():
        _refuse_group(f"groups.{name}", groups[name], base, study_base)


def _refuse_group(where: str, group: Group, base: Base, study_base: Base) -> None:
    if base.served and (group.trained or group.adapter):
        raise UserError(
            f"{where}: no adapter is trained or put on {base.name!r}, whose weights are not here;"
            f" name a model that the server has, `model: {SERVED}NAME`"
        )
    if not base.served and base != study_base:
        raise UserError(
            f"{where}: {base.name!r} is not loaded as the study's base is, and what the server"
            f" calls it is not known; name it as the server does, `model: {SERVED}NAME`"
        )


def refuse_begun(plan: Plan) -> None:
    """Raises UserError for an answer that is begun for a model whose weights are elsewhere: servers
    differ in whether it is gone on with, and nothing here would show it."""
    specs = [stage.spec for stage in plan.stages.values() if isinstance(stage.spec, AnswerSpec)]
    for spec in specs:
        if not spec.base.served:
            continue
        for question in questions_of(spec.asking):
            if any(wording.prefill for wording in question.wordings):
                raise UserError(
                    f"question {question.name!r} has `prefill`, which {spec.base.name!r} may not go"
                    " on with where it is served; drop it, or ask a base whose weights are here"
                )
