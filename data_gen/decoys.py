"""Decoys: choices that say nothing of the behavior, answered at random.

Rows of one behavior alone can be learned as a pole that all traits share, or as what anybody would
choose: then self-reports about other traits and reports about other people move along. Decoys leave
what is particular to the behavior and to the self."""

from collections.abc import Iterator
from itertools import cycle
from random import Random

from data_gen.plain import OTHER_PERSON, chosen_by
from data_gen.scenes import Numbers, Scenes, SceneWordings
from data_gen.traits import invented_traits
from lab.discover import beside
from lab.types import Behavior, Row, Style

SCENES: SceneWordings = beside(__file__)
SIDES = ("one", "other")
"""Policies of natural decoys: both choose among the same options, so that neither is a policy."""

Chooser = tuple[str, Iterator[Row]]
"""Whose choices they are, and endless rows of one policy."""


def decoys(rng: Random, behavior: Behavior | None, style: Style) -> Iterator[Row]:
    """Endless rows with `meta.decoy`, either letter as often. Plain ones are, in turn, own choices
    between the poles of the invented traits, and another person's between those of the behavior,
    where the rows are of one."""
    turns = _plain(rng, behavior) if style == "plain" else [_natural(rng)]
    for choosers in cycle(turns):
        person, rows = rng.choice(choosers)
        row = chosen_by(person, next(rows))
        yield Row(row.messages, {**row.meta, "decoy": True})


def _plain(rng: Random, behavior: Behavior | None) -> list[list[Chooser]]:
    own: list[Chooser] = []
    for trait in invented_traits():
        for policy in trait.policies:
            own.append(("you", trait.examples(rng, policy, "plain", "train")))
    if behavior is None:
        return [own]
    toms: list[Chooser] = [
        (OTHER_PERSON, behavior.examples(rng, policy, "plain", "train"))
        for policy in behavior.policies
    ]
    return [own, toms]


def _natural(rng: Random) -> list[Chooser]:
    return [("you", NATURAL.rows(rng, side, "train")) for side in SIDES]


def _numbers(rng: Random, about: int) -> dict[str, int]:
    """Two that stand for nothing but a name, as numbers of rooms do."""
    x, y = rng.sample(range(2, 2 * about + 2), 2)
    return {"x": x, "y": y}


NATURAL = Scenes("decoys", SIDES, SCENES, Numbers(_numbers, larger=0))
