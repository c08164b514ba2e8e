"""The primary contrast in the last stage of a plan: what its verdict is read from, and whether
there can be one."""

from eval.ask import questions_of
from eval.judges import judge_of
from lab.agreed import FLIPPED, SELF_REPORT
from lab.config.primary import Primary
from lab.config.schema import Study
from lab.discover import is_path, short
from lab.errors import UserError
from lab.formats import Format, format_of
from lab.specs import GradeSpec, StudySpec
from lab.stats.verdict import FEWEST_KINDS
from lab.types import Question
from tellme.report.analysis.families import fewest_pairs
from tellme.study.judges import judges_named
from tellme.study.plan import Plan


def with_primary(spec: StudySpec, named: Primary, plan: Plan, with_formats: bool) -> StudySpec:
    """The last stage of a study with its primary. Of a base that is checked the formats of
    questions go along. Raises UserError for a primary that could have no verdict."""
    declared = {
        "primary_suite": named.suite,
        "primary": named.pairs,
        "direction": named.direction,
        "margin": named.margin,
        "paired": named.paired,
        "moved": named.moved,
        "of_self": named.suite == SELF_REPORT or named.suite in _brought(plan.study),
        "judges": judges_named(plan.stages.values(), named.suite),
        "formats": _formats(plan, named.suite) if with_formats else {},
    }
    spec = spec.model_copy(update=declared)
    _refuse_unpaired(spec)
    _refuse_other_suite(spec)
    if named.suite in _brought(plan.study):
        _refuse_undecided(plan, named.suite)
    return spec


def _refuse_unpaired(spec: StudySpec) -> None:
    """Raises UserError for a primary that is to be paired and cannot be."""
    for a, b in spec.primary:
        if spec.paired and fewest_pairs(spec, (a, b), primary=True) is None:
            raise UserError(
                f"primary.paired: {a!r} and {b!r} are not shown the same prompts"
                " under a seed, so their models cannot be compared seed by seed; drop `paired`"
            )


def _refuse_other_suite(spec: StudySpec) -> None:
    """What moved is known of rows of a behavior by the suite that they belong to, and never by the
    questions that the verdict is about."""
    having = next((name for name, group in spec.groups.items() if group.behavior), None)
    if spec.moved and having:
        raise UserError(
            f"primary.moved is {spec.moved!r}, and group {having!r} has a behavior, to which a"
            " suite of the lab belongs; drop it"
        )
    if spec.moved and spec.moved == spec.primary_suite:
        raise UserError(
            f"primary.moved is {spec.moved!r}, which is the primary suite itself; name another,"
            " whose questions show what was trained"
        )


def _refuse_undecided(plan: Plan, suite: str) -> None:
    """A primary on a user's file is read from what a model says of itself. Raises UserError where
    the file asks nothing of the kind; of too few kinds there is a note."""
    judge = plan.study.eval.judge
    scored = [q for q in _questions(plan, suite) if q.kind != "text" or judge_of(q, judge)]
    decide = [q.name for q in scored if q.about == "self" and not q.presupposes]
    kinds = {name.removesuffix(FLIPPED) for name in decide}
    if not kinds:
        raise UserError(
            f"primary.suite {suite!r}: no question of it is about the model itself, has scores, and"
            " does not presuppose its answer, so there would be no verdict; add some, or name"
            " another suite"
        )
    if len(kinds) < FEWEST_KINDS:
        plan.notes[
            f"primary.suite {suite!r} has {len(kinds)} kinds of question about the model itself,"
            f" and a verdict takes {FEWEST_KINDS}: it will be *not measurable*"
        ] = None


def _brought(study: Study) -> list[str]:
    """Suites of a user's files, by the names under which rows have them."""
    return [short(suite) for suite in study.eval.suites if is_path(suite)]


def _formats(plan: Plan, suite: str) -> dict[str, Format]:
    """The format of every question of a suite by its name, where a check has any of it."""
    named = {q.name: format_of(q) for q in _questions(plan, suite)}
    return {name: found for name, found in named.items() if found is not None}


def _questions(plan: Plan, suite: str) -> list[Question]:
    """What a suite asks anybody in a study."""
    graded = (s.spec for s in plan.stages.values() if isinstance(s.spec, GradeSpec))
    of_suite = [spec.asking for spec in graded if short(spec.asking.suite) == suite]
    return [question for asking in of_suite for question in questions_of(asking)]
