"""The judges of a study: models are found as it is planned, and refused where they cannot judge
it."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from eval.ask import graded_digest, models_that_judge, questions_of
from eval.judges import judge_digest, judge_of, refuse_unfit
from lab.config.schema import Model
from lab.discover import is_path, short
from lab.engines import engine_digest, load_engine, locate_engine
from lab.errors import UserError
from lab.judge import ModelJudge
from lab.judging import Judging
from lab.model.base import resolve_base
from lab.model.folder import folder_digest
from lab.model.foreign import Adapter, resolve_adapter
from lab.specs import AnswerSpec, Asking, GradeSpec, Stage
from lab.store.store import DIGITS, Store, digest
from slurm.cluster import auto_dtype
from tellme.study.plan import Plan


def graded_by(plan: Plan, asking: Asking) -> GradeSpec:
    """How answers to a suite are graded, with the models that judge as they are loaded."""
    judge = plan.study.eval.judge
    for question in questions_of(asking):
        refuse_unfit(f"suite {short(asking.suite)!r}, ", question, judge)
    judging = tuple(_kept(plan, model) for model in models_that_judge(asking, judge))
    graded = graded_digest(asking, judge, judging)
    return GradeSpec(asking=asking, judge=judge, judging=judging, graded=graded)


def _kept(plan: Plan, judge: ModelJudge) -> Judging:
    if judge not in plan.judges:
        found = resolve_judge(judge, plan.study.run.cluster, plan.online)
        plan.judges[judge] = found
        plan.provisional |= found.adapter is not None and found.adapter.provisional
    return plan.judges[judge]


def resolve_judge(judge: ModelJudge, cluster: str = "local", online: bool = False) -> Judging:
    """A judge with the model that it is where it will be loaded. Raises UserError where there is no
    such model, adapter or engine."""
    try:
        return _resolved(judge, cluster, online)
    except UserError as error:
        raise UserError(f"judge {judge.title!r}: {error}") from None


def _resolved(judge: ModelJudge, cluster: str, online: bool) -> Judging:
    said = {"revision": judge.revision, "dtype": judge.dtype, "quantization": judge.quantization}
    model = Model.model_validate({"base": judge.model, **said})
    base = resolve_base(model, online=online, auto=partial(auto_dtype, cluster))
    named = judge.adapter
    adapter = resolve_adapter("adapter", named, base, None, online) if named else None
    engine = locate_engine(judge.engine, "engine")
    return Judging(
        judge=judge,
        base=base,
        adapter=adapter,
        engine=engine,
        answered=load_engine(engine).name,
        code=engine_digest(engine),
    )


def refuse_own_judge(plan: Plan) -> None:
    """Raises UserError for a judge that carries an adapter of the study: it would grade what it has
    been made to say. One that shares a base with what it grades is named."""
    asked = [s.spec for s in plan.stages.values() if isinstance(s.spec, AnswerSpec)]
    for judge, judging in plan.judges.items():
        if judging.adapter and _is_of(plan, judging.adapter):
            raise UserError(
                f"judge {judge.title!r} carries an adapter of this study, which it would grade"
                f" ({judging.adapter.source}); give it another, or none"
            )
        if any(spec.base.identity == judging.base.identity for spec in asked):
            same = f"judge {judge.title!r} is the base of models that it grades ({judge.model})"
            plan.notes[f"{same}: it may prefer what it would say itself"] = None


def _is_of(plan: Plan, adapter: Adapter) -> bool:
    """Whether an adapter is trained or measured in a study, wherever it was copied to."""
    specs = [stage.spec for stage in plan.stages.values()]
    foreign = {s.adapter.identity for s in specs if isinstance(s, AnswerSpec) and s.adapter}
    if adapter.identity in foreign:
        return True
    keys = {*plan.adapters.values()}
    if any(part.rpartition("-")[2] in keys for part in Path(adapter.source).parts):
        return True
    return adapter.identity in {folder_digest(path) for path in _trained(plan)}


def _trained(plan: Plan) -> Iterator[Path]:
    """The folders of adapters of a study that are there already, those of its steps too."""
    store = Store(plan.study.run.dir)
    for key in dict.fromkeys(plan.adapters.values()):
        folder = store.find("train", key)
        if folder:
            yield folder / "adapter"
            yield from (path for path in folder.glob("steps/*") if path.is_dir())


def judges_named(stages: Iterable[Stage], suite: str) -> tuple[str, ...]:
    """Digests of the models and the judges of a user's that grade answers to a suite."""
    specs = [stage.spec for stage in stages]
    found: set[str] = set()
    for spec in specs:
        if isinstance(spec, GradeSpec) and short(spec.asking.suite) == suite:
            named = {judge_of(question, spec.judge) for question in questions_of(spec.asking)}
            found |= {judge_digest(n) for n in named if isinstance(n, str) and is_path(n)}
            found |= {digest(one.identity)[:DIGITS] for one in spec.judging}
    return tuple(sorted(found))
