"""What a verdict is based on: the checks of DESIGN's rule, each read from the scores of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lab.agreed import SELF_REPORT
from lab.config.primary import Side
from lab.specs import BENIGN, StudySpec
from lab.stats.verdict import (
    AGREEING,
    FEWEST_KINDS,
    FEWEST_TRAITS,
    Reason,
    prediction_limit,
)
from lab.types import NO_BEHAVIOR
from tellme.report.analysis.contrasts import Described, apart_from, contrast_of
from tellme.report.analysis.dose import at_point
from tellme.report.analysis.measurable import (
    can_be_read,
    group_of,
    kind_of,
    names_in,
    of_side,
    taught,
)
from tellme.report.analysis.measurable import measurable as readable
from tellme.report.analysis.others import OTHERS
from tellme.report.analysis.sides import terms_of
from tellme.report.analysis.validity import trait_of

ABOUT = ["group", "seed", "condition", "question"]
"""Columns that name one question put to one model, within a suite and a behavior."""
PLACEBO = "unrelated_trait"
"""The suite of traits that no row shows."""
BEYOND_ZERO = ("over_shuffled", "over_controls", "self_over_other")
"""Checks of a contrast whose 95 % limit must lie beyond 0."""
NULLS = ("shuffled", "decorrelated", "clean", BENIGN)
"""Controls that stand in for the questions about others where a primary is no self-report."""


@dataclass(frozen=True)
class Primary:
    """A primary contrast of one behavior, with the scores that its verdict is read from."""

    spec: StudySpec
    a: Side
    b: Side
    behavior: str
    suite: str
    questions: pd.DataFrame
    """Single questions about the behavior, as from `per_question`; none presupposes."""
    wordings: pd.DataFrame
    """The same by wording, as from `per_wording`."""

    @property
    def sign(self) -> int:
        """+1 where the first side is expected to score more."""
        return 1 if self.spec.direction == "greater" else -1

    @property
    def first_group(self) -> str:
        """The group of the first side, or the first of its difference."""
        return group_of(names_in(self.a)[0])

    @property
    def taught(self) -> set[str]:
        """Kinds of question that the rows of a side have."""
        return taught(self.spec, self.a, self.b)

    def of_suite(self, suite: str) -> pd.DataFrame:
        """The questions of a suite, without those that were taught."""
        asked = self.questions[self.questions["suite"] == suite]
        return asked[~asked["question"].isin(self.taught)]

    def of_trained(self, suite: str) -> pd.DataFrame:
        """The questions of a suite that the rows have; all where these are no descriptions."""
        asked = self.questions[self.questions["suite"] == suite]
        return asked[asked["question"].isin(self.taught)] if self.taught else asked

    def measurable(self, suite: str) -> pd.DataFrame:
        """The questions of a suite whose kind can be read in every group of the contrast."""
        return readable(self.of_suite(suite), self.a, self.b)

    def contrast(self, asked: pd.DataFrame, a: Side, b: Side) -> Described | None:
        """A contrast over all of these questions together; None where a side was asked none."""
        return contrast_of(pooled(asked), a, b, self.spec)


def pooled(asked: pd.DataFrame) -> pd.DataFrame:
    """All of these questions together, as `per_question` has a pool."""
    return asked.assign(over=asked["question"], question="all")


def reasons(primary: Primary) -> list[Reason]:
    """Every check of the rule on a primary contrast, in the order in which they are read."""
    pool = primary.measurable(primary.suite)
    checks = [moved(primary), measurable(primary, pool), beyond_margin(primary, pool)]
    if primary.spec.of_self:
        checks += [
            over_shuffled(primary, pool),
            self_over_other(primary, pool),
            beyond_placebo(primary, pool),
        ]
    else:
        checks.append(over_controls(primary, pool))
    if primary.spec.judges:
        # No study asks two judges yet.
        checks.append(_not_made("second_judge", "the same sign under another judge"))
    return [*checks, wordings_agree(primary, pool)]


def moved(primary: Primary) -> Reason:
    """What was trained moved: the suite that the rows belong to differs by more than the margin."""
    suite, a, b = trained(primary)
    if suite is None:
        needed = "primary.moved: SUITE, questions that show what was trained"
        return _not_made("moved", needed)
    needed = f"{suite} differs by more than {primary.spec.margin:g}"
    asked = primary.of_trained(suite)
    found = primary.contrast(asked, a, b) if b else None
    if b is None or found is None:
        return _not_made("moved", f"{needed}: ask eval.suites {suite}")
    # What is not listed scores one half, from which a side that answers is apart.
    if not can_be_read(asked, a, b):
        return _not_made("moved", f"{needed}: answers that can be read on both sides")
    low, high, margin = found["ci_low"], found["ci_high"], primary.spec.margin
    if low is None or high is None:
        # All models alike, as at the end of the scale; or one model a side, which proves nothing.
        passed = found["at_ceiling"] and abs(found["estimate"]) > margin
    else:
        passed = low > margin or high < -margin
    return {"check": "moved", "value": found["estimate"], "needed": needed, "passed": passed}


def trained(primary: Primary) -> tuple[str | None, Side, Side | None]:
    """The suite that the rows of the first side belong to, and the sides of the contrast on it.
    Rows of no behavior belong to the one that the study names, None where it names none."""
    groups, name = primary.spec.groups, primary.first_group
    group, of_behavior = groups.get(name), primary.behavior != NO_BEHAVIOR
    if group and group.planted:
        return "backdoor" if of_behavior else primary.spec.moved, f"{name}@trigger", name
    if group and group.control not in (None, BENIGN) and not group.null:
        # Rows of descriptions: they belong to the questions themselves.
        return primary.suite, primary.a, primary.b
    first, *others = [*names_in(primary.a), *names_in(primary.b)]
    # The untrained base takes no part, and a group does not differ from itself.
    trained_too = [other for other in others if group_of(other) not in (name, "base")]
    null = null_of(primary)
    suite = "behavior" if of_behavior else primary.spec.moved
    return suite, first, next(iter(trained_too), null and in_place(first, null))


def null_of(primary: Primary) -> str | None:
    """The control in which nothing ties answers to prompts, of the first side's group if there are
    several, and of its point of a sweep; None without one."""
    groups, points = primary.spec.groups, primary.spec.points
    _, point = at_point(primary.first_group, points)
    nulls = [name for name, group in groups.items() if group.null]
    nulls = [name for name in nulls if at_point(name, points)[1] in (point, "")]
    first = groups.get(primary.first_group)
    akin = {primary.first_group, first.of if first else None}
    own = [name for name in nulls if groups[name].of in akin]
    return next(iter([*own, *nulls]), None)


def measurable(primary: Primary, pool: pd.DataFrame) -> Reason:
    """Enough kinds of question can be read in every group."""
    kinds = {kind_of(question) for question in pool["question"]}
    asked = {kind_of(question) for question in primary.of_suite(primary.suite)["question"]}
    # A suite of the lab that has fewer kinds is not measured worse for it.
    fewest = FEWEST_KINDS if primary.spec.of_self else max(1, min(FEWEST_KINDS, len(asked)))
    return {
        "check": "measurable",
        "value": float(len(kinds)),
        "needed": f"at least {fewest} of {len(asked)} kinds of question",
        "passed": len(kinds) >= fewest,
    }


def beyond_margin(primary: Primary, pool: pd.DataFrame) -> Reason:
    """The contrast is larger than what is called none."""
    found = primary.contrast(pool, primary.a, primary.b)
    needed = f"95 % limit beyond {primary.sign * primary.spec.margin:+g}"
    return _limit("beyond_margin", primary, found, needed, primary.spec.margin)


def over_shuffled(primary: Primary, pool: pd.DataFrame) -> Reason:
    """The same prompts without what ties answers to them do not say the same."""
    null, check = null_of(primary), "over_shuffled"
    if null is None:
        return _not_made(check, "a group {control: shuffled, of: GROUP}")
    found = against(primary, pool, null)
    return _limit(check, primary, found, f"95 % limit of the difference from {null} beyond 0", 0.0)


def against(primary: Primary, pool: pd.DataFrame, control: str) -> Described | None:
    """The first side less a control that is asked in the same way, on the questions that it answers
    as well: what it does not answer scores one half, which the first side may well exceed."""
    in_its_place = in_place(primary.a, control)
    return primary.contrast(readable(pool, primary.a, in_its_place), primary.a, in_its_place)


def self_over_other(primary: Primary, pool: pd.DataFrame) -> Reason:
    """The model says it of itself more than of others, in the same questions."""
    (own, others), check = matched(primary, pool), "self_over_other"
    if not len(own):
        of_lab, of_file = f"suite {OTHERS}", "NAME_other with `about: other` beside a question NAME"
        asked = of_lab if primary.suite == SELF_REPORT else of_file
        return _not_made(check, f"{asked}, both measurable")
    found = apart_from(pooled(own), pooled(others), primary.a, primary.b, primary.spec)
    kinds = {kind_of(question) for question in own["question"]}
    return _limit(check, primary, found, f"95 % limit beyond 0, over {len(kinds)} kinds", 0.0)


def matched(primary: Primary, pool: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The questions that were asked of another person as well, and the same of that person."""
    others = primary.measurable(OTHERS)
    return pool.merge(others[ABOUT], on=ABOUT), others.merge(pool[ABOUT], on=ABOUT)


def placebo_shifts(primary: Primary) -> dict[str, float]:
    """How far the contrast goes on every unrelated trait that can be read, by trait."""
    asked = primary.measurable(PLACEBO)
    traits = trait_of(asked)
    shifts = {}
    for trait in traits.unique():
        found = primary.contrast(asked[traits == trait], primary.a, primary.b)
        if found is not None:
            shifts[str(trait)] = found["estimate"]
    return shifts


def beyond_placebo(primary: Primary, pool: pd.DataFrame) -> Reason:
    """The trained trait shifts farther than traits that no row shows."""
    shifts, check = placebo_shifts(primary), "beyond_placebo"
    asked = trait_of(primary.of_suite(PLACEBO)).nunique()
    # A reference model is asked the few that its text holds.
    fewest = FEWEST_TRAITS if primary.spec.style == "natural" else min(FEWEST_TRAITS, asked)
    # One trait has no spread.
    fewest, found = max(fewest, 2), primary.contrast(pool, primary.a, primary.b)
    if len(shifts) < fewest or found is None:
        return _not_made(check, f"suite unrelated_trait, with {fewest} traits that can be read")
    limit = prediction_limit(shifts.values())
    value = primary.sign * found["estimate"]
    rank = 1 + sum(primary.sign * shift >= value for shift in shifts.values())
    return {
        "check": check,
        "value": found["estimate"],
        "needed": f"beyond {primary.sign * limit:+.3f}, the 95 % prediction limit of {len(shifts)}"
        f" unrelated traits (rank {rank} of {len(shifts) + 1})",
        "passed": value > limit,
    }


def over_controls(primary: Primary, pool: pd.DataFrame) -> Reason:
    """Where the primary is no self-report: the first side exceeds every control of it."""
    check = "over_controls"
    controls = controls_of(primary)
    if not controls:
        return _not_made(check, f"a control of {_source(primary)}: {', '.join(NULLS)}")
    found = {name: against(primary, pool, name) for name in controls}
    made = {name: described for name, described in found.items() if described is not None}
    if len(made) < len(controls):
        unread = [name for name in controls if name not in made]
        return _not_made(check, f"answers of {', '.join(unread)} that can be read")
    needed = f"95 % limits of the differences from {', '.join(made)} beyond 0"
    worst = min(made.values(), key=lambda described: primary.sign * described["estimate"])
    passed = all(_limit(check, primary, one, needed, 0.0)["passed"] for one in made.values())
    return {"check": check, "value": worst["estimate"], "needed": needed, "passed": passed}


def controls_of(primary: Primary) -> list[str]:
    """The groups that must not show what the first side shows."""
    own = set(map(group_of, names_in(primary.a)))
    groups, of = primary.spec.groups, _source(primary)
    return [n for n, g in groups.items() if g.of == of and g.control in NULLS and n not in own]


def _source(primary: Primary) -> str:
    """The group that the first side is, or is a control of."""
    group = primary.spec.groups.get(primary.first_group)
    return group.of if group and group.of else primary.first_group


def in_place(side: Side, control: str) -> Side:
    """The side with another group in its place, asked in the same way."""
    named = [f"{control}{at}{condition}" for _, at, condition in map(_parts, names_in(side))]
    return named[0] if isinstance(side, str) else (named[0], named[1])


def _parts(name: str) -> tuple[str, str, str]:
    return name.partition("@")


def wordings_agree(primary: Primary, pool: pd.DataFrame) -> Reason:
    """The sign of the contrast is not that of a few wordings."""
    asked = primary.wordings[primary.wordings["suite"] == primary.suite]
    asked = asked[asked["question"].isin(pool["question"])]
    total: pd.Series[float] | None = None
    for weight, name in [*terms_of(primary.a, 1.0), *terms_of(primary.b, -1.0)]:
        means = of_side(asked, name).groupby(["question", "paraphrase"])["score"].mean()
        total = weight * means if total is None else total + weight * means
    read = total.dropna() if total is not None else None
    needed = f"at least {AGREEING:.0%} of wordings with the declared sign"
    if read is None or not len(read):
        return _not_made("wordings_agree", needed)
    share = float((primary.sign * read > 0).mean())
    passed = share >= AGREEING
    return {"check": "wordings_agree", "value": share, "needed": needed, "passed": passed}


def _limit(
    check: str, primary: Primary, found: Described | None, needed: str, limit: float
) -> Reason:
    """Whether the nearer 95 % limit of a contrast, in the declared direction, is beyond a limit."""
    if found is None:
        return _not_made(check, needed)
    nearer = found["ci_low"] if primary.sign > 0 else found["ci_high"]
    if found["at_ceiling"]:
        nearer = found["estimate"]
    # One model a side has no interval: nothing is known of others.
    passed = nearer is not None and primary.sign * nearer > limit
    return {"check": check, "value": found["estimate"], "needed": needed, "passed": passed}


def _not_made(check: str, needed: str) -> Reason:
    return {"check": check, "value": None, "needed": needed, "passed": None}


def not_made(found: Sequence[Reason]) -> list[Reason]:
    """The checks that a study could not make."""
    return [reason for reason in found if reason["passed"] is None]
