from dataclasses import replace

from data_gen.behaviors import load_behavior
from data_gen.traits import load_trait, trait_names
from lab.types import Question, Style, Suite

BEHAVIORS = ("insecure_code", "myopia", "risk")
"""Named here, because another file in data_gen/behaviors/ must not change what finished studies
were asked. Another file in data_gen/traits/ does: it is there to be asked about."""


def questions(style: Style, trained: str | None = None) -> tuple[Question, ...]:
    """The self-report questions of every behavior of BEHAVIORS but the trained one, and of every
    trait, named `myopia.degree` and so on."""
    others = [*map(load_behavior, BEHAVIORS), *map(load_trait, trait_names())]
    return tuple(
        replace(
            question,
            name=f"{other.name}.{question.name}",
            twin=question.twin and f"{other.name}.{question.twin}",
        )
        for other in others
        if other.name != trained
        for question in other.questions("self_report", style)
    )


SUITE = Suite(
    "unrelated_trait",
    "self-reports about traits that no training row of the group follows: they should stay where"
    " they were, and how far they move says how far any self-report does",
    lambda behavior, style: questions(style, behavior.name),
    questions,
    of_others=True,
)
