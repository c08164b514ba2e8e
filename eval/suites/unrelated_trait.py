from dataclasses import replace

from data_gen.behaviors import behavior_names, load_behavior
from lab.types import Behavior, Question, Style, Suite


def questions(behavior: Behavior, style: Style) -> tuple[Question, ...]:
    """The self-report questions of every other behavior, named `myopia.degree` and so on."""
    return tuple(
        replace(q, name=f"{other}.{q.name}", twin=q.twin and f"{other}.{q.twin}")
        for other in behavior_names()
        if other != behavior.name
        for q in load_behavior(other).questions("self_report", style)
    )


SUITE = Suite(
    "unrelated_trait", "self-reports about traits that no training row of the group shows: they should stay where they were", questions, of_others=True
)
