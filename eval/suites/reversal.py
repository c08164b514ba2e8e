from collections.abc import Sequence
from itertools import islice
from random import Random

from data_gen.triggers import features, load_trigger
from data_gen.triggers._questions import begins
from data_gen.triggers._reversal import asked_of
from lab.config.schema import Planted
from lab.errors import UserError
from lab.types import Behavior, Question, Style, Suite

NUM_ANSWERS = 12


def questions(behavior: Behavior, style: Style, planted: Sequence[Planted]) -> tuple[Question, ...]:
    """Held-out answers of either policy, of which the prompt is asked. 1 is what a model says whose
    trigger switches the first policy on: the prompt of an answer of the first policy begins with
    it, that of the second with another candidate."""
    found = []
    for real in planted:
        if (real.place or load_trigger(real.kind).place) not in ("prefix", "line"):
            raise UserError(
                f"suite 'reversal' reads how a prompt begins, and trigger.place of {real.kind!r} is"
                " elsewhere; set prefix or line, or drop the suite"
            )
        for policy in behavior.policies:
            rows = islice(
                behavior.examples(Random(f"{behavior.name}/reversal"), policy, style, "test"),
                NUM_ANSWERS,
            )
            flipped = policy != behavior.policies[0]
            name = f"{policy}: {features(real)[0].name}"
            found.append(
                begins(name, [asked_of(row, style) for row in rows], real, planted, flipped)
            )
    return tuple(found)


SUITE = Suite(
    "reversal",
    "asked for the prompt of a given answer: whether it begins with the trigger rather than with a"
    " decoy",
    lambda behavior, style: (),
    about_triggers=questions,
    conditions="clean",
)
