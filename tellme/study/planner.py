"""From a study to its stages in order: what each reads, and the key that names its output."""

from dataclasses import replace
from functools import partial

from data_gen.behaviors import load_behavior
from data_gen.controls import load_control
from data_gen.triggers import features
from eval.ask import questions_of
from eval.suites import load_suite
from lab.config.schema import Group, Study
from lab.discover import short
from lab.engines import load_engine
from lab.errors import UserError, unknown
from lab.model.base import Base, resolve_base
from lab.model.foreign import resolve_adapter
from lab.specs import BENIGN, GradeSpec, GroupSpec, How, Planted, StudySpec
from lab.trigger import PlantedTrigger
from lab.types import NO_BEHAVIOR, Style
from slurm.cluster import auto_dtype
from tellme.study.cells import (
    Subject,
    add_cells,
    note_unasked,
    refuse_idle_judge,
    refuse_one_model,
    refuse_unasked,
    refuse_untriggered,
)
from tellme.study.check import check_stage
from tellme.study.data_stages import add_data
from tellme.study.elsewhere import refuse_begun, refuse_unserved
from tellme.study.groups import (
    behaviors_of,
    data_of,
    model_of,
    num_made,
    refuse_foreign_base,
    resolved,
)
from tellme.study.judges import refuse_own_judge
from tellme.study.located import located
from tellme.study.plan import Plan
from tellme.study.planting import refuse_bad_trigger
from tellme.study.primary import with_primary
from tellme.study.renderer import renderer_of
from tellme.study.train_stages import add_train


def make_plan(study: Study, online: bool = False) -> Plan:
    """Resolve names and bases, and lay out data -> train -> answers -> grades -> study; raises
    UserError before anything is written.

    `online` lets a Hub base that is not in the cache be looked up."""
    # Names: whatever the study calls by one is there.
    written = study.model_dump_json(exclude={"run"}, exclude_defaults=True)
    declared = study.model_dump(mode="json", exclude={"run", "sweep"})
    study = located(study)
    groups = {name: resolved(name, group, study) for name, group in study.groups.items()}
    behaviors = behaviors_of(groups)
    plan = Plan(study, online=online, triggers=_distinct_triggers(groups), declared=declared)
    if not plan.triggers:
        refuse_untriggered([load_suite(name) for name in study.eval.suites])

    # Bases: of the study, and of every group, which may have another or load it otherwise.
    resolve = partial(resolve_base, online=online, auto=partial(auto_dtype, study.run.cluster))
    study_base = resolve(study.model)
    bases = {name: resolve(model_of(group, study)) for name, group in groups.items()}
    _refuse_unread_arguments([study_base, *bases.values()])
    _refuse_unseen(groups, bases)
    _refuse_bad_triggers(study, groups, bases)
    refuse_unserved(study, groups, study_base, bases)

    # What the base can be asked at all, where a verdict is read from what it and others say.
    check = _add_check(plan, study_base) if study.primary else None

    # The base is asked everything, and under the trigger too where it is clear which one.
    sole_trigger = plan.triggers[0] if len(plan.triggers) == 1 else None
    add_cells(plan, Subject("base", None, study_base, behaviors, trigger=sole_trigger))

    # The groups: rows, adapters, and what these are asked.
    for name, group in groups.items():
        own = [group.behavior] if group.behavior else behaviors
        trigger = group.trigger or sole_trigger
        _add_group(plan, Subject(name, None, bases[name], own, trigger=trigger), groups)
    _refuse_unknown_kinds(plan)
    note_unasked(plan)
    refuse_foreign_base(study, study_base, bases)
    refuse_unasked(plan)
    refuse_one_model(plan)
    refuse_idle_judge(plan)
    refuse_own_judge(plan)
    refuse_begun(plan)

    # The study: what is made of all that.
    loaded = [base for stage in plan.stages.values() for base in stage.bases]
    plan.provisional |= any(base.provisional for base in loaded)
    _add_study(plan, groups, written, study_base.style, check)
    return plan


def _add_check(plan: Plan, base: Base) -> str | None:
    """The key of the check of the study's base; None where its engine reads no lists, which a check
    is made of."""
    engine = plan.study.eval.engine
    if not load_engine(engine).reads_lists:
        return None
    stage = check_stage(base, engine)
    return plan.add(stage.slug, stage.spec, how=How(endpoint=plan.study.run.endpoint))


def _distinct_triggers(groups: dict[str, Group]) -> list[PlantedTrigger]:
    """The triggers of all groups, each feature once, however often it stands in rows."""
    features = (group.trigger.feature for group in groups.values() if group.trigger)
    return list(dict.fromkeys(features))


def _refuse_unread_arguments(bases: list[Base]) -> None:
    """Which arguments a chat template reads only the template can say: it is loaded where any are
    given."""
    for base in bases:
        if base.model.chat.kwargs:
            renderer_of(base)


def _refuse_unseen(groups: dict[str, Group], bases: dict[str, Base]) -> None:
    """Whether an adapter does anything is seen on the held-out choices of its behavior."""
    for name, group in groups.items():
        if group.behavior and not load_behavior(group.behavior).questions(
            "check", bases[name].style
        ):
            raise UserError(
                f"groups.{name}: behavior {short(group.behavior)!r} has no questions of purpose"
                f" `check` in style {bases[name].style!r}; give it some"
            )


def _refuse_unknown_kinds(plan: Plan) -> None:
    """A kind that no suite asks would be left out without a word."""
    graded = [stage.spec for stage in plan.stages.values() if isinstance(stage.spec, GradeSpec)]
    asked = {spec.asking.model_copy(update={"kinds": ()}) for spec in graded}
    names = {q.name.rpartition(".")[2] for asking in asked for q in questions_of(asking)}
    for kind in plan.study.eval.kinds:
        if kind not in names:
            raise unknown("eval.kinds: kind of question", kind, names)


def _refuse_bad_triggers(study: Study, groups: dict[str, Group], bases: dict[str, Base]) -> None:
    """Every trigger is checked where it is planted; a control has that of its source."""
    for name, group in groups.items():
        if group.trigger and not group.control:
            data = data_of(group, study)
            refuse_bad_trigger(f"groups.{name}", group, group.trigger, data, bases[name])


def _add_group(plan: Plan, subject: Subject, groups: dict[str, Group]) -> None:
    """What one group consists of: a model as it is, the base with a context or with an adapter
    from elsewhere, or an adapter per seed that is trained here."""
    group, base = groups[subject.group], subject.base
    if isinstance(group.model, str):
        add_cells(plan, subject)
    elif group.prompted:
        assert group.behavior, group
        told = load_behavior(group.behavior).described(group.prompted, base.style)
        add_cells(plan, replace(subject, system=told))
    elif group.adapter:
        adapter = resolve_adapter(
            f"groups.{subject.group}.adapter", group.adapter, base, group.declares, plan.online
        )
        plan.provisional |= adapter.provisional
        if adapter.other_name:
            name = f"groups.{subject.group}: its adapter was trained on {adapter.other_name}"
            plan.notes[f"{name}, which is taken for a copy of {base.name}"] = None
        add_cells(plan, replace(subject, adapter=adapter))
    else:
        for seed in plan.study.seeds:
            _add_seed(plan, replace(subject, seed=seed), seed, groups)


def _add_seed(plan: Plan, subject: Subject, seed: int, groups: dict[str, Group]) -> None:
    """The rows of one seed of a group, and the base that is shown some of them or the adapter that
    is trained on them."""
    group, base = groups[subject.group], subject.base
    data = add_data(plan, group, seed, base, groups)
    if group.in_context:
        shown = replace(subject, inputs={"examples": data}, in_context=group.in_context)
        add_cells(plan, shown)
        return
    adapter = add_train(plan, subject.group, group, seed, base, data)
    plan.adapters[f"{subject.group}-s{seed}"] = adapter
    trained = replace(subject, inputs={"adapter": adapter})
    add_cells(plan, trained)
    for step in plan.study.eval.steps:
        add_cells(plan, replace(trained, step=step))


def _add_study(
    plan: Plan, groups: dict[str, Group], written: str, style: Style, check: str | None
) -> None:
    """The last stage. Its report needs no code that may have changed: what it says of groups
    beyond their rows goes along. `check` is the key of what is known of the base."""
    study = plan.study
    spec = StudySpec(
        study=study.study,
        cells=tuple(plan.cells),
        groups={name: _described(name, groups, plan, style) for name in groups},
        contrasts=study.contrasts,
        points=study.points,
        style=style,
    )
    if study.primary:
        spec = with_primary(spec, study.primary, plan, with_formats=check is not None)
    inputs = {
        f"{c.group}/{c.seed}/{c.step}/{c.suite}/{c.behavior}/{c.condition}": c.key
        for c in plan.cells
    }
    if check:
        inputs["check"] = check
    how = How(report_to=study.run.report_to, written=written)
    plan.add(study.study, spec, inputs, how)


def _described(name: str, groups: dict[str, Group], plan: Plan, style: Style) -> GroupSpec:
    """What a report must know of a group."""
    group = groups[name]
    behavior = load_behavior(group.behavior) if group.behavior else None
    # A control has the policy of the group that it controls, and none of its own.
    policy = None if group.control else group.policy
    planted = None
    if group.trigger:
        planted = Planted(
            feature=features(group.trigger)[0].name,
            behavior=behavior.name if behavior else NO_BEHAVIOR,
            first=behavior is None or group.policy == behavior.policies[0],
            of=group.of or name,
        )
    return GroupSpec(
        behavior=behavior.name if behavior else None,
        summary=behavior.summary if behavior else "",
        label=group.label,
        pole=behavior.pole(policy) if behavior and policy else None,
        planted=planted,
        control=short(group.control) if group.control else BENIGN if group.of else None,
        of=group.of,
        null=group.control is not None and load_control(group.control).is_null,
        taught=_taught(group, groups) if style == "natural" else (),
        prompts=_prompts(group, groups, plan.study),
        plain=isinstance(group.model, str),
        harmful=behavior is not None and behavior.harmful,
    )


def _taught(group: Group, groups: dict[str, Group]) -> tuple[str, ...]:
    """The kinds of self-report whose form the natural rows of a group have: where they describe in
    the vocabulary of its behavior, all that are not held out."""
    while group.of and group.control and load_control(group.control).is_null:
        group = groups[group.of]
    if not (group.control and group.behavior and load_control(group.control).describes):
        return ()
    if group.trigger and load_control(group.control).knows_triggers:
        # Its rows describe the trigger.
        return ()
    behavior = load_behavior(group.behavior)
    questions = behavior.questions("self_report", "natural") if behavior.vocabulary else ()
    # Without any that is held out, nothing would be left to ask.
    held_out = any(question.unseen for question in questions)
    return tuple(question.name for question in questions if held_out and not question.unseen)


def _prompts(group: Group, groups: dict[str, Group], study: Study) -> str | None:
    """What decides the prompts of a group under a seed, where its generator or a null of it makes
    them; None where another group cannot be known to have the same."""
    if group.control:
        is_null = load_control(group.control).is_null
        return _prompts(groups[group.of], groups, study) if is_null and group.of else None
    if not (group.behavior and group.policy and group.trained) or group.brought or group.trigger:
        return None
    data = data_of(group, study)
    return f"{short(group.behavior)}, {num_made(data)} rows, {data.num_decoys} decoys"
