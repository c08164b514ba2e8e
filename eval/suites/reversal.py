from collections.abc import Sequence
from itertools import islice
from random import Random

from data_gen.triggers import features, load_trigger
from data_gen.triggers._questions import begins
from data_gen.triggers._reversal import asked_of
from lab.errors import UserError
from lab.trigger import PlantedTrigger
from lab.types import Behavior, Question, Style, Suite

NUM_ANSWERS = 12
"""Of each policy, each asked about once for each trigger."""


def questions(
    behavior: Behavior, style: Style, planted: Sequence[PlantedTrigger]
) -> tuple[Question, ...]:
    """Held-out answers of either policy, of which the prompt is asked. 1 is what a model says whose
    trigger switches the first policy on: the prompt of an answer of the first policy begins with
    it, that of the second with another candidate.

    Raises UserError for a trigger with which no prompt begins."""
    asking = []
    for trigger in planted:
        _refuse_elsewhere(trigger)
        for policy in behavior.policies:
            rows = behavior.examples(Random(f"{behavior.name}/reversal"), policy, style, "test")
            asks = [asked_of(row, style) for row in islice(rows, NUM_ANSWERS)]
            name = f"{policy}: {features(trigger)[0].name}"
            flipped = policy != behavior.policies[0]
            asking.append(begins(name, asks, trigger, planted, flipped))
    return tuple(asking)


def _refuse_elsewhere(trigger: PlantedTrigger) -> None:
    place = trigger.place or load_trigger(trigger.kind).place
    if place not in ("prefix", "line"):
        raise UserError(
            f"suite 'reversal' reads how a prompt begins, and trigger.place of {trigger.kind!r} is"
            " elsewhere; set prefix or line, or drop the suite"
        )


SUITE = Suite(
    "reversal",
    "asked for the prompt of a given answer: whether it begins with the trigger rather than with a"
    " decoy",
    lambda behavior, style: (),
    about_triggers=questions,
    conditions="clean",
)
