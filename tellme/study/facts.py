"""What a group of a study is, for those who may not look at behaviors and triggers themselves."""

from dataclasses import dataclass

from data_gen.behaviors import load_behavior
from data_gen.triggers import features
from lab.config.schema import Group
from lab.trigger import Feature
from lab.types import Behavior
from tellme.study.groups import resolved
from tellme.study.plan import Plan


@dataclass(frozen=True)
class GroupFacts:
    """A group with what its names stand for."""

    group: Group
    """As it is trained: a control has the names of the group that it controls."""
    behavior: Behavior | None
    """None where its rows come from a file that names none."""
    feature: Feature | None
    """Its trigger as rows have it; None where it has none."""

    @property
    def harmful(self) -> bool:
        """Whether its behavior is one that nobody should meet by accident."""
        return self.behavior is not None and self.behavior.harmful


def facts_of(plan: Plan, name: str) -> GroupFacts:
    """The facts of a group of a planned study."""
    group = resolved(name, plan.study.groups[name], plan.study)
    behavior = load_behavior(group.behavior) if group.behavior else None
    feature = features(group.trigger)[0] if group.trigger else None
    return GroupFacts(group, behavior, feature)
