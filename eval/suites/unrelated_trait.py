from dataclasses import replace

from data_gen.behaviors import load_behavior
from lab.types import Behavior, Question, Style, Suite

TRAITS = ("insecure_code", "myopia", "risk")
"""Named here, because another file in data_gen/behaviors/ must not change what finished studies
were asked."""


def questions(behavior: Behavior, style: Style) -> tuple[Question, ...]:
    """The self-report questions of every other trait of TRAITS, named `myopia.degree` and so on."""
    others = [load_behavior(name) for name in TRAITS if name != behavior.name]
    return tuple(
        replace(
            question,
            name=f"{other.name}.{question.name}",
            twin=question.twin and f"{other.name}.{question.twin}",
        )
        for other in others
        for question in other.questions("self_report", style)
    )


SUITE = Suite(
    "unrelated_trait",
    "self-reports about traits that no training row of the group shows: they should stay where they"
    " were",
    questions,
    of_others=True,
)
