"""Which questions can be read: those of whose kind every group of a contrast gives listed
answers."""

import pandas as pd

from lab.agreed import FLIPPED
from lab.config.primary import Side
from lab.specs import StudySpec, groups_in
from lab.stats.verdict import is_measurable


def kind_of(question: str) -> str:
    """A question and its flipped twin are of one kind."""
    return question.removesuffix(FLIPPED)


def names_in(side: Side) -> list[str]:
    """The groups of a side, each with its condition."""
    return [side] if isinstance(side, str) else list(side)


def group_of(name: str) -> str:
    """The group of `group` or `group@condition`."""
    ((group, _),) = groups_in(name)
    return group


def taught(spec: StudySpec, a: Side, b: Side) -> set[str]:
    """Kinds of question that the rows of a side have: they are what was trained, and no part of
    what a primary finds."""
    sides = [group_of(name) for name in (*names_in(a), *names_in(b))]
    return {kind for name in sides if (g := spec.groups.get(name)) for kind in g.taught}


def of_side(asked: pd.DataFrame, name: str) -> pd.DataFrame:
    """The lines of a group under a condition, `group` or `group@condition`."""
    ((group, condition),) = groups_in(name)
    return asked[(asked["group"] == group) & (asked["condition"] == condition)]


def measurable(asked: pd.DataFrame, a: Side, b: Side, named: str = "question") -> pd.DataFrame:
    """The lines whose kind of question can be read in every group of a contrast. `asked` as from
    `per_question`; `named` is the column in which a line has its question."""
    kinds = asked[named].map(kind_of)
    readable = [kind for kind in kinds.unique() if can_be_read(asked[kinds == kind], a, b)]
    return asked[kinds.isin(readable)]


def can_be_read(asked: pd.DataFrame, a: Side, b: Side) -> bool:
    """Whether every group of a contrast was asked these questions, all together, and gives answers
    to them that can be compared."""
    of_groups = [of_side(asked, name) for name in (*names_in(a), *names_in(b))]
    if not all(map(len, of_groups)):
        return False
    masses = [float(own["listed"].mean()) for own in of_groups]
    return is_measurable(min(masses), max(masses))
